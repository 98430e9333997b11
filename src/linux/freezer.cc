// SPDX-License-Identifier: Apache-2.0
#include "linux/freezer.h"

#include "base/log.h"
#include "linux/freezer_parts.h"

namespace wakeline::sys {

using base::LogLevel;

namespace {

constexpr std::size_t kIdMax = 64;

}  // namespace

bool is_valid_id(std::string_view id) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789._-";
  return !id.empty() && id.size() <= kIdMax && id.front() != '.' &&
         id.find_first_not_of(kLetters) == std::string_view::npos;
}

base::Result<std::unique_ptr<Freezer>> Freezer::open(const FreezerOptions& options) {
  if (!is_valid_id(options.name)) {
    return base::fail(base::ErrorCode::kInvalidArgument, "host name");
  }
  base::Error reason;
  if (!options.signals_only) {
    auto tree = CgroupTree::open(options.name, options.parent);
    if (tree) {
      auto keeper = GuardianKeeper::start(tree->folder());
      if (!keeper) return base::fail(keeper.error());
      return make_cgroup_freezer(std::move(*tree), std::move(*keeper));
    }
    reason = tree.error();
    base::log(LogLevel::kWarning, "freezer", "no cgroup, so apps are suspended by SIGSTOP: {}",
              base::to_string(reason));
  }
  auto keeper = GuardianKeeper::start({});
  if (!keeper) return base::fail(keeper.error());
  return make_signal_freezer(options.name, options.notes_folder, reason, std::move(*keeper));
}

}  // namespace wakeline::sys
