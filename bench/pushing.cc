// SPDX-License-Identifier: Apache-2.0
#include "pushing.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bed.h"

namespace wakeline::bench {

namespace {

/// As many requests at a time as the server reads ahead.
constexpr std::size_t kWindow = 16;

/// One connection of an app server that pushes over HTTP.
class Sender {
 public:
  Sender(const Broker& broker, std::size_t number, std::size_t devices)
      : broker_(broker), devices_(devices), random_(number + 1) {}

  /// Returns: whether the server is there.
  bool connect() {
    fd_ = io::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_) return false;
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(broker_.http);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  bool may_send() const { return sent_ - answered_ < kWindow; }
  std::size_t sent() const { return sent_; }
  std::size_t answered() const { return answered_; }

  /// A request with pushes to `batch` random devices. Returns: whether it went.
  bool send(std::size_t batch) {
    std::string body;
    for (std::size_t i = 0; i < batch; ++i) {
      body += body.empty() ? "" : ",";
      body += fmt::format(R"({{"device":"{}{}","title":"{}","data":"{:0>90}"}})", kDevicePrefix,
                          random_.next() % devices_, monotonic_ns(), 0);
    }
    if (batch > 1) body = "{\"pushes\":[" + body + "]}";
    const std::string request = fmt::format(
        "POST /v1/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        broker_.bearer, body.size(), body);
    ++sent_;
    return ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(request.size());
  }

  /// Answers that came; with `wait`, one at least. Returns: whether all of them said 201.
  bool read(bool wait) {
    char block[16'384];
    const ssize_t size = ::recv(fd_.get(), block, sizeof block, wait ? 0 : MSG_DONTWAIT);
    if (size < 0 && !wait && errno == EAGAIN) return true;
    if (size <= 0) return false;
    input_.append(block, static_cast<std::size_t>(size));
    for (std::size_t at = 0; (at = input_.find("HTTP/1.1 ")) != std::string::npos;) {
      const std::size_t end = input_.find("\r\n\r\n", at);
      const std::size_t length = input_.find("Content-Length: ", at);
      if (end == std::string::npos || length == std::string::npos) break;
      const std::size_t whole =
          end + 4 + static_cast<std::size_t>(std::atoi(input_.c_str() + length + 16));
      if (input_.size() < whole) break;
      if (input_.compare(at + 9, 3, "201") != 0) return false;
      input_.erase(0, whole);
      ++answered_;
    }
    return true;
  }

 private:
  const Broker& broker_;
  std::size_t devices_;
  base::Random random_;
  io::UniqueFd fd_;
  std::size_t sent_ = 0;
  std::size_t answered_ = 0;
  std::string input_;
};

/// App servers that push as fast as they go, each on a connection and a thread of its own.
class Senders {
 public:
  Senders(const Broker& broker, const Pushing& how, std::size_t devices) {
    for (std::size_t t = 0; t < kSenders; ++t) {
      threads_.emplace_back([this, &broker, t, devices, batch = how.batch,
                             count = how.whole() / kSenders / how.batch] {
        Sender sender(broker, t, devices);
        if (!run(sender, count, batch)) failed_ = true;
      });
    }
  }
  ~Senders() {
    for (std::thread& thread : threads_) thread.join();
  }
  Senders(const Senders&) = delete;
  Senders& operator=(const Senders&) = delete;
  bool failed() const { return failed_; }

 private:
  static bool run(Sender& sender, std::size_t count, std::size_t batch) {
    if (!sender.connect()) return false;
    while (sender.answered() < count) {
      while (sender.sent() < count && sender.may_send()) {
        if (!sender.send(batch)) return false;
      }
      if (!sender.read(true)) return false;
    }
    return true;
  }

  std::atomic<bool> failed_ = false;
  std::vector<std::thread> threads_;
};

/// The time that stands in a push: digits after "title":" or at its front.
std::int64_t sent_at(base::BytesView payload) {
  const std::string_view text = base::as_text(payload);
  const std::size_t title = text.find(R"("title":")");
  const std::size_t from = title == std::string_view::npos ? 0 : title + 9;
  std::int64_t value = 0;
  std::from_chars(text.data() + from, text.data() + text.size(), value);
  return value;
}

}  // namespace

Outcome<double> push_through(const Broker& broker, Fleet& fleet, const Pushing& how,
                             Samples* samples) {
  std::size_t delivered = 0;
  const Fleet::OnPush on_push = [&](std::size_t, base::BytesView payload) {
    ++delivered;
    if (samples != nullptr) samples->add(monotonic_ns() - sent_at(payload));
  };
  const std::int64_t start = monotonic_ns();
  constexpr std::int64_t kLongest = 180'000'000'000;
  const auto too_long = [&] { return monotonic_ns() - start > kLongest; };
  const std::size_t wanted = broker.http != 0 && how.a_second <= 0 ? how.whole() : how.count;
  std::size_t sent = 0;
  // Paced, all come from the thread that has the devices: a thread that slept would have to be
  // woken first, and that would be measured.
  const auto is_due = [&] {
    return static_cast<double>(monotonic_ns() - start) / 1e9 * how.a_second >=
           static_cast<double>(sent);
  };
  bool failed = false;
  Outcome<void> served;
  if (broker.http != 0 && how.a_second > 0) {
    std::vector<Sender> senders;
    senders.reserve(kSenders);
    for (std::size_t i = 0; i < kSenders; ++i) senders.emplace_back(broker, i, fleet.size());
    failed = !std::ranges::all_of(senders, &Sender::connect);
    served = fleet.serve(on_push, [&] {
      for (Sender& sender : senders) failed = failed || !sender.read(false);
      for (; !failed && sent < wanted && is_due(); ++sent) {
        Sender& next = senders[sent % kSenders];
        if (!next.may_send()) break;
        failed = !next.send(how.batch);
      }
      return failed || delivered >= wanted || too_long();
    });
  } else if (broker.http != 0) {
    Senders senders(broker, how, fleet.size());
    served =
        fleet.serve(on_push, [&] { return delivered >= wanted || senders.failed() || too_long(); });
    failed = senders.failed();
  } else {
    base::Random random(1);
    const std::size_t first = fleet.acknowledged();
    constexpr std::size_t kUnacknowledged = 1'000;
    served = fleet.serve(on_push, [&] {
      for (; sent < wanted && sent - (fleet.acknowledged() - first) < kUnacknowledged; ++sent) {
        if (how.a_second > 0 && !is_due()) break;
        const std::string text = fmt::format("{} {:0>100}", monotonic_ns(), 0);
        failed =
            failed || !fleet.publish(1 + random.next() % (fleet.size() - 1), base::as_bytes(text));
      }
      return failed || delivered >= wanted || too_long();
    });
  }
  if (served && (failed || delivered < wanted))
    return std::unexpected(fmt::format("{} of {} pushes arrived", delivered, wanted));
  if (!served) return std::unexpected(served.error());
  return static_cast<double>(monotonic_ns() - start) / 1e9;
}

}  // namespace wakeline::bench
