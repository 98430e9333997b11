// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <concepts>
#include <ostream>

#include "core/session/session.h"
#include "wire/push.h"

/// What the tests of the session share: packets, and a session with its clock.
namespace wakeline::session {

/// GoogleTest prints an action by its alternative.
template <class Alternative>
  requires std::constructible_from<Action, Alternative>
void PrintTo(const Alternative& action, std::ostream* out) {
  *out << to_line(action);
}

namespace mqtt = wire::mqtt;
using std::chrono::milliseconds;
using std::chrono::seconds;
using List = std::vector<Action>;

inline constexpr std::uint64_t kEpoch = 0xabcdef;
inline constexpr const char* kDevice = "door";
inline constexpr const char* kInbox = "wakeline/inbox/door";
inline constexpr std::uint32_t kForEver = 0xFFFF'FFFF;

inline Instant at(Duration since) { return Instant{} + since; }

inline mqtt::Connect connect_v5(bool clean = true, std::uint32_t expiry = kForEver) {
  mqtt::Connect connect{.clean_start = clean, .keep_alive_s = 600, .client_id = kDevice};
  connect.properties.session_expiry_s = expiry;
  return connect;
}

inline mqtt::Connect connect_v311(bool clean = true) {
  return {.version = Version::k311, .clean_start = clean, .keep_alive_s = 60, .client_id = kDevice};
}

inline mqtt::Connack connack_v5(bool present = false) {
  mqtt::Connack connack{.session_present = present};
  connack.properties.receive_maximum = kReportsMax;
  connack.properties.topic_alias_maximum = kTopicAliasMax;
  connack.properties.maximum_qos = 1;
  connack.properties.retain_available = 0;
  connack.properties.maximum_packet_size = mqtt::kPacketMax;
  connack.properties.subscription_ids_available = 0;
  connack.properties.shared_available = 0;
  connack.properties.user = {{"epoch", "0000000000abcdef"}, {"spread", "5000"}};
  return connack;
}

inline mqtt::Subscribe subscribe(std::string filter) {
  return {.packet_id = 9,
          .topics = {{.filter = std::move(filter), .qos = mqtt::Qos::kAtLeastOnce}}};
}

inline mqtt::Suback suback(Reason reason) { return {.packet_id = 9, .reasons = {reason}}; }

inline Action disconnect(Reason reason, std::optional<std::string> text = std::nullopt) {
  mqtt::Disconnect packet{.reason = reason};
  packet.properties.reason_string = std::move(text);
  return Write{packet};
}

/// A session with its clock and the actions of the last event.
struct Bench {
  Config config{.receive_maximum = 3, .epoch = kEpoch, .spread = seconds(5)};
  Session session;
  Actions out;
  Rights rights = kAllRights;
  bool left_groups = false;  ///< at the last connect

  List take() {
    List list = out.items();
    out.clear();
    return list;
  }
  List connect(const mqtt::Connect& packet, Instant now = at(seconds(0))) {
    session.on_connect(now, config, kDevice, packet, out, rights);
    List list = take();
    // Every clean start says so; one test asks for it.
    left_groups = std::erase(list, Action(LeaveGroups{})) > 0;
    return list;
  }
  List packet(const mqtt::Packet& packet, Instant now = at(seconds(1))) {
    session.on_packet(now, config, kDevice, packet, out);
    return take();
  }
  List stored(Sequence sequence) {
    session.on_push_stored(at(seconds(1)), config, sequence, out);
    return take();
  }
  List pending(std::uint32_t id, std::vector<Sequence> sequences, bool more = false) {
    session.on_pending(at(seconds(1)), config, id, sequences, more, out);
    return take();
  }
  List gone(Sequence sequence) {
    session.on_gone(at(seconds(1)), config, sequence, out);
    return take();
  }
  List puback(std::uint16_t id, Reason reason = Reason::kSuccess) {
    return packet(mqtt::Ack{.packet_id = id, .reason = reason});
  }
  List deadline(Instant now) {
    session.on_deadline(now, out);
    return take();
  }
  /// Connected, subscribed, and the store's first answer was: nothing.
  static Bench ready(const mqtt::Connect& packet = connect_v5()) {
    Bench bench;
    bench.connect(packet);
    EXPECT_EQ(bench.packet(subscribe(kInbox)).size(), 2U);
    EXPECT_EQ(bench.pending(1, {}), List{});
    return bench;
  }
};

}  // namespace wakeline::session
