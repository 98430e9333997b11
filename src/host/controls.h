// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "host/driver.h"
#include "wire/host_message.h"

namespace wakeline::host {

/// What a control client may ask for: commands of the user and the list of apps.
class Controls {
 public:
  /// `driver` outlives it.
  Controls(Driver& driver, std::vector<std::string> manifest_folders)
      : driver_(driver), manifest_folders_(std::move(manifest_folders)) {}

  /// Reads the manifest folders and installs what is new; faults are lines of the log.
  void scan();

  /// kLaunch and kForeground look for a new or changed manifest when the app does not run.
  wire::host::Reply handle(const wire::host::Control& control);
  /// In parts of at most wire::host::kAppsMax.
  std::vector<wire::host::AppList> handle(const wire::host::List& list);

 private:
  wire::host::AppInfo info(AppRecord& app) const;

  Driver& driver_;
  std::vector<std::string> manifest_folders_;
};

}  // namespace wakeline::host
