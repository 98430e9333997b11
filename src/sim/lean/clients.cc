// SPDX-License-Identifier: Apache-2.0
#include "sim/lean/clients.h"

#include <map>
#include <optional>

#include "base/check.h"
#include "core/link/link.h"
#include "wire/mqtt_codec.h"
#include "wire/push.h"

namespace wakeline::sim::lean {
namespace {

namespace mqtt = wire::mqtt;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// An attempt that nobody answers is given up, as most clients do.
constexpr Duration kConnectTimeout = seconds(15);
/// The kernel's probes (C39) end after so long without an answer.
constexpr Duration kProbing = seconds(30);
constexpr std::size_t kHello = 0;

/// A client that follows Rules.
class RulesClient {
 public:
  RulesClient(Lane& lane, const Rules& rules)
      : lane_(lane), rules_(rules.clone()), random_(lane.random("rules")) {
    lane_.hears({.on_connected = [this](auto s, bool ok, bool) { on_connected(s, ok); },
                 .on_answer = [this](auto s, std::size_t m) { on_answer(s, m); },
                 .on_reset =
                     [this](auto s) {
                       if (s == socket_ && live_) on_dead();
                     },
                 .on_push = [this](auto, auto) { heard(); },
                 .on_network = [this] { on_network(); }});
    connect("start");
  }

 private:
  /// Runs `task` unless something newer was planned.
  template <class Task>
  void later(Duration delay, Task task) {
    lane_.kernel().after(delay, [this, turn = ++turn_, task] {
      if (turn == turn_) task();
    });
  }

  void connect(const char* cause) {
    lane_.act(cause);
    live_ = false;
    socket_ = lane_.connect(false);
    later(kConnectTimeout, [this] { failed(); });
  }
  void on_connected(Lane::Socket socket, bool ok) {
    if (socket != socket_) return;
    if (!ok) return failed();
    lane_.log_in(socket, kHello);
    later(kConnectTimeout, [this] { failed(); });
  }
  void failed() {
    lane_.close(socket_);
    ++failures_;
    if (!lane_.online() && rules_->waits_for_network()) return later({}, [] {});
    later(rules_->wait(failures_, random_), [this] { connect("retry"); });
  }
  void on_answer(Lane::Socket socket, std::size_t message) {
    if (socket != socket_) return;
    if (message == kHello) {
      live_ = true;
      failures_ = 0;
      heard();
    } else if (message == pings_) {
      rules_->alive(gap_);
      lane_.heartbeat_came_through(gap_);
      heard();
    }
  }
  void heard() {
    if (!live_) return;
    gap_ = rules_->gap(random_);
    later(gap_, [this] { ping(); });
  }
  void ping() {
    lane_.act("heartbeat");
    lane_.say(socket_, ++pings_);
    later(rules_->patience(), [this] { on_dead(); });
  }
  void on_dead() {
    lane_.act("loss");
    rules_->dead(gap_);
    lane_.gave_up(socket_);
    lane_.close(socket_);
    live_ = false;
    // A line of its own that died: every client here comes back at once, before its back-off.
    later(milliseconds(1), [this] { connect("reconnect"); });
  }
  void on_network() {
    if (!rules_->waits_for_network()) return;
    if (!lane_.online()) return;
    if (live_ && lane_.keeps_address(socket_)) return;
    lane_.act("network");
    lane_.gave_up(socket_);
    lane_.close(socket_);
    failures_ = 0;
    later(milliseconds(100), [this] { connect("network"); });
  }

  Lane& lane_;
  std::unique_ptr<Rules> rules_;
  base::Random random_;
  Lane::Socket socket_ = 0;
  bool live_ = false;
  std::uint32_t failures_ = 0;
  std::size_t pings_ = kHello;
  Duration gap_{};
  std::uint64_t turn_ = 0;
};

/// The real machine, with a driver as thin as the lane.
class LinkClient {
 public:
  LinkClient(Lane& lane, const OurWay& way)
      : lane_(lane), way_(way), link_(config(way), {}, lane.random("link")) {
    lane_.hears(
        {.on_connected = [this](auto s, bool ok, bool portal) { on_connected(s, ok, portal); },
         .on_answer = [this](auto s, std::size_t m) { on_answer(s, m); },
         .on_reset = [this](auto s) { on_end(s, link::Why::kPeerReset); },
         .on_push = [this](auto s, auto n) { on_push(s, n); },
         .on_network = [this] { on_network(); }});
    tell([&](link::Actions& out) { link_.start(now(), out); });
    on_network();
    if (way.kernel) keep_alive();
  }

 private:
  struct Socket {
    link::AttemptId id;
    Duration heartbeat{};  ///< of the kernel
    Instant spoke{};
    std::uint64_t turn = 0;
  };

  static link::Config config(const OurWay& way) {
    link::Config c;
    c.host = "push.example";
    c.device = "d";
    c.token = {'t'};
    c.heartbeat = way.policy;
    c.kernel_keeps_alive = way.kernel;
    c.ping_by_timer = false;
    // The contract's keep-alive is the host's affair where the kernel keeps the line; without it
    // the heartbeat is what speaks, and the longest that the server allows is declared.
    c.keep_alive = way.kernel ? seconds(600) : seconds(3'600);
    return c;
  }

  Instant now() const { return lane_.now(); }

  template <class Event>
  void tell(Event event) {
    link::Actions out;
    event(out);
    for (const link::Action& action : out)
      std::visit([this](const auto& a) { this->carry_out(a); }, action);
    const Instant deadline = link_.next_deadline();
    if (deadline == armed_) return;
    armed_ = deadline;
    if (deadline == base::kNever) return;
    lane_.kernel().at(deadline, [this, deadline] { on_deadline(deadline); });
  }
  // No lambda of its own in `tell`: each would be a new instance of the template, without end.
  void on_deadline(Instant deadline) {
    if (armed_ != deadline) return;
    armed_ = base::kNever;
    tell([&](link::Actions& out) { link_.on_deadline(now(), out); });
  }

  // --- what the lane says
  void on_connected(Lane::Socket socket, bool ok, bool portal) {
    const auto it = sockets_.find(socket);
    if (it == sockets_.end()) return;
    if (!ok) return on_end(socket, portal ? link::Why::kTlsFailed : link::Why::kConnectFailed);
    tell([&](link::Actions& out) { link_.on_connected(now(), it->second.id, out); });
  }
  void on_end(Lane::Socket socket, link::Why why) {
    const auto it = sockets_.find(socket);
    if (it == sockets_.end()) return;
    const link::AttemptId id = it->second.id;
    if (id == link_.live()) lane_.gave_up(socket);
    sockets_.erase(it);
    by_id_.erase(id);
    lane_.close(socket);
    tell([&](link::Actions& out) { link_.on_failed(now(), id, why, out); });
  }
  void on_answer(Lane::Socket socket, std::size_t message) {
    const auto it = sockets_.find(socket);
    const auto answer = answers_.find(message);
    if (it == sockets_.end() || answer == answers_.end()) return;
    if (answer->second.empty()) return kernel_probe_answered(it->second);
    const base::Bytes bytes = answer->second;
    answers_.erase(answer);
    hear(it->second, bytes);
    if (lane_.is_session(socket)) lane_.heartbeat_came_through(link_.heartbeat());
  }
  void on_push(Lane::Socket socket, std::uint64_t number) {
    const auto it = sockets_.find(socket);
    if (it == sockets_.end()) return;
    mqtt::Publish publish;
    publish.topic = wire::inbox_topic("d");
    publish.qos = mqtt::Qos::kAtLeastOnce;
    publish.packet_id = static_cast<std::uint16_t>(number % 60'000 + 1);
    publish.properties.user.emplace_back(wire::property::kSequence, std::to_string(number + 1));
    base::Bytes bytes;
    WL_CHECK(mqtt::encode(publish, mqtt::Version::k5, bytes));
    hear(it->second, bytes);
  }
  void hear(Socket& socket, const base::Bytes& bytes) {
    socket.spoke = now();
    const link::AttemptId id = socket.id;
    tell([&](link::Actions& out) { (void)link_.on_bytes(now(), id, bytes, out); });
  }
  void on_network() {
    const bool gone = link_.live().value != 0 && !lane_.keeps_address(socket_of(link_.live()));
    if (gone) lane_.gave_up(socket_of(link_.live()));
    tell([&](link::Actions& out) {
      link_.on_network_changed(now(),
                               {.online = lane_.online(),
                                .key = lane_.stretch().key,
                                .fingerprint = ++fingerprint_,
                                .local_address_gone = gone},
                               out);
    });
  }

  // --- what the link asks for
  void carry_out(const link::Resolve& a) {
    lane_.act("connect");
    lane_.kernel().after(milliseconds(30), [this, generation = a.generation] {
      tell([&](link::Actions& out) {
        if (lane_.online())
          link_.on_resolved(now(), generation, {{.ipv6 = false, .text = "192.0.2.1"}}, out);
        else
          link_.on_resolve_failed(now(), generation, out);
      });
    });
  }
  void carry_out(const link::Connect& a) {
    lane_.act(a.probe ? "probe" : "connect");
    const Lane::Socket socket = lane_.connect(a.probe);
    sockets_[socket] = {.id = a.attempt, .heartbeat = a.heartbeat, .spoke = now()};
    by_id_[a.attempt] = socket;
  }
  void carry_out(const link::Write& a) {
    const auto it = by_id_.find(a.attempt);
    if (it == by_id_.end()) return;
    Socket& socket = sockets_.at(it->second);
    socket.spoke = now();
    base::BytesView rest = a.bytes;
    while (!rest.empty()) {
      const auto decoded = mqtt::decode(rest, mqtt::Version::k5);
      WL_CHECK(decoded && decoded->consumed > 0);
      rest = rest.subspan(decoded->consumed);
      said(it->second, socket, decoded->packet);
    }
  }
  void said(Lane::Socket number, Socket& socket, const mqtt::Packet& packet) {
    if (const auto* connect = std::get_if<mqtt::Connect>(&packet)) {
      mqtt::Connack answer;
      if (!connect->properties.user_value(wire::property::kProbe)) {
        auto& user = answer.properties.user;
        user.emplace_back(wire::property::kEpoch, "5eed");
        user.emplace_back(wire::property::kProbe, "1");
        user.emplace_back(wire::property::kSpread, std::to_string(way_.spread / milliseconds(1)));
      }
      lane_.log_in(number, expect(answer));
      watch(number, socket);
    } else if (std::holds_alternative<mqtt::Pingreq>(packet)) {
      lane_.act("heartbeat");
      lane_.say(number, expect(mqtt::Pingresp{}));
    } else {
      lane_.say(number, 0);  // an acknowledgement: nothing comes back
    }
  }
  std::size_t expect(const mqtt::Packet& packet) {
    base::Bytes bytes;
    WL_CHECK(mqtt::encode(packet, mqtt::Version::k5, bytes));
    answers_[++messages_] = std::move(bytes);
    return messages_;
  }
  void carry_out(const link::Secure&) {}  // TCP and TLS are one step here
  void carry_out(const link::SetHeartbeat& a) {
    const auto it = by_id_.find(a.attempt);
    if (it == by_id_.end()) return;
    sockets_.at(it->second).heartbeat = a.heartbeat;
    watch(it->second, sockets_.at(it->second));
  }
  void carry_out(const link::Close& a) {
    const auto it = by_id_.find(a.attempt);
    if (it == by_id_.end()) return;
    if (lane_.is_session(it->second)) lane_.gave_up(it->second);
    lane_.close(it->second);
    sockets_.erase(it->second);
    by_id_.erase(it);
  }
  void carry_out(const link::HoldAwake&) {}
  void carry_out(const link::LetGo&) {}
  void carry_out(const link::Persist& a) {
    lane_.kernel().after(milliseconds(5), [this, serial = a.serial] {
      tell([&](link::Actions& out) { link_.on_persisted(now(), serial, out); });
    });
  }
  void carry_out(const link::Deliver& a) {
    lane_.kernel().after(milliseconds(1), [this, id = a.delivery.id] {
      tell([&](link::Actions& out) { link_.accept(now(), id, out); });
    });
  }
  void carry_out(const link::Report&) {}
  void carry_out(const link::StoreOutbox&) {}
  void carry_out(const link::Outcome&) {}
  void carry_out(const link::Missed&) {}

  // --- the kernel's keep-alive (C39), and the contract's
  void watch(Lane::Socket number, Socket& socket) {
    if (socket.heartbeat == Duration::zero()) return;
    const std::uint64_t turn = ++socket.turn;
    const Instant due = socket.spoke + socket.heartbeat;
    lane_.kernel().at(due, [this, number, turn] {
      const auto it = sockets_.find(number);
      if (it == sockets_.end() || it->second.turn != turn) return;
      if (now() - it->second.spoke < it->second.heartbeat) return watch(number, it->second);
      answers_[++messages_] = {};
      it->second.turn = turn + 1;
      lane_.say(number, messages_);
      lane_.kernel().after(kProbing, [this, number, turn] {
        const auto again = sockets_.find(number);
        if (again != sockets_.end() && again->second.turn == turn + 1)
          on_end(number, link::Why::kPeerSilent);
      });
    });
  }
  void kernel_probe_answered(Socket& socket) {
    socket.spoke = now();
    watch(by_id_.at(socket.id), socket);
  }
  void keep_alive() {
    lane_.kernel().after(seconds(600), [this] {
      lane_.act("keep_alive");
      tell([&](link::Actions& out) { link_.on_woken(now(), out); });
      keep_alive();
    });
  }

  Lane::Socket socket_of(link::AttemptId id) const {
    const auto it = by_id_.find(id);
    return it == by_id_.end() ? 0 : it->second;
  }

  Lane& lane_;
  OurWay way_;
  link::Link link_;
  std::map<Lane::Socket, Socket> sockets_;
  std::map<link::AttemptId, Lane::Socket> by_id_;
  std::map<std::size_t, base::Bytes> answers_;  ///< by message; empty: to the kernel's probe
  std::size_t messages_ = 0;
  std::uint64_t fingerprint_ = 0;
  Instant armed_ = base::kNever;
};

}  // namespace

LaneFigures run_rules(const LaneWorld& world, const Rules& rules, std::uint64_t seed) {
  Lane lane(world, seed);
  const RulesClient client(lane, rules);
  return lane.run();
}

LaneFigures run_ours(const LaneWorld& world, const OurWay& way, std::uint64_t seed) {
  Lane lane(world, seed);
  const LinkClient client(lane, way);
  return lane.run();
}

}  // namespace wakeline::sim::lean
