// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

/// A disk of the test's own, which it may fill and lock.
namespace wakeline::test {

/// From here on this process's mounts are its own and its children's; as root, or in a user
/// namespace of our own.
inline bool enter_mount_namespace() {
  const auto uid = ::getuid();
  const auto gid = ::getgid();
  if (::unshare(CLONE_NEWNS) != 0) {
    if (errno != EPERM || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// A file system of so many bytes at `path`, for this process and its children alone. `size`:
/// "size=14m".
inline bool mount_small(const std::string& path, const char* size) {
  if (!enter_mount_namespace()) return false;
  std::filesystem::create_directories(path);
  return ::mount("small", path.c_str(), "tmpfs", 0, size) == 0;
}

/// Puts a read-only disk in the place of the one at `path`, as one is after an error; `writable`:
/// takes it away. Files that are open stay so.
inline bool set_writable(const std::string& path, bool writable) {
  if (writable) return ::umount2(path.c_str(), MNT_DETACH) == 0;
  return ::mount("locked", path.c_str(), "tmpfs", MS_RDONLY, "size=4k") == 0;
}

/// Takes all the room that is left; the room is free again when the file is removed.
inline void fill(const std::string& file) {
  std::ofstream out(file, std::ios::binary);
  const std::string block(4'096, 'x');
  while (out.write(block.data(), static_cast<std::streamsize>(block.size())) && out.flush()) {
  }
}

}  // namespace wakeline::test
