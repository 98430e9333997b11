// SPDX-License-Identifier: Apache-2.0
#include "server/audit_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>

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

base::Result<io::UniqueFd> open_file(const std::string& path) {
  io::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return base::fail(base::os_error("audit.open", errno));
  return fd;
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
    entry[name] = base::is_utf8(value) ? std::string_view(value).substr(0, kValueMax) : "(no text)";
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
