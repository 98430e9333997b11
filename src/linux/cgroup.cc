// SPDX-License-Identifier: Apache-2.0
#include "linux/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <tuple>

#include "io/clock.h"
#include "linux/control_file.h"
#include "linux/folders.h"
#include "linux/proc.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

constexpr std::size_t kAttributeMax = 4'096;
constexpr int kKillRounds = 16;

std::string attribute_name(const std::string& key) { return "user.wakeline." + key; }

// "key 1" in cgroup.events.
base::Result<bool> event_flag(int events_fd, std::string_view key) {
  char text[256];
  const ssize_t size = ::pread(events_fd, text, sizeof text, 0);
  if (size < 0) return base::fail(base::os_error("cgroup.events", errno));
  const auto value = control_value({text, static_cast<std::size_t>(size)}, key);
  if (!value) return base::fail(value.error());
  return *value != 0;
}

// Waits until the flag has the wanted value. Returns: whether it has.
base::Result<bool> await_flag(int events_fd, std::string_view key, bool wanted,
                              base::Duration bound) {
  const auto start = io::now();
  while (true) {
    const auto flag = event_flag(events_fd, key);
    if (!flag || *flag == wanted) return flag ? base::Result<bool>(true) : flag;
    const auto spent = io::now() - start;
    if (spent >= bound) return false;
    // A freeze is seen in about 20 µs; a waiting poll is told 5–30 ms late, because the kernel
    // limits the rate of these notifications.
    if (spent < kLookAgain) {
      ::sched_yield();
      continue;
    }
    pollfd wait{events_fd, POLLPRI, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(bound - spent);
    ::poll(&wait, 1, static_cast<int>(left.count()));
  }
}

void add_processes(const std::string& folder, std::vector<pid_t>& list) {
  const auto text = read_control(AT_FDCWD, (folder + "/cgroup.procs").c_str(), 16 << 20);
  if (!text) return;  // removed meanwhile
  for_each_line(*text, [&](std::string_view line) {
    pid_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    if (pid > 0) list.push_back(pid);  // 0: outside of our pid namespace
  });
}

// folder: as for openat(2), below `parent`. Returns: whether it was asked to be frozen. Errors:
// kNotFound where there is no such file: the mount's own root, or removed meanwhile.
base::Result<bool> thaw_folder(int parent, const std::string& folder) {
  const auto failed = [] {
    if (errno == ENODEV) return base::fail(ErrorCode::kNotFound, "cgroup.freeze", ENODEV);
    return base::fail(base::os_error("cgroup.freeze", errno));
  };
  const io::UniqueFd file(
      ::openat(parent, (folder + "/cgroup.freeze").c_str(), O_RDWR | O_CLOEXEC));
  char flag = '0';
  if (!file || ::pread(file.get(), &flag, 1, 0) < 0) return failed();
  if (flag != '1') return false;
  if (::pwrite(file.get(), "0", 1, 0) != 1) return failed();
  return true;
}

}  // namespace

base::Result<Cgroup> Cgroup::open(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return base::fail(base::os_error("cgroup", errno));
  }
  Cgroup cgroup;
  cgroup.folder_ = folder;
  cgroup.folder_fd_.reset(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.folder_fd_) return base::fail(base::os_error("cgroup", errno));
  const int fd = cgroup.folder_fd_.get();
  const int freeze_fd = ::openat(fd, "cgroup.freeze", O_RDWR | O_CLOEXEC);
  if (freeze_fd < 0) {
    const int error = errno;
    if (error == ENOENT) return base::fail(ErrorCode::kUnsupported, "cgroup.freeze", error);
    return base::fail(base::os_error("cgroup.freeze", error));
  }
  cgroup.freeze_fd_.reset(freeze_fd);
  cgroup.events_fd_.reset(::openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC));
  if (!cgroup.events_fd_) return base::fail(base::os_error("cgroup.events", errno));
  return cgroup;
}

base::Result<FreezeOutcome> Cgroup::freeze(base::Duration bound) {
  if (::pwrite(freeze_fd_.get(), "1", 1, 0) != 1) {
    return base::fail(base::os_error("cgroup.freeze", errno));
  }
  const auto done = await_flag(events_fd_.get(), "frozen", true, bound);
  if (!done) {
    // Nobody knows then what it is; a running app is the harmless case.
    std::ignore = thaw();
    return base::fail(done.error());
  }
  return *done ? FreezeOutcome::kComplete : FreezeOutcome::kIncomplete;
}

base::Result<void> Cgroup::thaw() {
  if (::pwrite(freeze_fd_.get(), "0", 1, 0) != 1) {
    return base::fail(base::os_error("cgroup.freeze", errno));
  }
  return {};
}

base::Result<void> Cgroup::kill() {
  const auto written = write_control(fd(), "cgroup.kill", "1");
  if (written || written.error().code != ErrorCode::kNotFound) return written;
  for (int round = 0; round < kKillRounds; ++round) {
    const auto list = processes();
    if (!list || list->empty()) break;
    for (const pid_t pid : *list) ::kill(pid, SIGKILL);
  }
  return {};
}

base::Result<base::Duration> Cgroup::cpu_time() const {
  const auto text = read_control(fd(), "cpu.stat");
  if (!text) return base::fail(text.error());
  const auto usage = control_value(*text, "usage_usec");
  if (!usage) return base::fail(usage.error());
  return std::chrono::microseconds(*usage);
}

base::Result<std::vector<pid_t>> Cgroup::processes() const {
  std::vector<pid_t> list;
  const bool walked =
      walk_folders(folder_, [&](const std::string& folder) { add_processes(folder, list); });
  if (!walked) return base::fail(ErrorCode::kNotFound, "cgroup");
  return list;
}

bool Cgroup::populated() const { return event_flag(events_fd_.get(), "populated").value_or(false); }

bool Cgroup::frozen() const {
  char flag = '0';
  return ::pread(freeze_fd_.get(), &flag, 1, 0) == 1 && flag == '1';
}

base::Result<void> Cgroup::set_attribute(const std::string& key, const std::string& value) {
  if (::fsetxattr(fd(), attribute_name(key).c_str(), value.data(), value.size(), 0) != 0) {
    return base::fail(base::os_error("setxattr", errno));
  }
  return {};
}

std::optional<std::string> Cgroup::attribute(const std::string& key) const {
  char value[kAttributeMax];
  const ssize_t size = ::fgetxattr(fd(), attribute_name(key).c_str(), value, sizeof value);
  if (size < 0) return std::nullopt;
  return std::string(value, static_cast<std::size_t>(size));
}

base::Result<void> Cgroup::remove() {
  const auto empty = await_flag(events_fd_.get(), "populated", false, kRemoveBound);
  if (empty && !*empty) return base::fail(ErrorCode::kBusy, "cgroup");
  std::vector<std::string> folders;
  walk_folders(folder_, [&](const std::string& folder) { folders.push_back(folder); });
  // Parents come first in the list, and are removed last.
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    if (::rmdir(folder->c_str()) == 0 || errno == ENOENT) continue;
    if (errno == EBUSY) return base::fail(ErrorCode::kBusy, "cgroup", errno);
    return base::fail(base::os_error("cgroup", errno));
  }
  return {};
}

base::Result<int> thaw_tree(const std::string& folder) {
  int found = 0;
  base::Result<void> first = {};
  const io::UniqueFd tree(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!tree) return base::fail(ErrorCode::kNotFound, "cgroup");
  const auto thaw = [&](int parent, const std::string& path) {
    const auto was_frozen = thaw_folder(parent, path);
    if (was_frozen)
      found += *was_frozen ? 1 : 0;
    else if (first && was_frozen.error().code != ErrorCode::kNotFound)
      first = base::fail(was_frozen.error());
  };
  // The apps before all else: to look for what is below each of them takes longer than to thaw it.
  for (const std::string& name : folders_in(folder)) thaw(tree.get(), name);
  if (!walk_folders(folder, [&](const std::string& path) { thaw(AT_FDCWD, path); }))
    return base::fail(ErrorCode::kNotFound, "cgroup");
  if (!first) return base::fail(first.error());
  return found;
}

}  // namespace wakeline::sys
