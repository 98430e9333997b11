// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/check.h"
#include "core/session/session.h"
#include "wire/push.h"

/// CONNECT and the subscriptions: what the device asks for, and what it is granted.
namespace wakeline::session {

namespace mqtt = wire::mqtt;

namespace {

std::optional<std::uint64_t> number(std::optional<std::string_view> text, int base) {
  if (!text || text->empty()) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

/// What the app of the device has accepted for sure; 0 when it speaks of another epoch or of none.
Sequence received_through(const Config& config, const mqtt::Properties& properties) {
  const auto epoch = number(properties.user_value(wire::property::kEpoch), 16);
  if (!epoch || *epoch != config.epoch) return 0;
  return number(properties.user_value(wire::property::kReceived), 10).value_or(0);
}

struct Refusal {
  Reason reason;
  const char* what;
};

std::optional<Refusal> refusal(std::string_view device, const mqtt::Connect& connect) {
  const mqtt::Properties& properties = connect.properties;
  const bool v5 = connect.version == Version::k5;
  if (!connect.client_id.empty() && connect.client_id != device)
    return Refusal{Reason::kClientIdNotValid, "the client id must be the user name, or empty"};
  if (!v5 && connect.client_id.empty() && !connect.clean_start)  // MQTT-3.1.3-8 of 3.1.1
    return Refusal{Reason::kClientIdNotValid, "a kept session needs a client id"};
  if (properties.auth_method)
    return Refusal{Reason::kBadAuthMethod, "only user name and password are served"};
  if (connect.will) return Refusal{Reason::kNotAuthorized, "will messages are not served"};
  if (properties.receive_maximum == 0 || properties.maximum_packet_size == 0U)
    return Refusal{Reason::kProtocolError, "a maximum of 0"};
  return std::nullopt;
}

}  // namespace

void Session::on_connect(Instant now, const Config& config, std::string_view device,
                         const mqtt::Connect& connect, Actions& out) {
  WL_CHECK(!online_);
  on_deadline(now, out);  // an expiry that is due, though its timer has not fired yet
  if (const auto refused = refusal(device, connect)) {
    mqtt::Connack answer{.reason = refused->reason};
    if (connect.version == Version::k5) answer.properties.reason_string = refused->what;
    out.push(Write{std::move(answer)});
    return out.push(CloseLink{refused->reason});
  }
  if (connect.clean_start) forget();
  const bool present = exists_;
  accept(config, connect);
  heard(now);
  const Sequence received = received_through(config, connect.properties);
  if (received > 0) {
    out.push(RemoveThrough{received});
    std::erase_if(in_flight_, [&](const InFlight& push) { return push.sequence <= received; });
    sent_through_ = std::max(sent_through_, received);
  }
  out.push(Write{connack(config, device, connect, present)});
  pump(out);
}

void Session::accept(const Config& config, const mqtt::Connect& connect) {
  const mqtt::Properties& properties = connect.properties;
  const bool v5 = connect.version == Version::k5;
  version_ = connect.version;
  online_ = exists_ = true;
  // Our own client says which attempt this is; it is served without a SUBSCRIBE, a round trip less.
  if (properties.user_value(wire::property::kAttempt)) subscribed_ = true;
  unasked_ = subscribed_;
  const std::uint32_t asked = v5                    ? properties.session_expiry_s.value_or(0)
                              : connect.clean_start ? 0
                                                    : config.session_expiry_max_s;
  session_expiry_s_ = std::min(asked, config.session_expiry_max_s);
  keep_alive_s_ = connect.keep_alive_s;
  // 3.1.1 has no way to tell another value than the device's own.
  if (v5 && (keep_alive_s_ == 0 || keep_alive_s_ > config.keep_alive_max_s))
    keep_alive_s_ = config.keep_alive_max_s;
  window_ =
      std::min({config.receive_maximum, properties.receive_maximum.value_or(0xFFFF), kInFlightMax});
  packet_max_ = std::min<std::uint32_t>(properties.maximum_packet_size.value_or(mqtt::kPacketMax),
                                        mqtt::kPacketMax);
}

mqtt::Connack Session::connack(const Config& config, std::string_view device,
                               const mqtt::Connect& connect, bool present) const {
  mqtt::Connack answer{.session_present = present};
  if (version_ != Version::k5) return answer;
  mqtt::Properties& properties = answer.properties;
  if (connect.properties.session_expiry_s.value_or(0) != session_expiry_s_)
    properties.session_expiry_s = session_expiry_s_;
  if (connect.keep_alive_s != keep_alive_s_) properties.server_keep_alive_s = keep_alive_s_;
  if (connect.client_id.empty()) properties.assigned_client_id = device;
  properties.maximum_qos = 1;
  properties.retain_available = 0;
  properties.maximum_packet_size = mqtt::kPacketMax;
  properties.subscription_ids_available = 0;
  properties.shared_available = 0;
  if (packet_max_ < kRoomy) return answer;
  properties.user.emplace_back(wire::property::kEpoch, fmt::format("{:016x}", config.epoch));
  if (config.spread > Duration::zero()) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(config.spread).count();
    properties.user.emplace_back(wire::property::kSpread, std::to_string(ms));
  }
  return answer;
}

void Session::on_subscribe(Instant now, std::string_view device, const mqtt::Subscribe& subscribe,
                           Actions& out) {
  if (subscribe.properties.subscription_id)  // told in CONNACK: §3.2.2.3.12
    return disconnect(now, Reason::kSubscriptionIdsNotSupported, "subscription identifiers", out);
  const bool v5 = version_ == Version::k5;
  const std::string inbox = wire::inbox_topic(device);
  mqtt::Suback answer{.packet_id = subscribe.packet_id};
  bool granted = false;
  for (const mqtt::TopicRequest& topic : subscribe.topics) {
    if (v5 && topic.filter.starts_with("$share/"))  // §3.2.2.3.13
      return disconnect(now, Reason::kSharedNotSupported, "shared subscriptions", out);
    if (topic.filter == inbox) {
      // Whatever QoS was asked for: a push is deleted when it is acknowledged, and not before.
      answer.reasons.push_back(Reason::kGrantedQos1);
      granted = true;
    } else if (!v5) {
      answer.reasons.push_back(Reason::kUnspecified);  // the one failure that 3.1.1 knows
    } else {
      answer.reasons.push_back(mqtt::is_topic_filter(topic.filter) ? Reason::kNotAuthorized
                                                                   : Reason::kTopicFilterInvalid);
    }
  }
  out.push(Write{std::move(answer)});
  if (granted && !subscribed_) {
    subscribed_ = unasked_ = true;
    pump(out);
  }
}

void Session::on_unsubscribe(std::string_view device, const mqtt::Unsubscribe& unsubscribe,
                             Actions& out) {
  const std::string inbox = wire::inbox_topic(device);
  mqtt::Unsuback answer{.packet_id = unsubscribe.packet_id};
  for (const std::string& filter : unsubscribe.filters) {
    const bool existed = subscribed_ && filter == inbox;
    answer.reasons.push_back(existed ? Reason::kSuccess : Reason::kNoSubscriptionExisted);
    if (existed) subscribed_ = unasked_ = false;
  }
  if (version_ != Version::k5) answer.reasons.clear();  // 3.1.1 has none
  out.push(Write{std::move(answer)});
}

/// A device may not publish here: the refusal is the standard's for what it sent.
void Session::on_publish(Instant now, const mqtt::Publish& publish, Actions& out) {
  if (publish.qos == mqtt::Qos::kExactlyOnce)
    return disconnect(now, Reason::kQosNotSupported, "the maximum QoS is 1", out);
  if (publish.retain) return disconnect(now, Reason::kRetainNotSupported, "retained messages", out);
  if (publish.properties.topic_alias)
    return disconnect(now, Reason::kTopicAliasInvalid, "the topic alias maximum is 0", out);
  if (version_ != Version::k5 || publish.qos == mqtt::Qos::kAtMostOnce)
    return disconnect(now, Reason::kNotAuthorized, "this device may not publish", out);
  out.push(Write{mqtt::Ack{.kind = mqtt::AckKind::kPuback,
                           .packet_id = publish.packet_id,
                           .reason = Reason::kNotAuthorized}});
}

}  // namespace wakeline::session
