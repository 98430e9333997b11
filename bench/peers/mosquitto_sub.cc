// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include "bed.h"
#include "io/file.h"
#include "loopback.h"
#include "peers/subject.h"
#include "wire/mqtt.h"

namespace wakeline::bench {
namespace {

namespace mqtt = wire::mqtt;

/// The first bytes of a CONNACK that accepts, in MQTT 3.1.1 without a session. Source: §3.2.
constexpr std::string_view kAccepted("\x20\x02\x00\x00", 4);

std::string bytes_of(const mqtt::Packet& packet) {
  base::Bytes bytes;
  if (!mqtt::encode(packet, mqtt::Version::k311, bytes)) return {};
  return std::string(base::as_text(bytes));
}

/// mosquitto's own client, hanging on a mosquitto.
class MosquittoSub final : public Subject {
 public:
  const char* name() const override { return "mosquitto_sub"; }
  std::vector<Need> needs() const override {
    return {{"mosquitto_sub", "mosquitto-clients"}, {"mosquitto", "mosquitto"}};
  }
  Outcome<void> start_server(const std::string& folder) override {
    port_ = free_port();
    const std::string config = folder + "/mosquitto.conf";
    const std::string text =
        fmt::format("allow_anonymous true\npersistence false\n{}listener {} 127.0.0.1\n",
                    ::geteuid() == 0 ? "user root\n" : "", port_);
    if (!io::write_file(config, text)) return std::unexpected(config + ": cannot be written");
    auto broker = cli::Program::start(ends_with_us({find_program("mosquitto"), "-c", config}),
                                      folder + "/mosquitto.log");
    if (!broker) return std::unexpected(broker.error());
    broker_ = std::move(*broker);
    if (auto open = await_port(port_); !open) return open;
    auto line = TextLine::connect(port_);
    if (!line) return std::unexpected(line.error());
    sender_ = std::move(*line);
    mqtt::Connect hello;
    hello.version = mqtt::Version::k311;
    hello.client_id = "sender";
    if (auto sent = sender_.send(bytes_of(hello)); !sent) return sent;
    if (auto answer = sender_.await(kAccepted); !answer) return std::unexpected(answer.error());
    return {};
  }
  std::uint16_t port() const override { return port_; }
  Outcome<std::string> command(Side side, const std::string& /*folder*/) override {
    return fmt::format("exec {} -h 127.0.0.1 -p {} -i sub{} -q 1 -c -k 1200 -t {}",
                       find_program("mosquitto_sub"), port_, static_cast<int>(side), topic(side));
  }
  Outcome<void> on_started(Side side, Screen& screen) override {
    // It tells nobody that it has subscribed: it has when it prints what is published.
    std::string last;
    for (int i = 0; i < kGreetings; ++i) {
      screen.expect(kGreeting);
      if (auto sent = publish(side, kGreeting); !sent) return sent;
      auto seen = screen.await(std::chrono::milliseconds(500));
      if (seen) return {};
      last = seen.error();
    }
    return std::unexpected(last);
  }
  const char* reaction() const override { return "PUBLISH given to the broker → the line printed"; }
  Outcome<std::int64_t> ring(Side side, Screen& screen) override {
    const std::string word = ring_word(number_++);
    screen.expect(word);
    const std::int64_t start = monotonic_ns();
    if (const auto sent = publish(side, word); !sent) return std::unexpected(sent.error());
    const auto seen = screen.await(std::chrono::seconds(30));
    if (!seen) return seen;
    return *seen - start;
  }

 private:
  static constexpr const char* kGreeting = "hello";
  static constexpr int kGreetings = 60;  ///< half a second each

  static std::string topic(Side side) { return fmt::format("door/{}", static_cast<int>(side)); }
  Outcome<void> publish(Side side, const std::string& text) {
    mqtt::Publish message;
    message.topic = topic(side);
    message.payload.assign(text.begin(), text.end());
    return sender_.send(bytes_of(message));
  }

  std::uint16_t port_ = 0;
  cli::Program broker_;
  TextLine sender_;
  int number_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_mosquitto_sub() { return std::make_unique<MosquittoSub>(); }

}  // namespace wakeline::bench
