// SPDX-License-Identifier: Apache-2.0
#include "loopback.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "io/clock.h"

namespace wakeline::bench {
namespace {

constexpr auto kPortPatience = std::chrono::seconds(30);
constexpr int kAskAgainMs = 10;
/// What a peer may send before the words that are waited for, in bytes.
constexpr std::size_t kInputMax = 1 << 20;

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  WL_CHECK(::inet_pton(AF_INET, text, &address.sin_addr) == 1);
  return address;
}

int left_ms(base::Instant end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - io::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

}  // namespace

std::uint16_t free_port() {
  for (;;) {
    const io::UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const io::UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = address_of("127.0.0.1", 0);
    socklen_t size = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    WL_CHECK(::bind(tcp.get(), plain, size) == 0);
    ::getsockname(tcp.get(), plain, &size);
    if (::bind(udp.get(), plain, size) == 0) return ntohs(address.sin_port);
  }
}

cli::Outcome<io::UniqueFd> connect_to(std::uint16_t port, const char* address) {
  io::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in to = address_of(address, port);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    return std::unexpected(fmt::format("nobody listens on port {}", port));
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

cli::Outcome<void> await_port(std::uint16_t port, const char* address) {
  const base::Instant end = io::now() + kPortPatience;
  for (;;) {
    const auto fd = connect_to(port, address);
    if (fd) return {};
    if (io::now() > end) return std::unexpected(fd.error());
    ::poll(nullptr, 0, kAskAgainMs);  // between two questions
  }
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0 ? name : "";
  for (const char* folder : {"/usr/bin/", "/usr/sbin/", "/usr/games/", "/bin/", "/sbin/"}) {
    if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
  }
  return {};
}

std::vector<std::string> ends_with_us(std::vector<std::string> command) {
  command.insert(command.begin(), {"/usr/bin/setpriv", "--pdeathsig", "TERM"});
  return command;
}

cli::Outcome<TextLine> TextLine::connect(std::uint16_t port) {
  auto fd = connect_to(port);
  if (!fd) return std::unexpected(fd.error());
  return TextLine(std::move(*fd));
}

cli::Outcome<void> TextLine::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return std::unexpected("the connection is gone");
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

cli::Outcome<std::string> TextLine::await(std::string_view text, base::Duration timeout) {
  const base::Instant end = io::now() + timeout;
  for (;;) {
    if (const auto at = input_.find(text); at != std::string::npos) {
      std::string before = input_.substr(0, at);
      input_.erase(0, at + text.size());
      return before;
    }
    pollfd wanted{socket_.get(), POLLIN, 0};
    std::array<char, 8'192> block{};
    if (input_.size() > kInputMax || ::poll(&wanted, 1, left_ms(end)) != 1)
      return std::unexpected(fmt::format("no '{}' in time; what came: {}", text, input_));
    const ssize_t got = ::recv(socket_.get(), block.data(), block.size(), 0);
    if (got <= 0)
      return std::unexpected(fmt::format("the connection ended before '{}': {}", text, input_));
    input_.append(block.data(), static_cast<std::size_t>(got));
  }
}

void TextLine::skip() {
  std::array<char, 8'192> block{};
  while (::recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
  }
  input_.clear();
}

std::uint16_t TextLine::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace wakeline::bench
