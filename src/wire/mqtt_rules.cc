// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <variant>

#include "wire/mqtt_codec.h"

namespace wakeline::wire::mqtt::codec {
namespace {

constexpr std::string_view kSharePrefix = "$share/";

bool is_qos(Qos qos) { return qos <= Qos::kExactlyOnce; }

bool is_count(std::size_t count) { return count >= 1 && count <= kTopicsMax; }

// "$share/GROUP/FILTER" (§4.8.2). Only MQTT 5 gives the prefix a meaning.
bool is_share(std::string_view filter) { return filter.starts_with(kSharePrefix); }
bool is_filter(std::string_view filter, Version version) {
  if (!is_topic_filter(filter)) return false;
  if (version != Version::k5 || !is_share(filter)) return true;
  const std::string_view rest = filter.substr(kSharePrefix.size());
  const std::size_t slash = rest.find('/');
  return slash != std::string_view::npos && is_topic_name(rest.substr(0, slash)) &&
         is_topic_filter(rest.substr(slash + 1));
}

bool ok(const Connect& connect, Version) {
  if (connect.version != Version::k311 && connect.version != Version::k5) return false;
  if (connect.will && (!is_qos(connect.will->qos) || !is_topic_name(connect.will->topic))) {
    return false;
  }
  // 3.1.1 knows a password only beside a user name; 5.0 lets it stand alone.
  return connect.version == Version::k5 || connect.user_name || !connect.password;
}

bool ok(const Connack& connack, Version) {
  return !connack.session_present || connack.reason == Reason::kSuccess;
}

bool ok(const Publish& publish, Version version) {
  if (!is_qos(publish.qos)) return false;
  const bool unnumbered = publish.qos == Qos::kAtMostOnce;
  if (unnumbered != (publish.packet_id == 0) || (unnumbered && publish.duplicate)) return false;
  const bool aliased = version == Version::k5 && publish.properties.topic_alias.has_value();
  return is_topic_name(publish.topic) || (publish.topic.empty() && aliased);
}

bool ok(const Ack& ack, Version) {
  return ack.packet_id != 0 && ack.kind >= AckKind::kPuback && ack.kind <= AckKind::kPubcomp;
}

bool ok(const Subscribe& subscribe, Version version) {
  return subscribe.packet_id != 0 && is_count(subscribe.topics.size()) &&
         std::ranges::all_of(subscribe.topics, [&](const TopicRequest& topic) {
           if (!is_filter(topic.filter, version) || !is_qos(topic.qos)) return false;
           return version == Version::k311 ||
                  (topic.retain_handling <= 2 && !(topic.no_local && is_share(topic.filter)));
         });
}

bool ok(const Suback& suback, Version) {
  return suback.packet_id != 0 && is_count(suback.reasons.size()) &&
         std::ranges::all_of(suback.reasons, [](Reason reason) {
           return reason <= Reason{2} || reason >= Reason::kUnspecified;
         });
}

bool ok(const Unsubscribe& unsubscribe, Version version) {
  return unsubscribe.packet_id != 0 && is_count(unsubscribe.filters.size()) &&
         std::ranges::all_of(unsubscribe.filters,
                             [&](const std::string& filter) { return is_filter(filter, version); });
}

bool ok(const Unsuback& unsuback, Version version) {
  return unsuback.packet_id != 0 && (version == Version::k311 || is_count(unsuback.reasons.size()));
}

bool ok(const Pingreq&, Version) { return true; }
bool ok(const Pingresp&, Version) { return true; }
bool ok(const Disconnect&, Version) { return true; }
bool ok(const Auth&, Version version) { return version == Version::k5; }

}  // namespace

bool follows_rules(const Packet& packet, Version version) {
  return std::visit([&](const auto& value) { return ok(value, version); }, packet);
}

}  // namespace wakeline::wire::mqtt::codec
