// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "io/accept.h"
#include "io/seqpacket.h"
#include "io/unix_socket.h"

namespace wakeline::io {
namespace {

constexpr int kBacklog = 1'024;  // a boot may launch a thousand apps

/// Which file it is, so that only our own is removed.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

std::optional<FileId> file_id(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

/// Held while a socket file is looked at and replaced: two starting hosts must not remove each
/// other's. The folder itself is locked, so that no lock file is left behind.
base::Result<UniqueFd> lock_folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return base::fail(base::os_error("open folder", errno));
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return base::fail(base::os_error("flock", errno));
  }
  return fd;
}

/// Removes a socket file that nobody listens on. Errors: kAddressInUse.
base::Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return base::fail(base::ErrorCode::kAddressInUse, "another file has the socket's name");
  }
  auto probe = unix_socket();
  if (!probe) return base::fail(probe.error());
  const auto connected = connect_unix(probe->get(), address);
  if (connected || connected.error().os_error != ECONNREFUSED) {
    return base::fail(base::ErrorCode::kAddressInUse, "somebody listens there");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return base::fail(base::os_error("unlink", errno));
  }
  return {};
}

base::Result<UniqueFd> listen_at(const std::string& path, const sockaddr_un& address) {
  auto fd = unix_socket();
  if (!fd) return fd;
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(fd->get(), name, sizeof address) != 0) {
    if (errno != EADDRINUSE) return base::fail(base::os_error("bind", errno));
    if (auto removed = remove_stale(path, address); !removed) return base::fail(removed.error());
    if (::bind(fd->get(), name, sizeof address) != 0) {
      return base::fail(base::os_error("bind", errno));
    }
  }
  // Before listen(2) nobody can connect, so no moment with a wider mode counts.
  if (::chmod(path.c_str(), 0600) != 0) return base::fail(base::os_error("chmod", errno));
  if (::listen(fd->get(), kBacklog) != 0) return base::fail(base::os_error("listen", errno));
  return fd;
}

class UnixListenerState : public std::enable_shared_from_this<UnixListenerState> {
 public:
  UnixListenerState(Loop& loop, int fd, SeqpacketListener::OnAccept on_accept)
      : loop_(loop),
        descriptor_(loop.context(), fd),
        backoff_(loop.context()),
        on_accept_(std::move(on_accept)) {}

  void wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](boost::system::error_code) {
                             if (!self->closed_) self->accept_batch();
                           });
  }

  void close() {
    closed_ = true;
    boost::system::error_code ignored;
    descriptor_.close(ignored);
    backoff_.cancel(ignored);
  }

 private:
  /// Many at once: a boot launches more than one app in a turn of the loop, and one accepted in
  /// each turn would leave the first of them waiting until the last is launched.
  void accept_batch() {
    for (int i = 0; i < kAcceptBatch && !closed_; ++i) {
      UniqueFd fd(
          ::accept4(descriptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) {
        const int error = errno;
        if (error == EAGAIN) break;
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
          return wait_later(error);
        }
      } else if (auto connection = wrap_seqpacket(loop_, std::move(fd)); connection) {
        on_accept_(std::move(*connection));
      }
    }
    if (!closed_) wait();
  }

  void wait_later(int error) {
    base::log(base::LogLevel::kWarning, "io", "{}",
              base::to_string(base::os_error("accept", error)));
    backoff_.expires_after(kAcceptBackoff);
    backoff_.async_wait([self = shared_from_this()](boost::system::error_code) {
      if (!self->closed_) self->wait();
    });
  }

  Loop& loop_;
  boost::asio::posix::stream_descriptor descriptor_;
  boost::asio::steady_timer backoff_;
  SeqpacketListener::OnAccept on_accept_;
  bool closed_ = false;
};

class UnixListener : public SeqpacketListener {
 public:
  UnixListener(std::shared_ptr<UnixListenerState> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), id_(file_id(path_)) {
    state_->wait();
  }
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  ~UnixListener() override {
    state_->close();
    if (id_ && file_id(path_) == id_) ::unlink(path_.c_str());
  }

 private:
  std::shared_ptr<UnixListenerState> state_;
  std::string path_;
  std::optional<FileId> id_;
};

}  // namespace

base::Result<std::unique_ptr<SeqpacketListener>> SeqpacketListener::open(Loop& loop,
                                                                         const std::string& path,
                                                                         OnAccept on_accept) {
  const auto address = unix_address(path);
  if (!address) return base::fail(address.error());
  const auto lock = lock_folder_of(path);
  if (!lock) return base::fail(lock.error());
  auto fd = listen_at(path, *address);
  if (!fd) return base::fail(fd.error());
  return std::make_unique<UnixListener>(
      std::make_shared<UnixListenerState>(loop, fd->release(), std::move(on_accept)), path);
}

}  // namespace wakeline::io
