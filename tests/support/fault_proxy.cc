// SPDX-License-Identifier: Apache-2.0
#include "fault_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "io/clock.h"

namespace wakeline::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void close_with_reset(io::UniqueFd& fd) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd.reset();
}

/// Bytes that may wait for their time, one way: more are left in the socket.
constexpr std::size_t kPiecesMax = 4'096;

}  // namespace

FaultProxy::FaultProxy(std::uint16_t target) : target_(target) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address = loopback(0);
  WL_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  WL_CHECK(::listen(listener_.get(), 64) == 0);
  socklen_t size = sizeof address;
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { run(); });
}

FaultProxy::~FaultProxy() {
  stopping_ = true;
  wake();
  thread_.join();
}

void FaultProxy::wake() {
  const std::uint64_t one = 1;
  WL_CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one);
}

void FaultProxy::set(const Faults& faults) {
  {
    const std::lock_guard lock(mutex_);
    faults_ = faults;
  }
  wake();
}

void FaultProxy::reset_all() {
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(Ending::kReset);
  }
  wake();
}

void FaultProxy::end_all() {
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(Ending::kEnd);
  }
  wake();
}

void FaultProxy::freeze_all() {
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(Ending::kFreeze);
  }
  wake();
}

void FaultProxy::run() {
  while (!stopping_) {
    Faults faults;
    std::vector<Ending> asked;
    {
      const std::lock_guard lock(mutex_);
      faults = faults_;
      asked = std::exchange(asked_, {});
    }
    for (const Ending ending : asked) apply(ending);

    std::vector<pollfd> polls = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    base::Instant next = base::kNever;
    for (const Pair& pair : pairs_) {
      if (pair.frozen || faults.silent) continue;
      for (const Way* way : {&pair.up, &pair.down}) {
        if (!way->ended && way->pieces.size() < kPiecesMax) polls.push_back({way->from, POLLIN, 0});
        if (!way->pieces.empty()) next = std::min(next, way->pieces.front().due);
      }
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - io::now()).count();
    const int wait = next == base::kNever ? -1 : static_cast<int>(std::max<std::int64_t>(left, 0));
    ::poll(polls.data(), polls.size(), wait);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto drained = ::read(wake_.get(), &count, sizeof count);
    if ((polls[1].revents & POLLIN) != 0) accept_one(faults);
    if (faults.silent) continue;
    std::erase_if(pairs_, [&](Pair& pair) {
      if (pair.frozen) return false;
      const bool fine = read_some(pair.up, faults) && read_some(pair.down, faults) &&
                        write_due(pair.up, faults) && write_due(pair.down, faults);
      if (!fine) {
        close_with_reset(pair.client);
        close_with_reset(pair.server);
        return true;
      }
      return pair.up.ended && pair.down.ended && pair.up.pieces.empty() && pair.down.pieces.empty();
    });
  }
}

void FaultProxy::accept_one(const Faults& faults) {
  io::UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) return;
  ++accepted_;
  if (faults.refusing) return close_with_reset(client);
  io::UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(target_);
  // The target is on this machine: it accepts or refuses at once.
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return close_with_reset(client);
  const int on = 1;
  ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(server.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int c = client.get();
  const int s = server.get();
  pairs_.push_back({.client = std::move(client),
                    .server = std::move(server),
                    .up = {.from = c, .to = s, .pieces = {}},
                    .down = {.from = s, .to = c, .pieces = {}}});
}

void FaultProxy::apply(Ending ending) {
  for (Pair& pair : pairs_) {
    if (ending == Ending::kFreeze) {
      pair.frozen = true;
    } else if (ending == Ending::kReset) {
      close_with_reset(pair.client);
      close_with_reset(pair.server);
    }
  }
  if (ending != Ending::kFreeze) pairs_.clear();
}

/// Returns: false when the connection is broken.
bool FaultProxy::read_some(Way& way, const Faults& faults) {
  if (way.ended || way.pieces.size() >= kPiecesMax) return true;
  std::array<std::uint8_t, 16'384> block;
  const ssize_t got = ::recv(way.from, block.data(), block.size(), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  const base::Instant due = io::now() + faults.delay;
  if (got == 0) {
    way.ended = true;
    way.pieces.push_back({due, {}});
  } else {
    way.pieces.push_back({due, {block.begin(), block.begin() + got}});
  }
  return true;
}

bool FaultProxy::write_due(Way& way, const Faults& faults) {
  while (!way.pieces.empty() && way.pieces.front().due <= io::now()) {
    const Piece piece = std::move(way.pieces.front());
    way.pieces.pop_front();
    if (piece.bytes.empty()) {
      ::shutdown(way.to, SHUT_WR);
      continue;
    }
    const std::size_t step = faults.byte_by_byte ? 1 : piece.bytes.size();
    for (std::size_t at = 0; at < piece.bytes.size();) {
      const std::size_t size = std::min(step, piece.bytes.size() - at);
      const ssize_t sent = ::send(way.to, piece.bytes.data() + at, size, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) {
        pollfd room{way.to, POLLOUT, 0};
        ::poll(&room, 1, 100);
        continue;
      }
      if (sent < 0) return false;
      at += static_cast<std::size_t>(sent);
    }
  }
  return true;
}

}  // namespace wakeline::test
