// SPDX-License-Identifier: Apache-2.0
// An app whose line is a stream pair on a run loop of its own thread, for the host's tests.
//
//   stream_app plain|tls|starttls [CA_FILE]
//
// It connects to WAKELINE_TEST_PORT, first the connection on which it reports each event, then the
// stream. On the stream it answers "ping X" with "pong X"; "starttls" with "go", and then TLS.
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>
#include <wakeline/run_loop.h>
#include <wakeline/stream.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

namespace {

using wakeline::StreamEvent;

class Program {
 public:
  Program(wakeline::App app, wakeline::RunLoop loop, std::string mode, std::string ca_file)
      : app_(std::move(app)),
        loop_(std::move(loop)),
        mode_(std::move(mode)),
        ca_file_(std::move(ca_file)) {}

  int run() {
    const char* text = std::getenv("WAKELINE_TEST_PORT");
    const auto port = static_cast<std::uint16_t>(std::atoi(text == nullptr ? "0" : text));
    const auto report = app_.connect_tcp("127.0.0.1", port, std::chrono::seconds(20));
    if (!report) return 3;
    report_ = *report;
    say("report " + std::to_string(getpid()));
    auto stream = wakeline::StreamPair::to_host(app_, "localhost", port);
    if (!stream || !stream->set_service_type(wakeline::ServiceType::kVoip)) return 3;
    stream_ = std::move(*stream);
    if (mode_ == "tls" && !stream_->use_tls({.ca_file = ca_file_})) return 3;
    if (!stream_->open(loop_, [this](StreamEvent event) { on_event(event); })) return 3;
    std::thread own([this] { loop_.run(); });
    // The end of the report is the end of the test.
    char byte = 0;
    while (recv(report_, &byte, 1, 0) > 0) {
    }
    loop_.stop();
    own.join();
    return 0;
  }

 private:
  void say(const std::string& text) const {
    const std::string line = text + "\n";
    send(report_, line.data(), line.size(), MSG_NOSIGNAL);
  }
  void on_event(StreamEvent event) {
    if (event == StreamEvent::kOpenCompleted) {
      const auto tagged = stream_->tagged();
      say("tagged " + (tagged ? "ok" : std::string(wakeline::name(tagged.error().code))));
    } else {
      say("event " + std::string(wakeline::name(event)));
    }
    if (event == StreamEvent::kHasBytesAvailable) read_lines();
  }
  void read_lines() {
    char block[4096];
    const auto got = stream_->read(block, sizeof block);
    if (!got) return;
    text_.append(block, *got);
    for (std::size_t end; (end = text_.find('\n')) != std::string::npos;) {
      const std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      if (line.starts_with("ping "))
        static_cast<void>(stream_->write("pong " + line.substr(5) + "\n"));
      if (line == "starttls") {
        static_cast<void>(stream_->write("go\n"));
        static_cast<void>(stream_->use_tls({.ca_file = ca_file_}));
      }
    }
  }

  wakeline::App app_;
  wakeline::RunLoop loop_;
  std::string mode_;
  std::string ca_file_;
  int report_ = -1;
  std::optional<wakeline::StreamPair> stream_;
  std::string text_;
};

}  // namespace

int main(int argc, char** argv) {
  auto app = wakeline::App::create();
  auto loop = wakeline::RunLoop::create();
  if (!app || !loop || argc < 2) return 2;
  return Program(std::move(*app), std::move(*loop), argv[1], argc > 2 ? argv[2] : "").run();
}
