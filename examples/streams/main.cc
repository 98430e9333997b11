// SPDX-License-Identifier: Apache-2.0
//
// Notifications over a stream pair of VoIP service type: a run loop on a thread of its own, a ping
// in every keep-alive interval under a background task, a new connection when nobody answers.
//
//   streams HOST PORT [KEEP_ALIVE_S [ANSWER_S]]      by default 600 and 5
//
// The protocol is lines of text: we send "PING n" and await "PONG n"; the server sends "NOTIFY
// text" when it likes.
//
// Exit codes: 0 it was asked to end (SIGINT, SIGTERM); 2 wrong arguments; 3 the keep-alive time is
// refused; 4 the system gave no thread or descriptor.
#include <wakeline/app.h>
#include <wakeline/run_loop.h>
#include <wakeline/stream.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <thread>

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wakeline::StreamEvent;

void say(const std::string& line) { std::cout << "streams: " << line << '\n' << std::flush; }

class NotificationProtocolHandler {
 public:
  struct Server {
    std::string host;
    std::uint16_t port;
    seconds answer;  ///< how long a PONG may take
  };

  NotificationProtocolHandler(wakeline::App& app, wakeline::RunLoop loop, Server server)
      : app_(app), loop_(std::move(loop)), server_(std::move(server)) {}
  NotificationProtocolHandler(const NotificationProtocolHandler&) = delete;
  NotificationProtocolHandler& operator=(const NotificationProtocolHandler&) = delete;
  ~NotificationProtocolHandler() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  void start() {
    loop_.post([this] { connect(); });
    thread_ = std::thread([this] { loop_.run(); });
  }

  /// The keep-alive handler: proves the line, or mends it, in the run loop's thread.
  void keep_alive() {
    loop_.post([this] {
      hold_awake();
      if (!stream_) return connect();
      if (stream_->state() == wakeline::StreamState::kOpen && awaited_ == 0) ping();
    });
  }

 private:
  // All of it in the run loop's thread.

  void connect() {
    loop_.cancel(retry_);
    text_.clear();
    auto stream = wakeline::StreamPair::to_host(app_, server_.host, server_.port);
    if (!stream) return lost(stream.error().message);
    stream_ = std::move(*stream);
    static_cast<void>(stream_->set_service_type(wakeline::ServiceType::kVoip));
    static_cast<void>(stream_->set_open_timeout(server_.answer));
    static_cast<void>(stream_->open(loop_, [this](StreamEvent event) { on_event(event); }));
  }

  void on_event(StreamEvent event) {
    switch (event) {
      case StreamEvent::kOpenCompleted: {
        const auto tagged = stream_->tagged();
        say(tagged ? "connected" : "connected, untagged: " + tagged.error().message);
        return ping();  // a server that does not answer is no server
      }
      case StreamEvent::kHasBytesAvailable:
        return read_lines();
      case StreamEvent::kCanAcceptBytes:
        return;
      case StreamEvent::kErrorOccurred:
        return lost(stream_->error()->message);
      case StreamEvent::kEndEncountered:
        return lost("the server ended the connection");
    }
  }

  void ping() {
    awaited_ = ++last_ping_;
    // A line of a few bytes that the system does not take at once is as dead as an unanswered one.
    static_cast<void>(stream_->write("PING " + std::to_string(awaited_) + "\n"));
    late_ = loop_.call_after(server_.answer, [this] { lost("no answer"); });
  }

  void read_lines() {
    char block[1024];
    const auto got = stream_->read(block, sizeof block);
    if (!got) return;  // its event comes
    text_.append(block, *got);
    for (std::size_t end; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1))
      on_line(text_.substr(0, end));
    if (text_.size() > sizeof block) lost("a line without an end");
  }

  void on_line(const std::string& line) {
    if (awaited_ != 0 && line == "PONG " + std::to_string(awaited_)) {
      say("answered " + std::to_string(awaited_));
      awaited_ = 0;
      failures_ = 0;
      loop_.cancel(late_);
      task_.reset();  // the line is proven: sleep
    } else if (line.starts_with("NOTIFY ")) {
      wakeline::Notification notification;
      notification.title = line.substr(7);
      const auto shown = app_.notify(notification);
      say(shown ? "notified " + notification.title : "not shown: " + shown.error().message);
    }
  }

  /// Tries again: at once, then after doubling times with a random part, so that a server that
  /// comes back is not overrun.
  void lost(const std::string& why) {
    say("lost: " + why);
    stream_.reset();
    loop_.cancel(late_);
    awaited_ = 0;
    hold_awake();
    const auto most =
        failures_ == 0 ? milliseconds(100) : milliseconds(1000 << std::min(failures_, 6));
    ++failures_;
    const auto part =
        std::uniform_int_distribution<int>(0, static_cast<int>(most.count()))(random_);
    retry_ = loop_.call_after(milliseconds(part), [this] { connect(); });
  }

  /// Until the line is proven or the background time is over; the next keep-alive tries again.
  void hold_awake() {
    if (task_) return;
    auto task =
        app_.begin_background_task("line", [this] { loop_.post([this] { task_.reset(); }); });
    if (task) task_ = std::move(*task);
  }

  wakeline::App& app_;
  wakeline::RunLoop loop_;
  const Server server_;
  std::thread thread_;
  std::mt19937 random_{std::random_device{}()};
  std::optional<wakeline::StreamPair> stream_;
  std::optional<wakeline::BackgroundTask> task_;
  std::string text_;
  std::uint64_t last_ping_ = 0;
  std::uint64_t awaited_ = 0;  ///< the ping that is not yet answered
  int failures_ = 0;
  wakeline::RunLoop::TimerId late_ = 0;
  wakeline::RunLoop::TimerId retry_ = 0;
};

wakeline::App* running_app = nullptr;

void on_signal(int /*number*/) {
  if (running_app != nullptr) running_app->stop();
}

int fail(int code, const wakeline::Error& error) {
  std::cerr << "streams: " << error.message << '\n';
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::cerr << "usage: streams HOST PORT [KEEP_ALIVE_S [ANSWER_S]]\n";
    return 2;
  }
  const seconds every(argc > 3 ? std::atoi(argv[3]) : 600);
  const seconds answer(argc > 4 ? std::atoi(argv[4]) : 5);

  auto app = wakeline::App::create();
  if (!app) return fail(4, app.error());
  auto loop = wakeline::RunLoop::create();
  if (!loop) return fail(4, loop.error());
  running_app = &*app;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads our lines may go

  NotificationProtocolHandler handler(
      *app, std::move(*loop), {argv[1], static_cast<std::uint16_t>(std::atoi(argv[2])), answer});
  const auto set = app->set_keep_alive_timeout(every, [&] { handler.keep_alive(); });
  if (!set) return fail(3, set.error());
  handler.start();
  app->run();
  say("ends");
  running_app = nullptr;
  return 0;
}
