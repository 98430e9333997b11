// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "linux/cgroup.h"
#include "linux/freezer.h"
#include "linux/guardian_keeper.h"

namespace wakeline::sys {

/// [a-z0-9._-]{1,64}, not starting with a dot: safe as a folder's name and in a variable.
bool is_valid_id(std::string_view id);

/// The two mechanisms behind `Freezer::open`, which alone makes them.
base::Result<std::unique_ptr<Freezer>> make_cgroup_freezer(CgroupTree tree,
                                                           std::shared_ptr<GuardianKeeper> keeper);
/// `name`: of the host; `reason`: why there is no cgroup; `notes_folder`: empty for none.
std::unique_ptr<Freezer> make_signal_freezer(std::string name, std::string notes_folder,
                                             base::Error reason,
                                             std::shared_ptr<GuardianKeeper> keeper);

}  // namespace wakeline::sys
