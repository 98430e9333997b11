// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/unique_fd.h"

namespace wakeline::sys {

/// How long a freeze may take before it counts as incomplete: a task in uninterruptible sleep never
/// freezes, its siblings do (measured).
inline constexpr base::Duration kFreezeBound = std::chrono::milliseconds(200);
/// For so long a freeze under way is looked at again without a pause.
inline constexpr base::Duration kLookAgain = std::chrono::milliseconds(1);

/// How long killed processes may take to go before their group counts as busy.
inline constexpr base::Duration kRemoveBound = std::chrono::seconds(1);

enum class FreezeOutcome {
  kComplete,
  kIncomplete,  ///< some task is still on its way (device I/O); the others are stopped
};

/// Where cgroup v2 is mounted.
struct CgroupMount {
  std::string path;  ///< "/sys/fs/cgroup", or "/sys/fs/cgroup/unified" on a hybrid machine
  std::string root;  ///< the cgroup that the mount shows as its top: "/" but in some containers
  friend bool operator==(const CgroupMount&, const CgroupMount&) = default;
};

/// Errors: kNotFound (no cgroup2 mount).
base::Result<CgroupMount> parse_cgroup_mount(std::string_view mountinfo);
/// That of /proc/self/mountinfo.
base::Result<CgroupMount> find_cgroup_mount();
/// The folder of this process's own cgroup. Errors: kNotFound (outside of the mount).
base::Result<std::string> own_cgroup_folder(const CgroupMount& mount);

/// One cgroup v2, its control files open: a thaw is one write.
class Cgroup {
 public:
  /// Makes the folder where it does not exist. Errors: kPermission, kUnsupported (no cgroup.freeze:
  /// kernel before 5.2), kOs.
  static base::Result<Cgroup> open(const std::string& folder);

  /// Freezes every task, also of cgroups below; waits until the kernel says so, at most `bound`.
  base::Result<FreezeOutcome> freeze(base::Duration bound = kFreezeBound);
  base::Result<void> thaw();
  /// SIGKILL to every task, frozen or not; does not wait. Before Linux 5.14 one by one.
  base::Result<void> kill();
  /// CPU time of all tasks, living and gone, since the cgroup was made.
  base::Result<base::Duration> cpu_time() const;
  /// Processes of this cgroup and of those below.
  base::Result<std::vector<pid_t>> processes() const;
  bool populated() const;
  /// Whether cgroup.freeze is 1: asked to be frozen.
  bool frozen() const;

  /// Extended attribute user.wakeline.KEY of the folder: outlives the host, not the cgroup.
  base::Result<void> set_attribute(const std::string& key, const std::string& value);
  std::optional<std::string> attribute(const std::string& key) const;

  /// Waits until it is empty (at most kRemoveBound) and removes the folder with those below.
  /// Errors: kBusy (a process is left), kPermission, kOs.
  base::Result<void> remove();

  int fd() const { return folder_fd_.get(); }  ///< the folder, for `spawn`
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  io::UniqueFd folder_fd_, freeze_fd_, events_fd_;
};

/// The host's part of the cgroup tree: one cgroup `app-ID` for each app below one folder.
class CgroupTree {
 public:
  /// `name`   of the host: a second host of the machine takes another one.
  /// `parent` empty: this process's own cgroup when systemd delegated it (Delegate=yes); else, as
  ///          root, the mount itself; else the own cgroup when it can be written.
  /// Errors:  kNotFound (no cgroup v2), kPermission (nothing writable), kUnsupported (no freezer).
  static base::Result<CgroupTree> open(const std::string& name, const std::string& parent = {});

  base::Result<Cgroup> open_app(const std::string& id) const;
  /// The id that `open_app` was given.
  std::string id_of(const Cgroup& app) const;
  /// Ids of the cgroups that exist, left by an earlier host perhaps; sorted.
  std::vector<std::string> apps() const;
  /// The app in whose cgroup the process lives. Nullopt: it is none of ours, or it ended.
  std::optional<std::string> app_of(pid_t pid) const;

  const std::string& folder() const { return folder_; }
  /// The folder that `open` would use, or why there is none; changes nothing.
  static base::Result<std::string> choose(const std::string& name, const std::string& parent = {});

 private:
  std::string folder_;
  std::string path_;  ///< as /proc/PID/cgroup writes it
};

/// Thaws every cgroup at and below `folder`, from the top down; writing 0 to a parent does not thaw
/// a child that is frozen itself. Returns: how many were asked to be frozen. Errors: kNotFound, the
/// first failure otherwise (the rest is done nevertheless).
base::Result<int> thaw_tree(const std::string& folder);

}  // namespace wakeline::sys
