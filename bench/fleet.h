// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "cli/program.h"
#include "io/poller.h"
#include "io/tls.h"
#include "io/transport.h"
#include "io/unique_fd.h"
#include "wire/mqtt.h"

namespace wakeline::bench {

/// Where a fleet connects, and as whom: device i is "PREFIX(first + i)".
struct FleetTarget {
  /// What a device of that name says in the place of MQTT; it is ready with the first answer.
  using Greeting = std::function<std::string(const std::string& name)>;

  std::uint16_t port = 0;
  std::shared_ptr<io::TlsContext> tls;  ///< null: plain
  std::string prefix = "d";
  std::string token;
  std::size_t first = 0;
  wire::mqtt::Version version = wire::mqtt::Version::k5;
  Greeting greeting{};  ///< empty: MQTT
};

/// Many MQTT devices on one thread, for any broker: each connects, subscribes to its inbox, and
/// acknowledges what it gets.
class Fleet {
 public:
  using Greeting = FleetTarget::Greeting;
  using OnPush = std::function<void(std::size_t device, base::BytesView payload)>;

  static cli::Outcome<std::unique_ptr<Fleet>> make(FleetTarget target);

  /// Connects until there are `count` devices, at most `in_flight` at a time, and waits until each
  /// is subscribed. Returns: seconds that it took.
  cli::Outcome<double> grow(std::size_t count, std::size_t in_flight = 64);
  /// Closes all of them and connects again, all at once. Returns: seconds until all are back.
  cli::Outcome<double> storm(std::size_t in_flight);
  /// Sends `count` pings, one device after the other, and waits for every answer.
  cli::Outcome<void> ping(std::size_t count);
  /// From now on a device whose connection ends comes back as a client should: within what the
  /// server told it (`spread`, `drain`, `retry-after`), or within `unknown` where it told nothing.
  void come_back(base::Duration unknown, std::uint64_t seed);
  struct Returns {
    std::size_t attempts = 0;    ///< connections that were begun again
    std::size_t told_busy = 0;   ///< CONNACK with retry-after
    std::size_t told_drain = 0;  ///< DISCONNECT with drain
    base::Duration longest{};    ///< of the times that they were told
  };
  const Returns& returns() const { return returns_; }
  std::size_t ready() const { return ready_; }
  /// Serves what comes, until `done` says so.
  cli::Outcome<void> serve(const OnPush& on_push, const std::function<bool()>& done);
  /// A message to a device from a further client, with QoS 1; its answer is counted in
  /// `acknowledged`. For brokers that take pushes by MQTT.
  cli::Outcome<void> publish(std::size_t device, base::BytesView payload);
  std::size_t acknowledged() const { return acknowledged_; }
  std::size_t size() const { return members_.size(); }

 private:
  enum class Phase : std::uint8_t { kConnecting, kShaking, kGreeting, kSubscribing, kReady, kGone };
  struct Member {
    io::UniqueFd fd;
    std::optional<io::Transport> transport;
    Phase phase = Phase::kConnecting;
    base::Bytes in;
    base::Bytes out;
    base::Duration within{};     ///< come back within this
    base::Duration no_sooner{};  ///< and not before
  };

  explicit Fleet(FleetTarget target, std::unique_ptr<io::Poller> poller)
      : target_(std::move(target)), poller_(std::move(poller)) {}
  cli::Outcome<void> open(std::size_t i);
  cli::Outcome<void> turn(base::Duration patience);
  void on_event(std::size_t i);
  void read(std::size_t i);
  void on_packet(std::size_t i, const wire::mqtt::Packet& packet);
  void send(std::size_t i, const wire::mqtt::Packet& packet);
  void flush(std::size_t i);
  void lose(std::size_t i, const char* why);
  void hear(Member& member, const wire::mqtt::Properties& properties);
  cli::Outcome<void> bring_back();

  FleetTarget target_;
  std::unique_ptr<io::Poller> poller_;
  std::deque<Member> members_;
  std::size_t ready_ = 0;
  std::size_t lost_ = 0;
  std::size_t pongs_ = 0;
  std::size_t acknowledged_ = 0;
  std::uint16_t next_id_ = 0;
  std::optional<base::Random> random_;  ///< set: who loses its connection comes back
  base::Duration unknown_{};
  std::multimap<base::Instant, std::size_t> back_at_;
  Returns returns_;
  std::string why_;  ///< the last was lost
  const OnPush* on_push_ = nullptr;
};

}  // namespace wakeline::bench
