// SPDX-License-Identifier: Apache-2.0
#include "peer_program.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "io/clock.h"
#include "io/unique_fd.h"

namespace wakeline::peers {
namespace {

constexpr int kLookAgainMs = 2;

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  WL_CHECK(::inet_pton(AF_INET, text, &address.sin_addr) == 1);
  return address;
}

}  // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  // Daemons live where an ordinary user's PATH does not look.
  for (const char* folder : {"/usr/bin/", "/usr/sbin/", "/usr/games/", "/bin/", "/sbin/"}) {
    if (std::filesystem::exists(folder + name)) return folder + name;
  }
  return name;
}

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

bool wait_port(std::uint16_t port, const std::string& at) {
  const base::Instant until = io::now() + kPeerPatience;
  const sockaddr_in address = address_of(at.c_str(), port);
  while (io::now() < until) {
    const io::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return true;
    }
    ::poll(nullptr, 0, 5 * kLookAgainMs);  // between two questions
  }
  return false;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

PeerProgram::PeerProgram(const std::vector<std::string>& command, std::string log_file,
                         const std::vector<std::string>& environment)
    : log_file_(std::move(log_file)) {
  start_ = text_of(log_file_).size();
  // A test that is killed leaves nothing behind.
  std::vector<std::string> whole = {"/usr/bin/setpriv", "--pdeathsig", "TERM",
                                    find_program(command.front())};
  whole.insert(whole.end(), command.begin() + 1, command.end());
  auto started = cli::Program::start(whole, log_file_, environment);
  if (!started) {
    ADD_FAILURE() << command.front() << ": " << started.error();
    return;
  }
  program_ = std::move(*started);
}

std::optional<std::string> PeerProgram::next_line(const std::string& text, base::Duration timeout) {
  const base::Instant until = io::now() + timeout;
  for (;;) {
    const bool ended = !program_.alive();  // asked first: its last words count
    const std::string all = output();
    for (std::size_t end; (end = all.find('\n', seen_)) != std::string::npos;) {
      std::string line = all.substr(seen_, end - seen_);
      seen_ = end + 1;
      if (line.find(text) != std::string::npos) return line;
    }
    if (ended || io::now() > until) return std::nullopt;
    ::poll(nullptr, 0, kLookAgainMs);
  }
}

std::string PeerProgram::wait_line(const std::string& text, base::Duration timeout) {
  if (auto line = next_line(text, timeout)) return std::move(*line);
  ADD_FAILURE() << "no line with '" << text << "'" << (alive() ? "" : ", the program has ended")
                << "; its output:\n"
                << output();
  return {};
}

int PeerProgram::count_lines(const std::string& text) const {
  int count = 0;
  std::istringstream lines(output());
  for (std::string line; std::getline(lines, line);) count += line.find(text) != std::string::npos;
  return count;
}

int PeerProgram::wait(base::Duration timeout) {
  const base::Instant until = io::now() + timeout;
  while (program_.alive()) {
    if (io::now() > until) {
      ADD_FAILURE() << "it does not end; its output:\n" << output();
      program_.crash();
      return -1;
    }
    ::poll(nullptr, 0, kLookAgainMs);
  }
  return program_.wait();
}

}  // namespace wakeline::peers
