// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "host/driver.h"
#include "host/manifests.h"
#include "host/runs.h"
#include "host/settings.h"
#include "wire/host_message.h"

namespace wakeline::host {

/// What a control client may ask for: commands of the user and the list of apps.
class Controls {
 public:
  /// `driver` and `runs` outlive it. The first manifest folder is where apps are installed.
  Controls(Driver& driver, Runs& runs, std::string state_folder,
           std::vector<std::string> manifest_folders)
      : driver_(driver),
        runs_(runs),
        state_folder_(std::move(state_folder)),
        manifest_folders_(std::move(manifest_folders)) {}

  const std::string& state_folder() const { return state_folder_; }
  const std::string& apps_folder() const { return manifest_folders_.front(); }

  /// Reads the user's settings and the manifest folders, and installs what is new; faults are lines
  /// of the log.
  ManifestScan scan();
  /// Of those who run still under no host: installs by the manifest that it was launched by whose
  /// own cannot be read now.
  void take_over(const ManifestScan& found, const std::vector<std::string>& living);

  /// kLaunch and kForeground look for a new or changed manifest when the app does not run.
  wire::host::Reply handle(const wire::host::Control& control);
  /// Takes what changed in the manifest folders; an app whose manifest is gone is closed, and
  /// forgotten when it has ended. One whose manifest has a fault now stays as it is.
  wire::host::Reply handle(const wire::host::Reload& reload);
  /// In parts of at most wire::host::kAppsMax.
  std::vector<wire::host::AppList> handle(const wire::host::List& list);

 private:
  wire::host::AppInfo info(AppRecord& app) const;

  Driver& driver_;
  Runs& runs_;
  std::string state_folder_;
  std::vector<std::string> manifest_folders_;
  Settings settings_;  ///< of the last file without a fault
};

}  // namespace wakeline::host
