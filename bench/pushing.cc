// SPDX-License-Identifier: Apache-2.0
#include "pushing.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bed.h"

namespace wakeline::bench {

namespace {

/// App servers that push over HTTP, each on a connection and a thread of its own.
class Senders {
 public:
  Senders(const Broker& broker, const Pushing& how, std::size_t devices)
      : broker_(broker), devices_(devices), batch_(how.batch) {
    const std::size_t threads = how.threads();
    for (std::size_t t = 0; t < threads; ++t) {
      threads_.emplace_back(
          [this, t, count = how.whole() / threads / batch_,
           pace = how.a_second / static_cast<double>(threads)] { run(t, count, pace); });
    }
  }
  ~Senders() {
    for (std::thread& thread : threads_) thread.join();
  }
  Senders(const Senders&) = delete;
  Senders& operator=(const Senders&) = delete;
  std::size_t answered() const { return answered_; }
  bool failed() const { return failed_; }

 private:
  void run(std::size_t number, std::size_t count, double a_second) {
    io::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(broker_.http);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      failed_ = true;
      return;
    }
    base::Random random(number + 1);
    const std::int64_t start = monotonic_ns();
    // Without a pace, as many requests at a time as the server reads ahead.
    const std::size_t window = a_second > 0 ? 1 : 16;
    std::size_t sent = 0;
    std::size_t got = 0;
    std::string input;
    while (got < count) {
      for (; sent < count && sent - got < window; ++sent) {
        if (a_second > 0) {
          const auto at =
              start + static_cast<std::int64_t>(1e9 * static_cast<double>(sent) / a_second);
          if (const std::int64_t left = at - monotonic_ns(); left > 0)
            std::this_thread::sleep_for(std::chrono::nanoseconds(left));
        }
        std::string body;
        for (std::size_t i = 0; i < batch_; ++i) {
          body += body.empty() ? "" : ",";
          body += fmt::format(R"({{"device":"{}{}","title":"{}","data":"{:0>90}"}})", kDevicePrefix,
                              random.next() % devices_, monotonic_ns(), 0);
        }
        if (batch_ > 1) body = "{\"pushes\":[" + body + "]}";
        const std::string request = fmt::format(
            "POST /v1/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            broker_.bearer, body.size(), body);
        if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
          failed_ = true;
          return;
        }
      }
      char block[16'384];
      const ssize_t size = ::recv(fd.get(), block, sizeof block, 0);
      if (size <= 0) {
        failed_ = true;
        return;
      }
      input.append(block, static_cast<std::size_t>(size));
      for (std::size_t at = 0; (at = input.find("HTTP/1.1 ")) != std::string::npos;) {
        const std::size_t end = input.find("\r\n\r\n", at);
        const std::size_t length = input.find("Content-Length: ", at);
        if (end == std::string::npos || length == std::string::npos) break;
        const std::size_t whole =
            end + 4 + static_cast<std::size_t>(std::atoi(input.c_str() + length + 16));
        if (input.size() < whole) break;
        if (input.compare(at + 9, 3, "201") != 0) failed_ = true;
        input.erase(0, whole);
        ++got;
        ++answered_;
      }
    }
  }

  const Broker& broker_;
  std::size_t devices_;
  std::size_t batch_;
  std::atomic<std::size_t> answered_ = 0;
  std::atomic<bool> failed_ = false;
  std::vector<std::thread> threads_;
};

/// The time that stands in a push: digits after "title":" or at its front.
std::int64_t sent_at(base::BytesView payload) {
  const std::string_view text = base::as_text(payload);
  const std::size_t title = text.find("\"title\":\"");
  const std::size_t from = title == std::string_view::npos ? 0 : title + 9;
  std::int64_t value = 0;
  std::from_chars(text.data() + from, text.data() + text.size(), value);
  return value;
}

}  // namespace

Outcome<double> push_through(const Broker& broker, Fleet& fleet, const Pushing& how,
                             Samples* samples) {
  std::size_t delivered = 0;
  const std::size_t count = how.count;
  const double a_second = how.a_second;
  const Fleet::OnPush on_push = [&](std::size_t, base::BytesView payload) {
    ++delivered;
    if (samples != nullptr) samples->add(monotonic_ns() - sent_at(payload));
  };
  const std::int64_t start = monotonic_ns();
  constexpr std::int64_t kLongest = 180'000'000'000;
  Outcome<void> served;
  if (broker.http != 0) {
    const std::size_t whole = how.whole();
    Senders senders(broker, how, fleet.size());
    served = fleet.serve(on_push, [&] {
      return delivered >= whole || senders.failed() || monotonic_ns() - start > kLongest;
    });
    if (served && (senders.failed() || delivered < whole))
      return std::unexpected(fmt::format("{} of {} pushes arrived", delivered, whole));
  } else {
    base::Random random(1);
    std::size_t sent = 0;
    const std::size_t first = fleet.acknowledged();
    constexpr std::size_t kWindow = 1'000;
    served = fleet.serve(on_push, [&] {
      for (; sent < count && sent - (fleet.acknowledged() - first) < kWindow; ++sent) {
        if (a_second > 0 && static_cast<double>(monotonic_ns() - start) / 1e9 * a_second <
                                static_cast<double>(sent))
          break;
        const std::string text = fmt::format("{} {:0>100}", monotonic_ns(), 0);
        static_cast<void>(
            fleet.publish(1 + random.next() % (fleet.size() - 1), base::as_bytes(text)));
      }
      return delivered >= count || monotonic_ns() - start > kLongest;
    });
    if (served && delivered < count)
      return std::unexpected(fmt::format("{} of {} pushes arrived", delivered, count));
  }
  if (!served) return std::unexpected(served.error());
  return static_cast<double>(monotonic_ns() - start) / 1e9;
}

}  // namespace wakeline::bench
