// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "core/session/session.h"

/// A session as bytes, for the process that takes the server over. All of it on one machine and one
/// boot, so that instants keep their meaning.
namespace wakeline::session {

namespace mqtt = wire::mqtt;

namespace {

/// Of the layout below; another build refuses what it does not know.
constexpr std::uint8_t kLayout = 5;
/// As it was before devices were told where quiet was over: still read.
constexpr std::uint8_t kLayoutBefore = 4;
/// Bounds on what is read: they are those of the machine.
constexpr std::size_t kListMax = 0xFFFF;
/// How a push was sent: the bits of one byte.
constexpr std::uint8_t kSent = 1;
constexpr std::uint8_t kOnce = 2;
constexpr std::uint8_t kTelling = 4;

void put_text(base::ByteWriter& writer, base::BytesView bytes) {
  writer.u32(static_cast<std::uint32_t>(bytes.size()));
  writer.put(bytes);
}

base::BytesView take_text(base::ByteReader& reader) { return reader.take(reader.u32()); }

void put_time(base::ByteWriter& writer, Instant at) {
  writer.u64(static_cast<std::uint64_t>(at.time_since_epoch().count()));
}

Instant take_time(base::ByteReader& reader) {
  return Instant(Duration(static_cast<std::int64_t>(reader.u64())));
}

}  // namespace

void Session::freeze(base::Bytes& out) const {
  base::ByteWriter writer(out);
  writer.u8(kLayout);
  put_time(writer, deadline_);
  for (const std::uint64_t value : {sent_through_, stored_through_, fetch_through_, attempt_})
    writer.u64(value);
  for (const std::uint32_t value : {session_expiry_s_, packet_max_, fetch_id_}) writer.u32(value);
  for (const std::uint16_t value : {keep_alive_s_, window_, next_packet_id_}) writer.u16(value);
  writer.u8(rights_);
  writer.u8(static_cast<std::uint8_t>(version_));
  writer.u8(static_cast<std::uint8_t>(lowest_));
  // The answer to an urgency under way never comes: what it made of the numbers is asked for.
  for (const bool value :
       {online_, exists_, subscribed_, topic_alias_, fetching_, unasked_ || settling_, unwanted_,
        rereads_, static_cast<bool>(extra_), once_})
    writer.u8(value ? 1 : 0);
  writer.u32(static_cast<std::uint32_t>(in_flight_.size()));
  for (const InFlight& push : in_flight_) {
    writer.u64(push.sequence);
    writer.u16(push.packet_id);
    writer.u8(static_cast<std::uint8_t>((push.sent ? kSent : 0) | (push.once ? kOnce : 0) |
                                        (push.telling ? kTelling : 0)));
  }
  if (!extra_) return;
  put_time(writer, extra_->will_at);
  base::Bytes will;
  if (!extra_->will.empty()) {  // as it came: in a CONNECT
    const mqtt::Connect connect{.client_id = "", .will = extra_->will.front()};
    if (!mqtt::encode(connect, Version::k5, will)) will.clear();
  }
  put_text(writer, will);
  writer.u32(static_cast<std::uint32_t>(extra_->reports.size()));
  for (const std::uint16_t id : extra_->reports) writer.u16(id);
  writer.u32(static_cast<std::uint32_t>(extra_->aliases.size()));
  for (const std::string& alias : extra_->aliases) put_text(writer, base::as_bytes(alias));
  for (const auto* groups : {&extra_->groups, &extra_->once_groups}) {
    writer.u32(static_cast<std::uint32_t>(groups->size()));
    for (const std::string& group : *groups) put_text(writer, base::as_bytes(group));
  }
  writer.u64(extra_->withheld_through);
}

std::optional<Session> Session::thaw(base::BytesView bytes) {
  base::ByteReader reader(bytes);
  const std::uint8_t layout = reader.u8();
  if (layout != kLayout && layout != kLayoutBefore) return std::nullopt;
  Session session;
  session.deadline_ = take_time(reader);
  for (std::uint64_t* value : {&session.sent_through_, &session.stored_through_,
                               &session.fetch_through_, &session.attempt_})
    *value = reader.u64();
  for (std::uint32_t* value :
       {&session.session_expiry_s_, &session.packet_max_, &session.fetch_id_})
    *value = reader.u32();
  for (std::uint16_t* value : {&session.keep_alive_s_, &session.window_, &session.next_packet_id_})
    *value = reader.u16();
  session.rights_ = reader.u8();
  const std::uint8_t version = reader.u8();
  if (version != 4 && version != 5) return std::nullopt;
  session.version_ = Version{version};
  const std::uint8_t lowest = reader.u8();
  if (lowest > static_cast<std::uint8_t>(wire::Urgency::kHigh)) return std::nullopt;
  session.lowest_ = wire::Urgency{lowest};
  bool extra = false;
  for (bool* value : {&session.online_, &session.exists_, &session.subscribed_,
                      &session.topic_alias_, &session.fetching_, &session.unasked_,
                      &session.unwanted_, &session.rereads_, &extra, &session.once_})
    *value = reader.u8() != 0;
  const std::uint32_t count = reader.u32();
  if (!reader.ok() || count > kListMax) return std::nullopt;
  for (std::uint32_t i = 0; i < count; ++i) {
    InFlight push{};
    push.sequence = reader.u64();
    push.packet_id = reader.u16();
    const std::uint8_t how = reader.u8();
    push.sent = (how & kSent) != 0;
    push.once = (how & kOnce) != 0;
    push.telling = (how & kTelling) != 0;
    if (!reader.ok()) return std::nullopt;
    session.in_flight_.push_back(push);
  }
  if (extra && !session.thaw_extra(reader, layout == kLayout)) return std::nullopt;
  // The store's answer to a question under way never comes: it is asked again.
  if (session.fetching_) {
    session.fetching_ = false;
    session.unasked_ = true;
  }
  if (!reader.ok() || !reader.empty()) return std::nullopt;
  return session;
}

bool Session::thaw_extra(base::ByteReader& reader, bool with_quiet) {
  Extra& extra = extra_.get();
  extra.will_at = take_time(reader);
  const base::BytesView will = take_text(reader);
  if (!will.empty()) {
    const auto decoded = mqtt::decode(will, Version::k5);
    if (!decoded || decoded->consumed != will.size()) return false;
    const auto* connect = std::get_if<mqtt::Connect>(&decoded->packet);
    if (connect == nullptr || !connect->will) return false;
    extra.will.push_back(*connect->will);
  }
  const std::uint32_t reports = reader.u32();
  if (!reader.ok() || reports > kReportsMax) return false;
  for (std::uint32_t i = 0; i < reports; ++i) extra.reports.push_back(reader.u16());
  extra.waiting = reports;
  const std::uint32_t aliases = reader.u32();
  if (!reader.ok() || aliases > kTopicAliasMax) return false;
  for (std::uint32_t i = 0; i < aliases; ++i)
    extra.aliases.emplace_back(base::as_text(take_text(reader)));
  for (auto* groups : {&extra.groups, &extra.once_groups}) {
    const std::uint32_t count = reader.u32();
    if (!reader.ok() || count > kListMax) return false;
    for (std::uint32_t i = 0; i < count && reader.ok(); ++i)
      groups->emplace_back(base::as_text(take_text(reader)));
    if (!std::ranges::is_sorted(*groups)) return false;
  }
  if (with_quiet) extra.withheld_through = reader.u64();
  return reader.ok();
}

void Session::on_thawed(Instant now, const Config&, Actions& out) {
  if (!online_) return;
  heard(now);  // what it said meanwhile is not read yet
  pump(out);
}

}  // namespace wakeline::session
