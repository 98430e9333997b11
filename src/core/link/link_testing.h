// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/link/lines.h"
#include "core/link/link.h"
#include "wire/push.h"

namespace wakeline::link {

/// Not PrintTo: GoogleTest would print a variant its own way before it looks for that.
inline std::ostream& operator<<(std::ostream& out, const Action& action) {
  return out << to_line(action);
}

}  // namespace wakeline::link

/// What the tests of the link share: a link with its driver's list, and short words for packets.
namespace wakeline::link::test {

namespace mqtt = wire::mqtt;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

inline const Address kAddress{.ipv6 = false, .text = "192.0.2.1"};
inline constexpr std::uint64_t kEpoch = 0xE1;

inline Config config() {
  Config c;
  c.host = "push.example";
  c.device = "door";
  c.token = {'s', 'e', 'c', 'r', 'e', 't'};
  c.ping_by_timer = false;
  return c;
}

/// `packets` as one write on the attempt.
inline Action wrote(std::uint64_t attempt, std::vector<mqtt::Packet> packets) {
  base::Bytes bytes;
  for (const mqtt::Packet& p : packets) WL_CHECK(mqtt::encode(p, mqtt::Version::k5, bytes));
  return Write{{attempt}, bytes};
}
inline Action pingreq(std::uint64_t attempt) { return wrote(attempt, {mqtt::Pingreq{}}); }
inline mqtt::Packet puback(std::uint16_t packet_id) {
  return mqtt::Ack{.packet_id = packet_id, .properties = {}};
}
inline mqtt::Connack our_connack(std::uint64_t epoch = kEpoch) {
  mqtt::Connack c;
  c.session_present = true;
  c.properties.user.emplace_back("epoch", fmt::format("{:x}", epoch));
  return c;
}
inline mqtt::Suback granted() {
  return {.packet_id = 1, .reasons = {mqtt::Reason{1}}, .properties = {}};
}
inline mqtt::Publish push(Sequence sequence, std::uint16_t packet_id, bool duplicate = false) {
  mqtt::Publish p;
  p.topic = "wakeline/inbox/door";
  p.payload = {'h', 'i'};
  p.qos = mqtt::Qos::kAtLeastOnce;
  p.duplicate = duplicate;
  p.packet_id = packet_id;
  if (sequence != 0) p.properties.user.emplace_back("seq", std::to_string(sequence));
  return p;
}
inline Action delivered(std::uint64_t id, Sequence sequence, bool duplicate = false) {
  return Deliver{Delivery{.id = {id},
                          .sequence = sequence,
                          .duplicate = duplicate,
                          .topic = "wakeline/inbox/door",
                          .payload = {'h', 'i'},
                          .urgency = {}}};
}

/// A link and its time. Each call gives the actions of that one event.
class Pen {
 public:
  explicit Pen(Config c = config(), Memory memory = {}, std::vector<Message> outbox = {})
      : link(std::move(c), std::move(memory), base::Random(7), std::move(outbox)) {}

  Link link;
  Instant now{seconds(1'000)};
  std::uint64_t attempt = 0;  ///< of the last Connect
  std::uint64_t probe = 0;    ///< of the last one for a probe

  template <class Call>
  std::vector<Action> did(Call call) {
    Actions out;
    call(out);
    started = false;
    for (const Action& a : out) {
      started = started || std::holds_alternative<Connect>(a);
      if (const auto* c = std::get_if<Connect>(&a)) (c->probe ? probe : attempt) = c->attempt.value;
      if (const auto* r = std::get_if<Resolve>(&a)) generation = r->generation;
      if (const auto* p = std::get_if<Persist>(&a)) serial = p->serial;
      if (const auto* s = std::get_if<StoreOutbox>(&a)) outbox_serial = s->serial;
    }
    auto actions = out.items();
    for (Action& a : actions)  // what was learnt of networks has tests of its own
      if (auto* p = std::get_if<Persist>(&a)) p->memory.networks = {};
    return actions;
  }
  Memory memory() const {
    Memory memory = link.memory();
    memory.networks = {};
    return memory;
  }
  std::vector<Action> start() {
    return did([&](Actions& out) { link.start(now, out); });
  }
  std::vector<Action> resolved(std::vector<Address> addresses = {kAddress}) {
    return did([&](Actions& out) { link.on_resolved(now, generation, addresses, out); });
  }
  std::vector<Action> resolved_in_part(std::vector<Address> addresses) {
    return did([&](Actions& out) { link.on_resolved_in_part(now, generation, addresses, out); });
  }
  std::vector<Action> tcp(std::uint64_t id) {
    return did([&](Actions& out) { link.on_tcp(now, {id}, out); });
  }
  std::vector<Action> connected(std::uint64_t id) {
    return did([&](Actions& out) { link.on_connected(now, {id}, out); });
  }
  std::vector<Action> failed(std::uint64_t id, Why why = Why::kConnectFailed) {
    return did([&](Actions& out) { link.on_failed(now, {id}, why, out); });
  }
  std::vector<Action> heard(std::uint64_t id, std::vector<mqtt::Packet> packets) {
    base::Bytes bytes;
    for (const mqtt::Packet& p : packets) WL_CHECK(mqtt::encode(p, mqtt::Version::k5, bytes));
    return did(
        [&](Actions& out) { EXPECT_EQ(link.on_bytes(now, {id}, bytes, out), bytes.size()); });
  }
  std::vector<Action> persisted() {
    return did([&](Actions& out) { link.on_persisted(now, serial, out); });
  }
  std::vector<Action> accepted(std::uint64_t delivery) {
    return did([&](Actions& out) { link.accept(now, {delivery}, out); });
  }
  std::vector<Action> send(Message message) {
    return did([&](Actions& out) { sent = link.send(now, std::move(message), out); });
  }
  std::vector<Action> outbox_stored() {
    return did([&](Actions& out) { link.on_outbox_stored(now, outbox_serial, out); });
  }
  std::vector<Action> outbox_failed() {
    return did([&](Actions& out) { link.on_outbox_failed(now, outbox_serial, out); });
  }
  std::vector<Action> taken(std::uint64_t number) {
    return did([&](Actions& out) { link.outcome_taken(now, number, out); });
  }
  std::vector<Action> woken() {
    return did([&](Actions& out) { link.on_woken(now, out); });
  }
  /// Other facts than before; they have settled when this returns.
  std::vector<Action> network(bool online, bool gone, const std::string& key = {}) {
    const NetworkFacts facts{
        .online = online, .key = key, .fingerprint = ++fingerprint, .local_address_gone = gone};
    auto all = did([&](Actions& out) { link.on_network_changed(now, facts, out); });
    pass(seconds(1));
    const auto settled = did([&](Actions& out) { link.on_deadline(now, out); });
    all.insert(all.end(), settled.begin(), settled.end());
    return all;
  }
  std::vector<Action> foreground(bool on) {
    return did([&](Actions& out) { link.on_foreground(now, on, out); });
  }
  /// Time goes on to the next deadline, which fires.
  std::vector<Action> deadline() {
    WL_CHECK(link.next_deadline() != base::kNever);
    now = std::max(now, link.next_deadline());
    return did([&](Actions& out) { link.on_deadline(now, out); });
  }
  void pass(Duration span) { now += span; }

  /// All the way to our server, persisted and idle.
  void go_online(const mqtt::Connack& connack = our_connack()) {
    start();
    come_back(connack);
  }
  /// From a Resolve to online.
  void come_back(const mqtt::Connack& connack = our_connack()) {
    if (!started) resolved();  // else an older answer was tried at once
    connected(attempt);
    heard(attempt, {connack});
    if (link.state() == State::kConnecting) heard(attempt, {granted()});
    while (link_persisting()) persisted();
    ASSERT_EQ(link.state(), State::kReady);
  }
  /// When the wait that was reported is over, from `now`.
  Duration waits() const { return link.next_deadline() - now; }

  std::uint64_t generation = 0;
  std::uint64_t serial = 0;
  std::uint64_t outbox_serial = 0;
  base::Result<std::uint64_t> sent = 0;  ///< what the last send() returned
  std::uint64_t fingerprint = 0;
  bool started = false;  ///< an attempt, with the last event

 private:
  bool link_persisting() {
    Link copy = link;
    Actions out;
    copy.on_persisted(now, serial, out);
    return !(copy == link);
  }
};

}  // namespace wakeline::link::test
