// SPDX-License-Identifier: Apache-2.0
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace wakeline::io {
namespace {

constexpr std::size_t kFileBlock = 65'536;  // bytes of one read(2)

std::string environment(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : value;
}

base::Result<std::string> read_all(int fd, std::size_t limit) {
  std::string bytes;
  while (true) {
    // One byte over the limit is asked for, to tell "just fits" from "too large".
    const std::size_t wanted = std::min(kFileBlock, limit - bytes.size() + 1);
    const std::size_t before = bytes.size();
    bytes.resize(before + wanted);
    const ssize_t got = ::read(fd, bytes.data() + before, wanted);
    const int error = errno;
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error == EINTR) continue;
    if (got < 0) return base::fail(base::os_error("read", error));
    if (got == 0) return bytes;
    if (bytes.size() > limit) return base::fail(base::ErrorCode::kTooLarge, "read");
  }
}

}  // namespace

base::Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return base::fail(base::os_error("open", errno));
  return read_all(fd.get(), limit);
}

base::Result<std::string> read_regular_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return base::fail(base::os_error("open", errno));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return base::fail(base::os_error("fstat", errno));
  if (!S_ISREG(status.st_mode)) {
    return base::fail(base::ErrorCode::kInvalidArgument, "no regular file");
  }
  return read_all(fd.get(), limit);
}

base::Result<UniqueFd> lock_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return base::fail(base::os_error("open", errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return base::fail(base::ErrorCode::kBusy, "flock");
    return base::fail(base::os_error("flock", errno));
  }
  return fd;
}

base::Result<void> make_folder(const std::string& path) {
  for (std::size_t end = 1; end <= path.size(); ++end) {
    if (end < path.size() && path[end] != '/') continue;
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) == 0 || errno == EISDIR) continue;
    const int error = errno;
    struct stat status{};
    // A parent may be there and closed to us; what counts is that the whole path can be made.
    if (::stat(part.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) continue;
    return base::fail(base::os_error("mkdir", error == EEXIST ? ENOTDIR : error));
  }
  return {};
}

base::Result<void> check_own_folder(const std::string& path) {
  const auto is_ours = [](const struct stat& status) {
    return status.st_uid == ::geteuid() || status.st_uid == 0;
  };
  struct stat link{};
  struct stat folder{};
  if (::lstat(path.c_str(), &link) != 0 || ::stat(path.c_str(), &folder) != 0) {
    return base::fail(base::os_error("folder", errno));
  }
  if (!S_ISDIR(folder.st_mode)) return base::fail(base::os_error("folder", ENOTDIR));
  if (!is_ours(link) || !is_ours(folder)) {
    return base::fail(base::ErrorCode::kPermission, "the folder belongs to another user");
  }
  if ((folder.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return base::fail(base::ErrorCode::kPermission, "others may write to the folder: chmod go-w");
  }
  return {};
}

std::string default_runtime_folder() {
  if (const std::string base = environment("XDG_RUNTIME_DIR"); !base.empty()) {
    return base + "/wakeline";
  }
  if (::geteuid() == 0) return "/run/wakeline";
  return "/tmp/wakeline-" + std::to_string(::geteuid());
}

std::string default_state_folder() {
  if (const std::string base = environment("XDG_STATE_HOME"); !base.empty()) {
    return base + "/wakeline";
  }
  if (::geteuid() == 0) return "/var/lib/wakeline";
  std::string home = environment("HOME");
  if (home.empty()) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 4096> buffer{};
    if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr) {
      home = entry.pw_dir;
    }
  }
  return home + "/.local/state/wakeline";
}

}  // namespace wakeline::io
