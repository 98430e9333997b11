// SPDX-License-Identifier: Apache-2.0
#include "server/audit_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include <boost/json.hpp>

#include "base/bytes.h"
#include "io/unique_fd.h"

namespace wakeline::server {

namespace {

/// A field that a peer wrote is cut here; it goes into the log as a JSON text.
constexpr std::size_t kValueMax = 200;

std::string time_text(base::WallTime now) {
  using namespace std::chrono;
  const auto ms = floor<milliseconds>(now.time_since_epoch());
  const auto s = floor<seconds>(ms);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(s.count())), (ms - s).count());
}

/// As much of it as a field takes, whole characters.
std::string_view beginning(std::string_view text) {
  std::size_t end = std::min(text.size(), kValueMax);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return text.substr(0, end);
}

/// What root makes is the folder's owner's, who could not write it otherwise: the server's. Only a
/// file that we have just made ourselves: what lies under its name may be a link to another.
base::Result<void> give_to_owner(int fd, const std::string& path) {
  if (::geteuid() != 0) return {};
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  struct stat owner{};
  if (::stat(folder.empty() ? "." : folder.c_str(), &owner) != 0 ||
      ::fchown(fd, owner.st_uid, owner.st_gid) != 0)
    return base::fail(base::os_error("audit.owner", errno));
  return {};
}

base::Result<io::UniqueFd> make_file(const std::string& path) {
  io::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return base::fail(base::os_error("audit.open", errno));
  if (auto given = give_to_owner(fd.get(), path); !given) {
    ::unlink(path.c_str());  // better none: the server makes its own
    return base::fail(given.error());
  }
  return fd;
}

/// A link in its place is refused: the folder is the server's, and a command that root runs must
/// write no other file for it.
base::Result<io::UniqueFd> open_file(const std::string& path) {
  for (;;) {
    io::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC));
    if (fd) return fd;
    if (errno != ENOENT) return base::fail(base::os_error("audit.open", errno));
    auto made = make_file(path);
    if (made || made.error().os_error != EEXIST) return made;  // else another process was first
  }
}

/// The file under the path, locked: another process may have turned it over meanwhile.
base::Result<io::UniqueFd> open_locked(const std::string& path) {
  for (;;) {
    auto fd = open_file(path);
    if (!fd) return fd;
    if (::flock(fd->get(), LOCK_EX) != 0) return base::fail(base::os_error("audit.lock", errno));
    struct stat mine{};
    struct stat named{};
    if (::fstat(fd->get(), &mine) != 0) return base::fail(base::os_error("audit.stat", errno));
    if (::stat(path.c_str(), &named) == 0 && named.st_ino == mine.st_ino) return fd;
  }
}

}  // namespace

base::Result<void> AuditLog::write(base::WallTime now, std::string_view event, const Fields& fields,
                                   bool sync) {
  boost::json::object entry{{"at", time_text(now)}, {"event", event}};
  for (const auto& [name, value] : fields)
    entry[name] = base::is_utf8(value) ? beginning(value) : "(no text)";
  const std::string line = boost::json::serialize(entry) + "\n";
  auto fd = open_locked(path_);
  if (!fd) return base::fail(fd.error());
  struct stat status{};
  if (::fstat(fd->get(), &status) != 0) return base::fail(base::os_error("audit.stat", errno));
  if (static_cast<std::size_t>(status.st_size) + line.size() > file_max_ && status.st_size > 0) {
    if (std::rename(path_.c_str(), (path_ + ".1").c_str()) != 0)
      return base::fail(base::os_error("audit.rename", errno));
    fd = open_locked(path_);
    if (!fd) return base::fail(fd.error());
  }
  const ssize_t written = ::write(fd->get(), line.data(), line.size());
  if (written < 0) return base::fail(base::os_error("audit.write", errno));
  if (static_cast<std::size_t>(written) != line.size())
    return base::fail(base::ErrorCode::kStorageFull, "audit.write");
  if (sync && ::fdatasync(fd->get()) != 0) return base::fail(base::os_error("audit.sync", errno));
  return {};
}

}  // namespace wakeline::server
