// SPDX-License-Identifier: Apache-2.0
#include "core/link/outbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wire/push.h"

namespace wakeline::link {
namespace {

namespace mqtt = wire::mqtt;
using base::ErrorCode;

constexpr std::uint16_t kFirstPacketId = 2;                              ///< 1 is that of SUBSCRIBE
constexpr auto kPayloadFormatInvalid = static_cast<mqtt::Reason>(0x99);  // MQTT 5.0 §2.4

/// The same over reconnects and restarts (MQTT-4.4.0-1).
std::uint16_t packet_id_of(std::uint64_t number) {
  return static_cast<std::uint16_t>(kFirstPacketId + number % (0x1'0000 - kFirstPacketId));
}

mqtt::Publish publish_of(const Message& message, bool again) {
  mqtt::Publish p;
  p.topic = message.topic;
  p.payload = message.body;
  p.qos = mqtt::Qos::kAtLeastOnce;
  p.duplicate = again;
  p.packet_id = packet_id_of(message.number);
  if (!message.content_type.empty()) p.properties.content_type = message.content_type;
  if (!message.correlation.empty()) p.properties.correlation_data = message.correlation;
  p.properties.user.emplace_back(wire::property::kKey, message.key);
  return p;
}

/// Of the encoded packet.
std::size_t size_of(const mqtt::Publish& publish) {
  base::Bytes bytes;
  const auto encoded = mqtt::encode(publish, mqtt::Version::k5, bytes);
  return encoded ? bytes.size() : mqtt::kPacketMax + 1;
}

}  // namespace

base::Result<void> check(const Message& message) {
  const auto invalid = [](const char* field) {
    return base::fail(ErrorCode::kInvalidArgument, field);
  };
  const auto too_large = [](const char* field) { return base::fail(ErrorCode::kTooLarge, field); };
  if (message.key.size() > wire::kIdempotencyKeyMax) return too_large("message.key");
  if (message.key.empty() || !wire::is_idempotency_key(message.key)) return invalid("message.key");
  if (message.topic.size() > kOutboxWordMax) return too_large("message.topic");
  if (!mqtt::is_topic_name(message.topic)) return invalid("message.topic");
  if (message.content_type.size() > kOutboxWordMax) return too_large("message.content_type");
  const bool text =
      base::is_utf8(message.content_type) && message.content_type.find('\0') == std::string::npos;
  if (!text) return invalid("message.content_type");
  if (message.correlation.size() > kOutboxWordMax) return too_large("message.correlation");
  if (message.body.size() > wire::kPushBodyMax) return too_large("message.body");
  return {};
}

Outbox::Outbox(std::vector<Message> messages) {
  for (Message& m : messages) {
    last_number_ = m.number;
    entries_.push_back({.message = std::move(m), .phase = Phase::kWaiting, .tried = true});
  }
}

base::Result<bool> Outbox::add(Message message) {
  const auto known =
      std::ranges::any_of(entries_, [&](const Entry& e) { return e.message.key == message.key; });
  if (known) return false;
  if (entries_.size() >= kOutboxMax) return base::fail(ErrorCode::kBusy, "link.outbox");
  message.number = ++last_number_;
  entries_.push_back({.message = std::move(message)});
  dirty_ = true;
  return true;
}

void Outbox::forget_the_future(Instant now) {
  for (Entry& e : entries_)
    e.message.until = std::min(e.message.until, base::saturating_add(now, kOutboxTimeMax));
}

std::vector<Message> Outbox::messages() const {
  std::vector<Message> all;
  for (const Entry& e : entries_) all.push_back(e.message);
  return all;
}

bool Outbox::has_new() const {
  return std::ranges::any_of(entries_, [](const Entry& e) { return e.phase == Phase::kNew; });
}

void Outbox::begin_store() {
  dirty_ = false;
  for (Entry& e : entries_)
    if (e.phase == Phase::kNew) e.phase = Phase::kStoring;
}

void Outbox::stored() {
  for (Entry& e : entries_)
    if (e.phase == Phase::kStoring) e.phase = Phase::kWaiting;
}

void Outbox::store_failed() {
  std::erase_if(entries_, [](const Entry& e) { return e.phase == Phase::kStoring; });
  dirty_ = true;
}

void Outbox::on_login(const Limits& limits) {
  limits_ = limits;
  unacknowledged_.clear();
  paused_ = false;
  for (Entry& e : entries_) {
    e.oversized = false;
    if (e.phase == Phase::kSent) e.phase = Phase::kWaiting;
  }
}

std::optional<mqtt::Publish> Outbox::next(Instant now) {
  if (paused_ || unacknowledged_.size() >= limits_.window) return std::nullopt;
  for (Entry& e : entries_) {
    if (e.phase != Phase::kWaiting || e.oversized || e.message.until <= now) continue;
    auto publish = publish_of(e.message, e.tried);
    e.oversized = !limits_.acknowledges || size_of(publish) > limits_.packet;
    if (e.oversized) continue;
    e.phase = Phase::kSent;
    e.tried = true;
    unacknowledged_.push_back(publish.packet_id);
    return publish;
  }
  return std::nullopt;
}

Outcome Outbox::outcome(Entry& entry, SendResult result, std::string detail) {
  entry.phase = Phase::kSettled;
  const bool maybe = result != SendResult::kSent && entry.tried;
  return {entry.message.number, entry.message.key, result, maybe, std::move(detail)};
}

base::Result<std::optional<Outcome>> Outbox::on_ack(const mqtt::Ack& ack, std::string detail) {
  if (ack.kind != mqtt::AckKind::kPuback || std::erase(unacknowledged_, ack.packet_id) == 0)
    return base::fail(ErrorCode::kMalformed, "mqtt.packet_id");
  const auto it = std::ranges::find_if(entries_, [&](const Entry& e) {
    return e.phase == Phase::kSent && packet_id_of(e.message.number) == ack.packet_id;
  });
  // Its time was over meanwhile, and the app was told.
  if (it == entries_.end()) return std::optional<Outcome>();
  if (ack.reason < mqtt::Reason::kUnspecified)
    return std::optional(outcome(*it, SendResult::kSent, {}));
  const bool never = ack.reason == mqtt::Reason::kNotAuthorized ||
                     ack.reason == mqtt::Reason::kTopicNameInvalid ||
                     ack.reason == kPayloadFormatInvalid;
  if (!never) {
    it->phase = Phase::kWaiting;
    paused_ = true;
    return std::optional<Outcome>();
  }
  if (detail.empty()) detail = fmt::format("0x{:02x}", static_cast<unsigned>(ack.reason));
  Outcome refused = outcome(*it, SendResult::kRefused, std::move(detail));
  refused.maybe_received = false;  // the server has just said so
  return std::optional(std::move(refused));
}

std::vector<Outcome> Outbox::settle(Instant now) {
  std::vector<Outcome> settled;
  for (Entry& e : entries_) {
    if (e.phase != Phase::kWaiting && e.phase != Phase::kSent) continue;
    if (e.message.until <= now)
      settled.push_back(outcome(e, SendResult::kExpired, {}));
    else if (e.oversized)
      settled.push_back(outcome(e, SendResult::kRefused,
                                limits_.acknowledges ? "over the server's maximum packet size"
                                                     : "the server acknowledges nothing"));
  }
  return settled;
}

bool Outbox::taken(std::uint64_t number) {
  const auto gone = std::erase_if(entries_, [&](const Entry& e) {
    return e.phase == Phase::kSettled && e.message.number == number;
  });
  dirty_ = dirty_ || gone > 0;
  return gone > 0;
}

bool Outbox::untold() const {
  return std::ranges::any_of(entries_, [](const Entry& e) { return e.phase == Phase::kSettled; });
}

Instant Outbox::next_expiry() const {
  Instant next = base::kNever;
  for (const Entry& e : entries_)
    if (e.phase == Phase::kWaiting || e.phase == Phase::kSent)
      next = std::min(next, e.message.until);
  return next;
}

}  // namespace wakeline::link
