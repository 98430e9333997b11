// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "core/session/session.h"
#include "wire/push.h"

/// What a device says: PUBLISH on its own topics, and the will that speaks when it is gone.
namespace wakeline::session {

namespace mqtt = wire::mqtt;

namespace {

/// What ends the connection, as CONNACK has told (§3.2.2.3).
std::optional<Refusal> refusal(const mqtt::Publish& publish, std::size_t reports,
                               std::size_t waiting) {
  if (publish.qos == mqtt::Qos::kExactlyOnce)
    return Refusal{Reason::kQosNotSupported, "the maximum QoS is 1"};
  if (publish.retain) return Refusal{Reason::kRetainNotSupported, "retained messages"};
  if (publish.properties.subscription_id)  // MQTT-3.3.4-6
    return Refusal{Reason::kProtocolError, "a subscription identifier from a client"};
  if (publish.qos != mqtt::Qos::kAtMostOnce && reports >= kReportsMax)
    return Refusal{Reason::kReceiveMaximumExceeded, "more than the receive maximum"};
  if (waiting >= kWaitingMax)
    return Refusal{Reason::kQuotaExceeded, "more than may wait for the disk"};
  return std::nullopt;
}

}  // namespace

void Session::on_publish(Instant now, std::string_view device, const mqtt::Publish& publish,
                         Actions& out) {
  if (const auto refused = refusal(publish, extra_ ? extra_->reports.size() : 0, waiting()))
    return disconnect(now, refused->reason, refused->what, out);
  std::string_view topic = publish.topic;
  if (const auto alias = publish.properties.topic_alias) {
    if (*alias == 0 || *alias > kTopicAliasMax)
      return disconnect(now, Reason::kTopicAliasInvalid, "over the topic alias maximum", out);
    auto& aliases = extra_.get().aliases;
    if (aliases.size() < *alias) aliases.resize(*alias);
    std::string& known = aliases[*alias - 1U];
    // The codec lets a topic be empty only beside an alias. A long one is none of ours.
    if (!topic.empty()) known = topic.size() <= mqtt::kConnectMax ? topic : std::string_view("?");
    if (known.empty())
      return disconnect(now, Reason::kProtocolError, "a topic alias that was never set", out);
    topic = known;
  }
  const bool waits = publish.qos == mqtt::Qos::kAtLeastOnce;
  const std::string_view key =
      publish.properties.user_value(wire::property::kKey).value_or(std::string_view());
  const auto kind = wire::report_of_topic(topic, device);
  std::optional<Reason> refused;
  if (!kind || (rights_ >> static_cast<unsigned>(*kind) & 1U) == 0)
    refused = Reason::kNotAuthorized;
  else if (publish.payload.size() > wire::kPushBodyMax)
    refused = Reason::kQuotaExceeded;
  else if (!wire::is_idempotency_key(key))
    refused = Reason::kImplementationSpecific;
  if (refused) {
    // PUBACK can say so in version 5; else only the end of the connection does (§4.13.2; 3.1.1
    // §3.3.5).
    if (version_ != Version::k5 || !waits)
      return disconnect(now, *refused, "this device may not publish that", out);
    return out.push(Write{mqtt::Ack{
        .kind = mqtt::AckKind::kPuback, .packet_id = publish.packet_id, .reason = *refused}});
  }
  if (waits) {
    auto& reports = extra_.get().reports;
    if (std::ranges::find(reports, publish.packet_id) != reports.end())
      return;  // under way already
    reports.push_back(publish.packet_id);
  }
  tell({*kind, publish.packet_id, publish.payload, publish.properties.content_type.value_or(""),
        publish.properties.correlation_data.value_or(base::Bytes()), std::string(key)},
       out);
}

void Session::tell(Report report, Actions& out) {
  ++extra_.get().waiting;
  out.push(std::move(report));
}

void Session::on_report_stored(Instant, std::uint16_t packet_id, Reason reason, Actions& out) {
  if (!extra_) return;
  if (extra_->waiting > 0) --extra_->waiting;
  if (!online_) return drop_connection_state();
  const auto it = std::ranges::find(extra_->reports, packet_id);
  if (it == extra_->reports.end()) return;
  extra_->reports.erase(it);
  // 3.1.1 knows no refusal: a report that could not be stored is not acknowledged, and comes again.
  if (version_ != Version::k5 && reason != Reason::kSuccess) return;
  out.push(
      Write{mqtt::Ack{.kind = mqtt::AckKind::kPuback, .packet_id = packet_id, .reason = reason}});
}

/// The connection ended without a DISCONNECT that takes the will back.
void Session::leave_will(Instant now) {
  if (!extra_ || extra_->will.empty()) return;
  // No later than the session's end (§3.1.3.2.2).
  const std::uint32_t delay =
      std::min(extra_->will.front().properties.will_delay_s.value_or(0), session_expiry_s_);
  extra_->will_at = base::saturating_add(now, std::chrono::seconds(delay));
}

void Session::publish_will(Actions& out) {
  if (!extra_ || extra_->will.empty()) return;
  const mqtt::Will will = std::move(extra_->will.front());
  extra_->will.clear();
  extra_->will_at = base::kNever;
  tell({wire::ReportKind::kPresence, 0, will.payload, will.properties.content_type.value_or(""),
        will.properties.correlation_data.value_or(base::Bytes())},
       out);
}

/// What belongs to one network connection, not to the session.
void Session::drop_connection_state() {
  if (!extra_) return;
  extra_->aliases.clear();
  extra_->reports.clear();
  extra_->group_requests.clear();
  extra_->withheld_through = 0;
  if (extra_->will.empty() && extra_->groups.empty() && extra_->waiting == 0) extra_.reset();
}

}  // namespace wakeline::session
