// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/check.h"
#include "core/session/session.h"
#include "wire/push.h"

/// CONNECT: what the device asks for, and what it is granted.
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

bool may(Rights rights, wire::ReportKind kind) {
  return (rights >> static_cast<unsigned>(kind) & 1U) != 0;
}

/// A will is the device's presence, told when it is gone without a word.
std::optional<Refusal> will_refusal(std::string_view device, const mqtt::Connect& connect,
                                    Rights rights) {
  if (!connect.will) return std::nullopt;
  const mqtt::Will& will = *connect.will;
  if (wire::report_of_topic(will.topic, device) != wire::ReportKind::kPresence)
    return Refusal{Reason::kNotAuthorized, "the will's topic is wakeline/presence/NAME"};
  if (!may(rights, wire::ReportKind::kPresence))
    return Refusal{Reason::kNotAuthorized, "this device may not tell its presence"};
  if (will.qos == mqtt::Qos::kExactlyOnce)
    return Refusal{Reason::kQosNotSupported, "the maximum QoS is 1"};
  if (will.retain) return Refusal{Reason::kRetainNotSupported, "retained messages are not served"};
  if (will.payload.size() > wire::kPushBodyMax)
    return Refusal{Reason::kPacketTooLarge, "the will is larger than a push"};
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> refusal_of(std::string_view device, const mqtt::Connect& connect,
                                  Rights rights) {
  const mqtt::Properties& properties = connect.properties;
  const bool v5 = connect.version == Version::k5;
  if (mqtt::is_cut(connect)) return Refusal{Reason::kQuotaExceeded, "too many user properties"};
  if (!connect.client_id.empty() && connect.client_id != device)
    return Refusal{Reason::kClientIdNotValid, "the client id must be the user name, or empty"};
  if (!v5 && connect.client_id.empty() && !connect.clean_start)  // MQTT-3.1.3-8 of 3.1.1
    return Refusal{Reason::kClientIdNotValid, "a kept session needs a client id"};
  if (properties.auth_method)
    return Refusal{Reason::kBadAuthMethod, "only user name and password are served"};
  if (const auto refused = will_refusal(device, connect, rights)) return refused;
  const auto urgency = properties.user_value(wire::property::kUrgency);
  if (urgency && !wire::urgency_from_name(*urgency))
    return Refusal{Reason::kImplementationSpecific, "urgency: very-low, low, normal or high"};
  if (properties.receive_maximum == 0 || properties.maximum_packet_size == 0U)
    return Refusal{Reason::kProtocolError, "a maximum of 0"};
  return std::nullopt;
}

void Session::on_connect(Instant now, const Config& config, std::string_view device,
                         const mqtt::Connect& connect, Actions& out, Rights rights,
                         const Quiet& quiet) {
  WL_CHECK(!online_);
  on_deadline(now, out);       // an expiry that is due, though its timer has not fired yet
  version_ = connect.version;  // a refusal speaks it as well
  if (const auto refused = refusal_of(device, connect, rights)) {
    mqtt::Connack answer{.reason = refused->reason};
    const bool roomy = connect.properties.maximum_packet_size.value_or(kRoomy) >= kRoomy;
    if (connect.version == Version::k5 && roomy) answer.properties.reason_string = refused->what;
    out.push(Write{std::move(answer)});
    return out.push(CloseLink{refused->reason});
  }
  if (connect.clean_start) {
    if (will_at() != base::kNever) publish_will(out);  // its session ends here (§3.1.3.2.2)
    forget();
    out.push(LeaveGroups{});
  }
  const bool present = exists_;
  rights_ = rights;
  if (!settling_) lowest_ = quiet.lowest;
  accept(config, connect);
  heard(now);
  const Sequence received = received_through(config, connect.properties);
  if (received > 0) {
    out.push(RemoveThrough{received});
    std::erase_if(in_flight_, [&](const InFlight& push) { return push.sequence <= received; });
    sent_through_ = std::max(sent_through_, received);
  }
  const bool has_all = quiet.through <= received;
  out.push(Write{connack(config, device, connect, present, has_all ? 0 : quiet.through)});
  // Without a session nobody knows which pushes were sent, and may be acknowledged yet: those that
  // are there go out once more. A clean start knows none of them.
  const auto asked = connect.properties.user_value(wire::property::kUrgency);
  if (asked || connect.clean_start) {
    ask_for(asked ? *wire::urgency_from_name(*asked) : wire::Urgency::kVeryLow,
            present || connect.clean_start ? sent_through_ : SetUrgency::kNone, out);
  }
  pump(out);
}

bool Session::outdates(const Config& config, const mqtt::Connect& connect) const {
  // One that starts clean, or knows no store, has forgotten how often it tried: it may be a new
  // installation, and takes over as any client does.
  if (!online_ || attempt_ == 0 || connect.clean_start) return false;
  const mqtt::Properties& properties = connect.properties;
  if (number(properties.user_value(wire::property::kEpoch), 16) != config.epoch) return false;
  const auto attempt = number(properties.user_value(wire::property::kAttempt), 10);
  return attempt && *attempt < attempt_;
}

void Session::accept(const Config& config, const mqtt::Connect& connect) {
  const mqtt::Properties& properties = connect.properties;
  const bool v5 = connect.version == Version::k5;
  version_ = connect.version;
  online_ = exists_ = true;
  // Our own client says which attempt this is; it is served without a SUBSCRIBE, a round trip less.
  const auto attempt = properties.user_value(wire::property::kAttempt);
  attempt_ = number(attempt, 10).value_or(0);
  if (attempt) {
    subscribed_ = true;
    once_ = false;
  }
  unasked_ = subscribed();
  topic_alias_ = properties.topic_alias_maximum.value_or(0) > 0;
  if (extra_) {  // a will that waited: the device is back in time (MQTT-3.1.3-9)
    extra_->will.clear();
    extra_->will_at = base::kNever;
  }
  if (connect.will) extra_.get().will.push_back(*connect.will);
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
                               const mqtt::Connect& connect, bool present,
                               Sequence withheld_through) const {
  mqtt::Connack answer{.session_present = present};
  if (version_ != Version::k5) return answer;
  mqtt::Properties& properties = answer.properties;
  if (connect.properties.session_expiry_s.value_or(0) != session_expiry_s_)
    properties.session_expiry_s = session_expiry_s_;
  if (connect.keep_alive_s != keep_alive_s_) properties.server_keep_alive_s = keep_alive_s_;
  if (connect.client_id.empty()) properties.assigned_client_id = device;
  properties.receive_maximum = kReportsMax;
  properties.topic_alias_maximum = kTopicAliasMax;
  properties.maximum_qos = 1;
  properties.retain_available = 0;
  properties.maximum_packet_size = mqtt::kPacketMax;
  properties.subscription_ids_available = 0;
  properties.shared_available = 0;
  if (packet_max_ < kRoomy) return answer;
  properties.user.emplace_back(wire::property::kEpoch, fmt::format("{:016x}", config.epoch));
  // What it takes so far, before this CONNECT says otherwise: it may have lost its memory of that.
  // While that is written down nobody knows yet which numbers were withheld.
  if (settling_ || lowest_ > wire::Urgency::kVeryLow)
    properties.user.emplace_back(wire::property::kUrgency, wire::name(lowest_));
  else if (withheld_through > 0)
    properties.user.emplace_back(wire::property::kWithheld, std::to_string(withheld_through));
  if (config.probes) properties.user.emplace_back(wire::property::kProbe, "1");
  if (config.spread > Duration::zero()) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(config.spread).count();
    properties.user.emplace_back(wire::property::kSpread, std::to_string(ms));
  }
  return answer;
}

}  // namespace wakeline::session
