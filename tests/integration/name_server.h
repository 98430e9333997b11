// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/unique_fd.h"

namespace wakeline::test {

/// A DNS server on 127.0.0.1:53 of the test's own network, which answers as the test says: late,
/// wrong, or not at all. Source: RFC 1035 §4; UDP, one question a message.
class NameServer {
 public:
  enum class Type : std::uint16_t { kIpv4 = 1, kIpv6 = 28 };
  struct Answer {
    std::vector<std::string> addresses{};  ///< none: the name has none of that type
    bool silent = false;                   ///< the question is not answered
    std::chrono::milliseconds after{};
  };

  NameServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_port = htons(53);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    WL_CHECK(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&here), sizeof here) == 0);
    stop_.reset(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] { run(); });
  }
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;
  ~NameServer() {
    const std::uint64_t one = 1;
    WL_CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
    thread_.join();
  }

  /// A name that was never set does not exist.
  void set(const std::string& name, Type type, Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_[{name, type}] = std::move(answer);
  }
  int asked(const std::string& name, Type type) const {
    const std::lock_guard lock(mutex_);
    const auto it = asked_.find({name, type});
    return it == asked_.end() ? 0 : it->second;
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Reply {
    Clock::time_point due;
    sockaddr_in to;
    std::string bytes;
  };
  static constexpr std::size_t kHeader = 12;

  void run() {
    std::list<Reply> replies;
    for (;;) {
      int wait = -1;
      for (const Reply& reply : replies) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(reply.due - Clock::now());
        const int ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
        wait = wait < 0 ? ms : std::min(wait, ms);
      }
      std::array<pollfd, 2> polls = {{{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
      ::poll(polls.data(), polls.size(), wait);
      if (polls[1].revents != 0) return;
      std::erase_if(replies, [this](const Reply& reply) {
        if (reply.due > Clock::now()) return false;
        ::sendto(socket_.get(), reply.bytes.data(), reply.bytes.size(), 0,
                 reinterpret_cast<const sockaddr*>(&reply.to), sizeof reply.to);
        return true;
      });
      if (polls[0].revents != 0) answer_one(replies);
    }
  }

  void answer_one(std::list<Reply>& replies) {
    std::array<char, 512> block;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(socket_.get(), block.data(), block.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    if (got < static_cast<ssize_t>(kHeader)) return;
    const std::string question(block.data(), static_cast<std::size_t>(got));
    std::string name;
    std::size_t at = kHeader;
    while (at < question.size() && question[at] != 0) {
      const auto label = static_cast<std::size_t>(static_cast<unsigned char>(question[at]));
      name += (name.empty() ? "" : ".") + question.substr(at + 1, label);
      at += label + 1;
    }
    if (at + 5 > question.size()) return;
    const auto type = static_cast<Type>(static_cast<unsigned char>(question[at + 1]) << 8 |
                                        static_cast<unsigned char>(question[at + 2]));
    const std::lock_guard lock(mutex_);
    ++asked_[{name, type}];
    const bool known =
        answers_.contains({name, Type::kIpv4}) || answers_.contains({name, Type::kIpv6});
    const Answer answer = answers_.contains({name, type}) ? answers_[{name, type}] : Answer{};
    if (answer.silent) return;
    std::string reply = question.substr(0, 2);
    reply += '\x81';                   // a response, recursion desired
    reply += known ? '\x80' : '\x83';  // recursion available; no such name
    reply += std::string({0, 1, 0, static_cast<char>(answer.addresses.size()), 0, 0, 0, 0});
    reply += question.substr(kHeader, at + 5 - kHeader);
    for (const std::string& text : answer.addresses) {
      std::array<char, 16> address{};
      const bool four = type == Type::kIpv4;
      WL_CHECK(::inet_pton(four ? AF_INET : AF_INET6, text.c_str(), address.data()) == 1);
      const char length = four ? 4 : 16;
      reply +=
          std::string({'\xC0', kHeader, 0, static_cast<char>(type), 0, 1, 0, 0, 0, 1, 0, length});
      reply.append(address.data(), static_cast<std::size_t>(length));
    }
    replies.push_back({Clock::now() + answer.after, from, std::move(reply)});
  }

  io::UniqueFd socket_;
  io::UniqueFd stop_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, Type>, Answer> answers_;  // under mutex_
  std::map<std::pair<std::string, Type>, int> asked_;       // under mutex_
  std::thread thread_;
};

}  // namespace wakeline::test
