// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/clock.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/transport.h"
#include "io/unique_fd.h"

/// What the tests of streams share: the peer's end of a connection, plain or with TLS.
namespace wakeline::app::test {

/// A key and a certificate for `names`, and a server's settings with them.
struct TestCertificate {
  TestCertificate(const std::string& folder, const std::string& stem,
                  const std::vector<std::string>& names)
      : file(folder + "/" + stem + ".crt") {
    const std::string key = folder + "/" + stem + ".key";
    WL_CHECK(io::make_self_signed(file, key, names).has_value());
    auto made = io::TlsContext::server(file, key);
    WL_CHECK(made.has_value());
    context = std::move(*made);
  }
  std::string file;
  std::shared_ptr<io::TlsContext> context;
};

/// Speaks with the client, in the test's thread; every wait is bounded by ten seconds.
class StreamPeer {
 public:
  explicit StreamPeer(int listener) {
    pollfd waited{listener, POLLIN, 0};
    WL_CHECK(::poll(&waited, 1, 10'000) == 1);
    fd_.reset(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    WL_CHECK(fd_);
    transport_.emplace(io::Transport::plain(fd_.get()));
  }
  explicit StreamPeer(io::UniqueFd fd)
      : fd_(std::move(fd)), transport_(io::Transport::plain(fd_.get())) {}

  int fd() const { return fd_.get(); }
  /// What comes until `size` bytes are there; fewer at an end, an error, or when none came in time.
  std::string receive(std::size_t size) {
    std::string text;
    while (text.size() < size) {
      std::string block(std::min<std::size_t>(size - text.size(), 16'384), 0);
      const auto result =
          transport_->read({reinterpret_cast<std::uint8_t*>(block.data()), block.size()});
      if (result.step == io::Step::kDone) {
        text.append(block, 0, result.bytes);
      } else if (!wait(result.step)) {
        break;
      }
    }
    return text;
  }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto result =
          transport_->write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
      if (result.step == io::Step::kDone) {
        text.remove_prefix(result.bytes);
      } else if (!wait(result.step)) {
        return false;
      }
    }
    return true;
  }
  /// The server's side of the handshake.
  bool start_tls(const TestCertificate& certificate) {
    auto made = io::Transport::tls_server(fd_.get(), certificate.context->native());
    WL_CHECK(made.has_value());
    transport_ = std::move(*made);
    for (;;) {
      const auto result = transport_->handshake();
      if (result.step == io::Step::kDone) return true;
      if (!wait(result.step)) return false;
    }
  }
  /// No more bytes, in order.
  void finish() { transport_->finish(); }
  void close() { fd_.reset(); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }

 private:
  bool wait(io::Step step) const {
    if (step != io::Step::kWantRead && step != io::Step::kWantWrite) return false;
    pollfd waited{fd_.get(), static_cast<short>(step == io::Step::kWantRead ? POLLIN : POLLOUT), 0};
    return ::poll(&waited, 1, 10'000) == 1;
  }

  io::UniqueFd fd_;
  std::optional<io::Transport> transport_;
};

}  // namespace wakeline::app::test
