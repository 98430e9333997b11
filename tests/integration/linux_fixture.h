// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/unique_fd.h"
#include "linux/freezer.h"
#include "linux/process.h"

/// What the tests of src/linux share: the helper app, a socket to it, and bounded waiting.
namespace wakeline::sys::test {

inline constexpr auto kPatience = std::chrono::seconds(10);

inline std::string app_program() {
  char path[4'096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  std::string own(path, static_cast<std::size_t>(size > 0 ? size : 0));
  return own.substr(0, own.rfind('/') + 1) + "linux_app";
}

inline SpawnOptions app(const std::vector<std::string>& arguments) {
  SpawnOptions options;
  options.command = {app_program()};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = inherit_environment({"WAKELINE_TEST=yes"});
  return options;
}

/// Asks again and again until it is true, at most kPatience.
inline bool eventually(const std::function<bool()>& is_true) {
  const auto start = io::now();
  while (!is_true()) {
    if (io::now() - start > kPatience) return false;
    ::usleep(200);
  }
  return true;
}

/// Runs the loop's handlers until it is true, at most `bound`.
inline bool run_until(io::Loop& loop, const std::function<bool()>& is_true,
                      std::chrono::nanoseconds bound = kPatience) {
  const auto start = io::now();
  loop.context().restart();
  while (!is_true()) {
    const auto left = bound - (io::now() - start);
    if (left <= left.zero()) return false;
    loop.context().run_one_for(left);
  }
  return true;
}

/// A name that no other test run has at this moment.
inline std::string unique_name(const std::string& front) {
  return front + "-" + std::to_string(::getpid());
}

/// One end of a connection, as the app's server has it.
class Peer {
 public:
  Peer() = default;
  explicit Peer(int fd) : fd_(fd) {}

  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }
  bool send(char byte) { return ::send(fd_.get(), &byte, 1, MSG_NOSIGNAL) == 1; }
  /// The next byte; 0 at the end of the stream, -1 when nothing comes in time.
  int receive(std::chrono::milliseconds bound = kPatience) {
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(bound.count())) <= 0) return -1;
    unsigned char byte = 0;
    const ssize_t got = ::recv(fd_.get(), &byte, 1, 0);
    return got == 1 ? byte : got == 0 ? 0 : -2;
  }
  int ask(char byte) { return send(byte) ? receive() : -3; }

 private:
  io::UniqueFd fd_;
};

/// A listening socket on the loopback.
class Server {
 public:
  Server() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (!fd_) std::abort();  // a test cannot go on without it
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 16), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  int fd() const { return fd_.get(); }
  int port() const { return port_; }
  SpawnOptions answering_app() const { return app({"answer", std::to_string(port_)}); }

  Peer accept() const {
    pollfd wait{fd_.get(), POLLIN, 0};
    EXPECT_GT(::poll(&wait, 1, 10'000), 0);
    return Peer(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

 private:
  io::UniqueFd fd_;
  int port_ = 0;
};

/// What the answering app says first.
struct Hello {
  int fd = -1;
  pid_t pid = 0;
};
inline Hello hello_of(Peer& peer) {
  std::string line;
  for (int byte = peer.receive(); byte > 0 && byte != '\n'; byte = peer.receive()) {
    line += static_cast<char>(byte);
  }
  Hello hello;
  hello.fd = std::atoi(line.c_str());
  hello.pid = std::atoi(line.substr(line.find(' ') + 1).c_str());
  return hello;
}

/// The two ends of a TCP connection on the loopback: `client` is the outgoing one.
struct Pair {
  io::UniqueFd client;
  Peer server;
};
inline Pair connect_pair(const Server& server) {
  Pair pair;
  pair.client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(pair.client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  pair.server = server.accept();
  return pair;
}

inline io::UniqueFd new_socket(int family, int type) {
  return io::UniqueFd(::socket(family, type | SOCK_CLOEXEC, 0));
}

/// Closes with RST instead of FIN.
inline void reset(Peer& peer) {
  const linger now = {1, 0};
  ::setsockopt(peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  peer.close();
}

template <class T>
std::string text_of(const base::Result<T>& result) {
  return result ? "ok" : base::to_string(result.error());
}

/// EXPECT_OK(call) prints the error.
#define EXPECT_OK(call)                                                          \
  do {                                                                           \
    const auto& checked = (call);                                                \
    EXPECT_TRUE(checked.has_value()) << ::wakeline::sys::test::text_of(checked); \
  } while (false)
#define ASSERT_OK(result) \
  ASSERT_TRUE((result).has_value()) << ::wakeline::sys::test::text_of(result)

}  // namespace wakeline::sys::test
