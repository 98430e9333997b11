// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "io/file.h"

/// A file is written beside its place, under a name that is always the same, and locked meanwhile.
/// So one that is there and not locked was left by a process that died in the midst, and the next
/// one that writes the file removes it.
namespace wakeline::io {
namespace {

constexpr std::string_view kUnfinished = ".wakeline-new";
/// Of one file at a time, by a name each.
constexpr int kWritersMax = 8;
/// How often another process may be in the way of making the unfinished file.
constexpr int kTriesMax = 100;
/// Links to links, as the kernel follows them.
constexpr int kLinksMax = 40;

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

base::Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {  // a stdout that somebody made non-blocking
        pollfd wait{fd, POLLOUT, 0};
        ::poll(&wait, 1, -1);
        continue;
      }
      return base::fail(base::os_error("write", errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

/// While it lives, what write(2) would also say by a signal to the writing thread, and end the
/// process with, is its error alone. SIGXFSZ: a file grows over the process's limit (RLIMIT_FSIZE);
/// SIGPIPE: nobody reads.
class WithoutSignal {
 public:
  explicit WithoutSignal(int number) {
    sigemptyset(&signal_);
    sigaddset(&signal_, number);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, number) == 1;
    pthread_sigmask(SIG_BLOCK, &signal_, &former_);
  }
  WithoutSignal(const WithoutSignal&) = delete;
  WithoutSignal& operator=(const WithoutSignal&) = delete;
  ~WithoutSignal() {
    constexpr timespec kAtOnce{};
    if (!was_pending_) sigtimedwait(&signal_, nullptr, &kAtOnce);
    pthread_sigmask(SIG_SETMASK, &former_, nullptr);
  }

 private:
  sigset_t signal_{};
  sigset_t former_{};
  bool was_pending_ = false;
};

base::Result<void> sync_folder(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return base::fail(base::os_error("open folder", errno));
  if (::fsync(fd.get()) != 0) return base::fail(base::os_error("fsync folder", errno));
  return {};
}

std::string unfinished(const std::string& path, int writer) {
  return path + std::string(kUnfinished) + (writer == 0 ? "" : std::to_string(writer));
}

bool is_at(int fd, const std::string& path) {
  struct stat here{};
  struct stat there{};
  return ::fstat(fd, &here) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/// Returns: false when somebody writes it, or it is none that we may remove.
bool remove_left(const std::string& path) {
  const UniqueFd left(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!left) return errno == ENOENT;
  if (::flock(left.get(), LOCK_EX | LOCK_NB) != 0) return false;
  // Else it has got its own name meanwhile, and this one may be another's.
  return !is_at(left.get(), path) || ::unlink(path.c_str()) == 0 || errno == ENOENT;
}

/// A new file of that name, locked. Errors: kBusy (it is another's), as create.
base::Result<UniqueFd> make_unfinished(const std::string& path) {
  for (int i = 0; i < kTriesMax; ++i) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd && errno != EEXIST) return base::fail(base::os_error("create", errno));
    if (!fd) {
      if (!remove_left(path)) break;
      continue;
    }
    // Before the lock another process may have taken it for one that was left.
    const int error = ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    if (error == 0 && is_at(fd.get(), path)) return fd;
    if (error != 0 && error != EWOULDBLOCK) {
      ::unlink(path.c_str());
      return base::fail(base::os_error("flock", error));
    }
  }
  return base::fail(base::ErrorCode::kBusy, "create");
}

/// Fills and renames the unfinished file; the caller removes it when this fails, and holds the lock
/// until then.
base::Result<void> fill_and_rename(int fd, const std::string& unfinished, const std::string& path,
                                   std::string_view bytes, unsigned mode) {
  if (::fchmod(fd, mode) != 0) return base::fail(base::os_error("fchmod", errno));
  if (auto written = write_all(fd, bytes); !written) return written;
  if (::fsync(fd) != 0) return base::fail(base::os_error("fsync", errno));
  // Some file systems report a failed write only at a close; it leaves the lock to `fd`.
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0 || ::close(copy) != 0) return base::fail(base::os_error("close", errno));
  if (::rename(unfinished.c_str(), path.c_str()) != 0) {
    return base::fail(base::os_error("rename", errno));
  }
  return {};
}

/// The file that a link names, which need not be there.
std::string behind_links(const std::string& path) {
  std::filesystem::path at = path;
  for (int i = 0; i < kLinksMax; ++i) {
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(at, error);
    if (error) break;
    at = at.parent_path() / target;  // the target alone where it is absolute
  }
  return at.string();
}

base::Result<void> write_straight(UniqueFd fd, std::string_view bytes) {
  const WithoutSignal no_reader(SIGPIPE);
  const WithoutSignal too_large(SIGXFSZ);
  if (auto written = write_all(fd.get(), bytes); !written) return written;
  if (::close(fd.release()) != 0) return base::fail(base::os_error("close", errno));
  return {};
}

}  // namespace

bool names_stdout(const std::string& path) {
  struct stat there{};
  struct stat ours{};
  return path == "-" || (::stat(path.c_str(), &there) == 0 && ::fstat(STDOUT_FILENO, &ours) == 0 &&
                         there.st_dev == ours.st_dev && there.st_ino == ours.st_ino);
}

base::Result<void> write_output(const std::string& path, std::string_view bytes, OutputMode mode) {
  if (names_stdout(path)) {
    UniqueFd copy(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!copy) return base::fail(base::os_error("stdout", errno));
    return write_straight(std::move(copy), bytes);
  }
  struct stat status{};
  const bool there = ::stat(path.c_str(), &status) == 0;
  if (there && !S_ISREG(status.st_mode)) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) return base::fail(base::os_error("open", errno));
    return write_straight(std::move(fd), bytes);
  }
  unsigned access = mode == OutputMode::kSecret ? 0600 : 0644;
  if (there && mode == OutputMode::kShared) access = status.st_mode & 07777;
  return write_file(behind_links(path), bytes, access);
}

base::Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode) {
  const WithoutSignal none(SIGXFSZ);
  base::Result<UniqueFd> fd = base::fail(base::ErrorCode::kBusy, "create");
  std::string beside;
  for (int writer = 0; writer < kWritersMax && !fd; ++writer) {
    beside = unfinished(path, writer);
    fd = make_unfinished(beside);
    if (!fd && fd.error().code != base::ErrorCode::kBusy) return base::fail(fd.error());
  }
  if (!fd) return base::fail(fd.error());
  if (auto done = fill_and_rename(fd->get(), beside, path, bytes, mode); !done) {
    ::unlink(beside.c_str());
    return done;
  }
  return sync_folder(folder_of(path));
}

base::Result<void> remove_file(const std::string& path) {
  for (int writer = 0; writer < kWritersMax; ++writer) remove_left(unfinished(path, writer));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return base::fail(base::os_error("unlink", errno));
  }
  return {};
}

bool is_unfinished(std::string_view name) {
  const auto at = name.rfind(kUnfinished);
  return at != std::string_view::npos && name.size() - at <= kUnfinished.size() + 1;
}

}  // namespace wakeline::io
