// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "wire/mqtt.h"
#include "wire/mqtt_testing.h"

/// The table of MQTT 5.0 §2.2.2.2, written out a second time as the standard prints it and held
/// against the codec in every cell, both ways.
namespace wakeline::wire::mqtt {
namespace {

using base::Bytes;

struct Property {
  const char* bytes;   // one property as it travels
  const char* places;  // where the standard allows it
  std::function<void(Properties&)> set;
};

const std::vector<Property>& properties() {
  static const std::string everywhere =
      "CONNECT CONNACK PUBLISH Will PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE "
      "UNSUBACK DISCONNECT AUTH";
  static const std::vector<Property> table = {
      {"01 01", "PUBLISH Will", [](Properties& p) { p.payload_format = 1; }},
      {"02 00000007", "PUBLISH Will", [](Properties& p) { p.message_expiry_s = 7; }},
      {"03 0001 61", "PUBLISH Will", [](Properties& p) { p.content_type = "a"; }},
      {"08 0001 61", "PUBLISH Will", [](Properties& p) { p.response_topic = "a"; }},
      {"09 0001 00", "PUBLISH Will", [](Properties& p) { p.correlation_data = Bytes{0}; }},
      {"0b ffffff7f", "PUBLISH SUBSCRIBE", [](Properties& p) { p.subscription_id = 268'435'455; }},
      {"11 ffffffff", "CONNECT CONNACK DISCONNECT",
       [](Properties& p) { p.session_expiry_s = 0xFFFF'FFFF; }},
      {"12 0001 61", "CONNACK", [](Properties& p) { p.assigned_client_id = "a"; }},
      {"13 0000", "CONNACK", [](Properties& p) { p.server_keep_alive_s = 0; }},
      {"15 0001 61", "CONNECT CONNACK AUTH", [](Properties& p) { p.auth_method = "a"; }},
      {"15 0001 61 16 0000", "CONNECT CONNACK AUTH",
       [](Properties& p) {
         p.auth_method = "a";
         p.auth_data = Bytes{};
       }},
      {"17 00", "CONNECT", [](Properties& p) { p.request_problem_information = 0; }},
      {"18 00000000", "Will", [](Properties& p) { p.will_delay_s = 0; }},
      {"19 01", "CONNECT", [](Properties& p) { p.request_response_information = 1; }},
      {"1a 0001 61", "CONNACK", [](Properties& p) { p.response_information = "a"; }},
      {"1c 0001 61", "CONNACK DISCONNECT", [](Properties& p) { p.server_reference = "a"; }},
      {"1f 0001 61", "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH",
       [](Properties& p) { p.reason_string = "a"; }},
      {"21 0001", "CONNECT CONNACK", [](Properties& p) { p.receive_maximum = 1; }},
      {"22 0000", "CONNECT CONNACK", [](Properties& p) { p.topic_alias_maximum = 0; }},
      {"23 ffff", "PUBLISH", [](Properties& p) { p.topic_alias = 65'535; }},
      {"24 01", "CONNACK", [](Properties& p) { p.maximum_qos = 1; }},
      {"25 00", "CONNACK", [](Properties& p) { p.retain_available = 0; }},
      {"26 0001 61 0000", everywhere.c_str(), [](Properties& p) { p.user = {{"a", ""}}; }},
      {"27 00000001", "CONNECT CONNACK", [](Properties& p) { p.maximum_packet_size = 1; }},
      {"28 00", "CONNACK", [](Properties& p) { p.wildcard_available = 0; }},
      {"29 00", "CONNACK", [](Properties& p) { p.subscription_ids_available = 0; }},
      {"2a 00", "CONNACK", [](Properties& p) { p.shared_available = 0; }},
  };
  return table;
}

struct Place {
  const char* name;
  const char* first;   // the packet's first byte,
  const char* before;  // what stands between its length and the property length,
  const char* after;   // and what follows the properties
  std::function<Packet(Properties)> packet;
};

Connect connect(Properties own, std::optional<Will> will) {
  Connect packet;
  packet.properties = std::move(own);
  packet.will = std::move(will);
  return packet;
}
Packet publish(Properties own) {
  Publish packet;
  packet.topic = "a";
  packet.properties = std::move(own);
  return packet;
}

const std::vector<Place>& places() {
  static const std::vector<Place> table = {
      {"CONNECT", "10", "0004 4d515454 05 02 0000", "0000",
       [](Properties p) { return Packet(connect(std::move(p), {})); }},
      {"Will", "10", "0004 4d515454 05 06 0000 00 0000", "0001 61 0000",
       [](Properties p) {
         Will will;
         will.topic = "a";
         will.properties = std::move(p);
         return Packet(connect({}, std::move(will)));
       }},
      {"CONNACK", "20", "00 00", "",
       [](Properties p) { return Packet(Connack{false, {}, std::move(p)}); }},
      {"PUBLISH", "30", "0001 61", "", publish},
      {"PUBACK", "40", "0001 10", "",
       [](Properties p) { return Packet(Ack{AckKind::kPuback, 1, Reason{0x10}, std::move(p)}); }},
      {"PUBREC", "50", "0001 10", "",
       [](Properties p) { return Packet(Ack{AckKind::kPubrec, 1, Reason{0x10}, std::move(p)}); }},
      {"PUBREL", "62", "0001 10", "",
       [](Properties p) { return Packet(Ack{AckKind::kPubrel, 1, Reason{0x10}, std::move(p)}); }},
      {"PUBCOMP", "70", "0001 10", "",
       [](Properties p) { return Packet(Ack{AckKind::kPubcomp, 1, Reason{0x10}, std::move(p)}); }},
      {"SUBSCRIBE", "82", "0001", "0001 61 00",
       [](Properties p) { return Packet(Subscribe{1, {{"a"}}, std::move(p)}); }},
      {"SUBACK", "90", "0001", "00",
       [](Properties p) { return Packet(Suback{1, {Reason{0}}, std::move(p)}); }},
      {"UNSUBSCRIBE", "a2", "0001", "0001 61",
       [](Properties p) { return Packet(Unsubscribe{1, {"a"}, std::move(p)}); }},
      {"UNSUBACK", "b0", "0001", "00",
       [](Properties p) { return Packet(Unsuback{1, {Reason{0}}, std::move(p)}); }},
      {"DISCONNECT", "e0", "81", "",
       [](Properties p) { return Packet(Disconnect{Reason{0x81}, std::move(p)}); }},
      {"AUTH", "f0", "18", "",
       [](Properties p) { return Packet(Auth{Reason{0x18}, std::move(p)}); }},
  };
  return table;
}

bool is_allowed(const Property& property, const Place& place) {
  return (std::string(" ") + property.places + " ").find(std::string(" ") + place.name + " ") !=
         std::string::npos;
}

// Every length here is below 128, one byte.
Bytes packet_bytes(const Place& place, const Bytes& block) {
  Bytes bytes = hex(place.first);
  bytes.push_back(0);
  const auto add = [&](const Bytes& more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  add(hex(place.before));
  bytes.push_back(static_cast<std::uint8_t>(block.size()));
  add(block);
  add(hex(place.after));
  bytes[1] = static_cast<std::uint8_t>(bytes.size() - 2);
  return bytes;
}

TEST(MqttProperties, AreReadInTheirPlacesAndNowhereElse) {
  for (const Property& property : properties()) {
    for (const Place& place : places()) {
      SCOPED_TRACE(std::string(place.name) + " with " + property.bytes);
      const auto decoded = decode(packet_bytes(place, hex(property.bytes)), Version::k5);
      EXPECT_EQ(decoded.has_value(), is_allowed(property, place));
      if (!decoded) continue;
      Properties expected;
      property.set(expected);
      EXPECT_EQ(decoded->packet, place.packet(expected));
    }
  }
}

TEST(MqttProperties, AreWrittenInTheirPlacesAndNowhereElse) {
  for (const Property& property : properties()) {
    for (const Place& place : places()) {
      SCOPED_TRACE(std::string(place.name) + " with " + property.bytes);
      Properties values;
      property.set(values);
      Bytes out;
      const auto written = encode(place.packet(values), Version::k5, out);
      EXPECT_EQ(written.has_value(), is_allowed(property, place));
      if (!written) continue;
      EXPECT_EQ(base::to_hex(out), base::to_hex(packet_bytes(place, hex(property.bytes))));
    }
  }
}

TEST(MqttProperties, ComeOnceEachSaveUserProperties) {
  for (const Property& property : properties()) {
    const Bytes once = hex(property.bytes);
    Bytes twice = once;
    twice.insert(twice.end(), once.begin(), once.end());
    for (const Place& place : places()) {
      if (!is_allowed(property, place)) continue;
      SCOPED_TRACE(std::string(place.name) + " with " + property.bytes);
      EXPECT_EQ(decode(packet_bytes(place, twice), Version::k5).has_value(), once[0] == 0x26);
    }
  }
}

TEST(MqttProperties, AreRefusedCutAtAnyByte) {
  for (const Property& property : properties()) {
    const Bytes whole = hex(property.bytes);
    for (const Place& place : places()) {
      if (!is_allowed(property, place)) continue;
      SCOPED_TRACE(std::string(place.name) + " with " + property.bytes);
      for (std::size_t size = 1; size < whole.size(); ++size) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        // The method alone, without its data, is a whole property.
        if (cut == hex("15 0001 61")) continue;
        EXPECT_FALSE(decode(packet_bytes(place, cut), Version::k5)) << size;
      }
    }
  }
}

}  // namespace
}  // namespace wakeline::wire::mqtt
