// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <wakeline/error.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <vector>

#include "app/engine.h"
#include "base/check.h"
#include "io/clock.h"
#include "io/seqpacket.h"
#include "io/testing.h"
#include "wire/host_message.h"

namespace wakeline::wire::host {

inline void PrintTo(const Message& message, std::ostream* out) {
  *out << encode(message).value_or("unprintable");
}

}  // namespace wakeline::wire::host

/// What the tests of the library share: a host that does as it is told, on a thread of its own.
namespace wakeline::app::test {

namespace host = wire::host;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Waits until a handler is to be dispatched. Returns: false after ten seconds.
inline bool becomes_readable(int fd) {
  pollfd waited{fd, POLLIN, 0};
  return ::poll(&waited, 1, 10'000) == 1;
}

inline ErrorCode code(const auto& result) { return result ? ErrorCode::kOk : result.error().code; }

/// Runs the app's handlers until `done()`. Returns: false after ten seconds.
template <class AppLike>
bool dispatch_until(AppLike& app, const std::function<bool()>& done) {
  const base::Instant end = io::now() + seconds(10);
  while (!done()) {
    if (io::now() > end) return false;
    pollfd waited{app.fd(), POLLIN, 0};
    ::poll(&waited, 1, 20);  // also for what `done` sees beside the handlers
    app.dispatch();
  }
  return true;
}

/// Listens at `path`, greets, answers each request by `answer`, and keeps what it heard.
class TestHost {
 public:
  using Answer = std::function<host::Message(const host::Message&, host::RequestId)>;

  explicit TestHost(std::string path) : path_(std::move(path)), engine_(*Engine::start()) {
    listen();
  }
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;
  ~TestHost() {
    engine_->call([this] {
      app_.reset();
      listener_.reset();
    });
    engine_->stop();
  }

  /// What every request but Hello is answered with; by default "accepted", with the numbers 1, 2, …
  /// for tags, tasks and notifications, and "wake-capable".
  void answer_with(Answer answer) {
    engine_->call([&] { answer_ = std::move(answer); });
  }
  /// The Welcome of the next connection; nothing: silence.
  void greet_with(std::optional<host::Message> greeting) {
    engine_->call([&] { greeting_ = std::move(greeting); });
  }
  void send(const host::Message& message) { send_text(*host::encode(message)); }
  void send_text(const std::string& text) {
    engine_->call([&] {
      WL_CHECK(app_ != nullptr);
      app_->send(text);
    });
  }
  /// Ends the connection and listens no more; `listen` comes back.
  void stop() {
    engine_->call([this] {
      app_.reset();
      listener_.reset();
    });
  }
  void listen() {
    engine_->call([this] {
      auto opened = io::SeqpacketListener::open(
          engine_->loop(), path_,
          [this](std::unique_ptr<io::Seqpacket> accepted) { on_accepted(std::move(accepted)); });
      WL_CHECK(opened.has_value());
      listener_ = std::move(*opened);
    });
  }

  /// All that came so far but Hello, request numbers taken out.
  std::vector<host::Message> heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  /// Waits until `count` messages came. Returns: false after ten seconds.
  bool await(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(10), [&] { return heard_.size() >= count; });
  }
  /// As `await`, and gives what came; forgets it.
  std::vector<host::Message> take(std::size_t count) {
    EXPECT_TRUE(await(count));
    const std::lock_guard lock(mutex_);
    return std::exchange(heard_, {});
  }
  /// Descriptors that came beside messages.
  std::size_t descriptors() const {
    const std::lock_guard lock(mutex_);
    return descriptors_;
  }

  static host::Welcome welcome() {
    host::Welcome made;
    made.app = "doorbell";
    made.profile = "linux";
    made.launch_reason = host::LaunchReason::kCrash;
    made.state = host::AppState::kBackground;
    made.wake_window_ms = 10'000;
    made.keep_alive_min_s = 600;
    made.task_pool_ms = 180'000;
    return made;
  }
  static Answer refuse(base::ErrorCode code, const std::string& message) {
    return [=](const host::Message&, host::RequestId request) {
      return host::Reply{request, code, message, 0};
    };
  }

 private:
  void on_accepted(std::unique_ptr<io::Seqpacket> accepted) {
    app_ = std::move(accepted);
    app_->start(
        host::kMessageMax,
        [this](std::string_view datagram, const std::vector<io::UniqueFd>& fds) {
          on_datagram(datagram, fds.size());
        },
        [this](base::Error) { app_.reset(); });
  }

  void on_datagram(std::string_view datagram, std::size_t fds) {
    auto message = host::decode(datagram);
    WL_CHECK(message.has_value());
    const host::RequestId request = std::visit(
        [](auto& value) {
          if constexpr (requires { value.request; }) return std::exchange(value.request, 0U);
          return host::RequestId{0};
        },
        *message);
    if (std::holds_alternative<host::Hello>(*message)) {
      if (!greeting_) return;
      auto greeting = *greeting_;
      if (auto* hello = std::get_if<host::Welcome>(&greeting)) hello->request = request;
      if (auto* reply = std::get_if<host::Reply>(&greeting)) reply->request = request;
      return app_->send(*host::encode(greeting));
    }
    const auto reply = answer_(*message, request);
    {
      const std::lock_guard lock(mutex_);
      heard_.push_back(std::move(*message));
      descriptors_ += fds;
    }
    changed_.notify_all();
    app_->send(*host::encode(reply));
  }

  std::string path_;
  std::unique_ptr<Engine> engine_;
  // On the engine's thread.
  std::unique_ptr<io::SeqpacketListener> listener_;
  std::unique_ptr<io::Seqpacket> app_;
  std::optional<host::Message> greeting_ = welcome();
  std::uint64_t last_ = 0;
  Answer answer_ = [this](const host::Message& message, host::RequestId request) {
    const bool query = std::holds_alternative<host::QueryTag>(message);
    return host::Reply{request, base::ErrorCode::kOk, {}, query ? 1 : ++last_};
  };

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<host::Message> heard_;  // under mutex_
  std::size_t descriptors_ = 0;       // under mutex_
};

}  // namespace wakeline::app::test
