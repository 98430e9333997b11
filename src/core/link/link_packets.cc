// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "core/link/fnv.h"
#include "core/link/link.h"
#include "core/link/link_parts.h"
#include "wire/push.h"

namespace wakeline::link {
namespace {

namespace mqtt = wire::mqtt;
namespace property = wire::property;
using mqtt::Reason;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Actions of one on_bytes; the rest waits for the next call. One packet makes a few.
constexpr std::size_t kActionsOfOneRead = Actions::kMaxSize / 2;
/// Clients that got the same slot come back within this (link.md §2).
constexpr Duration kSlotJitter = milliseconds(500);
constexpr std::uint16_t kSubscribeId = 1;
/// No client comes so far; a server that says more lies.
constexpr std::uint64_t kAttemptMax = std::uint64_t{1} << 62;
/// A server that answers so soon after the line died was there all the time.
constexpr Duration kAtOnce = seconds(10);
// MQTT 5.0 §2.4; the codec passes them as numbers.
constexpr auto kBanned = static_cast<Reason>(0x8A);
constexpr auto kServerMoved = static_cast<Reason>(0x9D);

/// The number in a user property; nullopt when absent. Errors: kMalformed.
base::Result<std::optional<std::uint64_t>> user_number(const mqtt::Properties& properties,
                                                       std::string_view name, int base = 10) {
  const auto text = properties.user_value(name);
  if (!text) return std::optional<std::uint64_t>();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (error != std::errc() || end != text->data() + text->size())
    return base::fail(base::ErrorCode::kMalformed, "mqtt.user_property");
  return std::optional(value);
}

/// A duration in ms, cut off at `most`; nullopt when absent or malformed.
std::optional<Duration> duration(const mqtt::Properties& properties, std::string_view name,
                                 Duration most) {
  const auto value = user_number(properties, name);
  if (!value || !*value) return std::nullopt;
  const auto limit = static_cast<std::uint64_t>(most / milliseconds(1));
  return milliseconds(std::min(**value, limit));
}

std::string detail_of(const mqtt::Properties& properties) {
  return properties.reason_string.value_or("").substr(0, kDetailMax);
}

Why why_of(Reason reason) {
  if (reason == kBanned) return Why::kBadCredentials;
  if (reason == kServerMoved) return Why::kServerDraining;
  switch (reason) {
    case Reason::kBadCredentials:
    case Reason::kNotAuthorized:
      return Why::kBadCredentials;
    case Reason::kServerUnavailable:
    case Reason::kServerBusy:
    case Reason::kQuotaExceeded:
    case Reason::kConnectionRateExceeded:
      return Why::kServerBusy;
    case Reason::kServerShuttingDown:
    case Reason::kAdministrativeAction:
    case Reason::kUseAnotherServer:
      return Why::kServerDraining;
    case Reason::kSessionTakenOver:
      return Why::kTakenOver;
    case Reason::kSuccess:
    case Reason::kKeepAliveTimeout:
      return Why::kPeerClosed;
    default:
      return Why::kRefused;
  }
}

Reason reason_of(base::ErrorCode error) {
  return error == base::ErrorCode::kTooLarge    ? Reason::kPacketTooLarge
         : error == base::ErrorCode::kMalformed ? Reason::kMalformedPacket
                                                : Reason::kProtocolError;
}

std::uint64_t digest_of(const mqtt::Publish& publish) {
  return fnv(base::as_text(publish.payload), fnv(publish.topic));
}

}  // namespace

std::size_t Link::on_bytes(Instant now, AttemptId attempt, base::BytesView bytes, Actions& out) {
  const std::size_t given = bytes.size();
  const std::size_t before = out.size();
  hold_expired_ = false;
  if (live_ && live_->id == attempt && !bytes.empty()) {
    learn_alive(now, live_->pinging ? live_->asked_gap : now - live_->active_at, out);
    live_->heard_at = live_->active_at = now;
  }
  while (!bytes.empty() && out.size() - before < kActionsOfOneRead) {
    Inflow* inflow = inflow_of(attempt);
    if (inflow == nullptr) break;  // closed meanwhile
    auto packet = inflow->next(bytes);
    if (!packet)
      on_protocol_error(now, attempt, reason_of(packet.error().code), out);
    else if (*packet)
      on_packet(now, attempt, std::move(**packet), out);
  }
  const bool closed = inflow_of(attempt) == nullptr;
  settle(now, out);
  return closed ? given : given - bytes.size();
}

Inflow* Link::inflow_of(AttemptId attempt) {
  if (live_ && live_->id == attempt) return &live_->inflow;
  if (probe_ && probe_->id == attempt) return &probe_->inflow;
  Race::Attempt* racing = race_.find(attempt);
  return racing == nullptr ? nullptr : &racing->inflow;
}

void Link::say_connect(Instant /*now*/, AttemptId attempt, Actions& out) {
  mqtt::Connect connect;
  connect.version = mqtt::Version::k5;
  connect.user_name = config_.device;
  connect.password = config_.token;
  if (probe_ && probe_->id == attempt) {
    connect.clean_start = true;
    connect.properties.user.emplace_back(property::kProbe, "1");
    send(attempt, connect, out);
    return;
  }
  connect.clean_start = false;
  connect.keep_alive_s = static_cast<std::uint16_t>(
      std::clamp<std::int64_t>(declared_keep_alive() / seconds(1), 0, 0xFFFF));
  connect.client_id = config_.device;
  connect.properties.session_expiry_s = config_.session_expiry_s;
  connect.properties.receive_maximum = static_cast<std::uint16_t>(kUnacceptedMax);
  connect.properties.maximum_packet_size = static_cast<std::uint32_t>(mqtt::kPacketMax);
  auto& user = connect.properties.user;
  user.emplace_back(property::kAttempt, std::to_string(attempt.value));
  said_ = memory_.lowest;
  if (said_) user.emplace_back(property::kUrgency, wire::name(*said_));
  if (memory_.epoch != 0) {
    // Both: a server with another store must not take our count for one of its own.
    user.emplace_back(property::kEpoch, fmt::format("{:x}", memory_.epoch));
    user.emplace_back(property::kReceived, std::to_string(memory_.received()));
  }
  send(attempt, connect, out);
}

void Link::on_packet(Instant now, AttemptId attempt, mqtt::Packet packet, Actions& out) {
  if (probe_ && probe_->id == attempt) {
    on_probe_packet(now, packet, out);
  } else if (!live_ || live_->id != attempt) {
    const auto* connack = std::get_if<mqtt::Connack>(&packet);
    if (connack != nullptr && race_.find(attempt)->phase == Race::Phase::kSpeaking)
      on_connack(now, attempt, *connack, out);
    else
      on_protocol_error(now, attempt, Reason::kProtocolError, out);
  } else if (auto* publish = std::get_if<mqtt::Publish>(&packet)) {
    on_publish(now, std::move(*publish), out);
  } else if (const auto* suback = std::get_if<mqtt::Suback>(&packet)) {
    on_suback(now, *suback, out);
  } else if (std::holds_alternative<mqtt::Pingresp>(packet)) {
    on_pingresp(now, out);
  } else if (const auto* disconnect = std::get_if<mqtt::Disconnect>(&packet)) {
    on_disconnect(now, *disconnect, out);
  } else if (const auto* ack = std::get_if<mqtt::Ack>(&packet)) {
    on_ack(now, *ack, out);
  } else {
    on_protocol_error(now, attempt, Reason::kProtocolError, out);
  }
}

void Link::on_connack(Instant now, AttemptId attempt, const mqtt::Connack& connack, Actions& out) {
  began_elsewhere_ = false;  // it came through
  if (connack.reason != Reason::kSuccess) {
    on_refused(now, connack, out);
    return;
  }
  const auto epoch = user_number(connack.properties, property::kEpoch, 16);
  const auto spread = user_number(connack.properties, property::kSpread);
  const auto urgency = connack.properties.user_value(property::kUrgency);
  const auto lowest =
      wire::urgency_from_name(urgency.value_or(wire::name(wire::Urgency::kVeryLow)));
  const auto withheld = user_number(connack.properties, property::kWithheld);
  if (!epoch || !spread || !lowest || !withheld) {
    on_protocol_error(now, attempt, Reason::kProtocolError, out);
    return;
  }
  const Race::Attempt winner = *race_.find(attempt);
  race_.finish(attempt, out);
  if (live_) {  // we have moved
    end_probe(out);
    out.push(Close{live_->id});
    moving_ = false;
    timers_.clear(Timer::kPing);
    timers_.clear(Timer::kHedge);
    timers_.clear(Timer::kAnswer);
  }
  network_.rtt.add(now - winner.spoke_at);
  network_.routes.on_good(winner.route, now);
  const auto& keep_alive = connack.properties.server_keep_alive_s;
  live_ = Live{.id = attempt,
               .inflow = winner.inflow,
               .since = now,
               .heard_at = now,
               .active_at = now,
               .asked_at = now,
               .route = winner.route,
               .heartbeat = heartbeat(),
               .keep_alive = keep_alive ? Duration(seconds(*keep_alive)) : declared_keep_alive(),
               .declared = declared_keep_alive(),
               .numbered = epoch->has_value(),
               .probes = connack.properties.user_value(property::kProbe).has_value()};

  bool changed = false;
  inbox_.on_login(connack.session_present);
  const auto& p = connack.properties;
  outbox_.on_login(
      {.window = std::min<std::size_t>(p.receive_maximum.value_or(kOutboxWindow), kOutboxWindow),
       .packet = p.maximum_packet_size.value_or(mqtt::kPacketMax),
       .acknowledges = p.maximum_qos.value_or(1) > 0});
  if (live_->numbered && **epoch != memory_.epoch) {
    inbox_.on_new_epoch(memory_, **epoch);
    changed = true;
  }
  if (const auto w = duration(connack.properties, property::kSpread, kSpreadMax)) {
    changed = changed || memory_.spread != *w;
    memory_.spread = *w;
  }
  if (live_->numbered)
    changed = (urgency ? note_quiet(*lowest) : note_quiet_over(withheld->value_or(0))) || changed;
  if (changed) persist(out);
  if (suspect_) {  // the same server, and at once: it was the network (rule 3)
    const Suspect suspect = *std::exchange(suspect_, std::nullopt);
    if (now - suspect.at <= kAtOnce) learn(now, {Flow::kMain, false, suspect.gap}, out);
  }

  subscribed_ = subscribed_ && connack.session_present;
  if (live_->numbered || subscribed_) {  // our server serves the inbox unasked
    on_ready(now, out);
    return;
  }
  // Also into a session that the server has: nobody knows whether it saw an earlier SUBSCRIBE.
  live_->subscribing = true;
  set_state(State::kConnecting, why_, {}, {}, out);
  mqtt::Subscribe subscribe;
  subscribe.packet_id = kSubscribeId;
  subscribe.topics.push_back({.filter = wire::inbox_topic(config_.device),
                              .qos = mqtt::Qos::kAtLeastOnce,
                              .retain_handling = 1});
  send(attempt, subscribe, out);
  timers_.set(Timer::kAnswer, now + config_.connect_timeout);
}

void Link::on_refused(Instant now, const mqtt::Connack& connack, Actions& out) {
  // All addresses are one server's: its word ends the race.
  race_.finish({}, out);
  count_on_from(connack.properties, out);
  const auto retry_after = note_retry_after(now, connack.properties, out);
  if (live_) {  // the line that was to be left stays
    moving_ = false;
    return;
  }
  failed(now,
         {.why = why_of(connack.reason),
          .asked = retry_after,
          .detail = detail_of(connack.properties)},
         out);
}

/// The server is online with a later attempt than ours, which only this client can have made: our
/// memory is older than that. The next attempt is above it.
void Link::count_on_from(const mqtt::Properties& properties, Actions& out) {
  const auto online = user_number(properties, property::kAttempt);
  if (!online || !*online || **online <= attempt_ || **online > kAttemptMax) return;
  attempt_ = memory_.attempts = **online;
  persist(out);
}

void Link::on_ready(Instant now, Actions& out) {
  live_->subscribing = false;
  live_->since = now;
  backoff_.on_login();
  set_state(State::kReady, Why::kOnline, {}, {}, out);
  // Over: a clock that is set back must not bring it back in a later run.
  if (std::exchange(memory_.not_before, Instant{}) != Instant{}) persist(out);
  arm_ping(now);
  begin_probe(now, out);
  say_lowest(out);
}

void Link::ask_for(Instant now, wire::Urgency lowest, Actions& out) {
  if (memory_.lowest != lowest) {
    memory_.lowest = lowest;
    memory_.withheld = memory_.withheld || lowest > wire::Urgency::kVeryLow;
    persist(out);
    if (live_ && !live_->subscribing) say_lowest(out);
  }
  settle(now, out);
}

/// Tells our server on a line that stands; CONNECT tells it on a new one. One is asked at a time.
void Link::say_lowest(Actions& out) {
  if (!live_->numbered || live_->asking || said_ == memory_.lowest) return;
  live_->asking = true;
  said_ = memory_.lowest;
  mqtt::Subscribe subscribe;
  subscribe.packet_id = kSubscribeId;
  subscribe.topics.push_back({.filter = wire::inbox_topic(config_.device),
                              .qos = mqtt::Qos::kAtLeastOnce,
                              .retain_handling = 1});
  subscribe.properties.user.emplace_back(property::kUrgency, wire::name(*said_));
  send(live_->id, subscribe, out);
}

/// The server withholds pushes below `lowest`, or has until this CONNECT, or writes down that it
/// does no more. A memory that was lost learns it so. Returns: whether it was news.
bool Link::note_quiet(wire::Urgency lowest) {
  const bool news = !memory_.withheld || !memory_.lowest;
  memory_.withheld = true;
  if (!memory_.lowest) memory_.lowest = said_ = lowest;
  return news;
}

/// The server withholds nothing, and what it had withheld comes above `through`. Not so when the
/// app has wanted quiet since. Returns: whether it was news.
bool Link::note_quiet_over(Sequence through) {
  const bool all = memory_.lowest.value_or(wire::Urgency::kVeryLow) == wire::Urgency::kVeryLow;
  if (!all || live_->asking || said_ != memory_.lowest) return false;
  inbox_.on_quiet_over(through);
  return std::exchange(memory_.withheld, false);
}

void Link::on_suback(Instant now, const mqtt::Suback& suback, Actions& out) {
  if (std::exchange(live_->asking, false) && suback.packet_id == kSubscribeId &&
      suback.reasons.size() == 1) {
    // A server that refuses gives all, as before.
    say_lowest(out);
    return;
  }
  if (!live_->subscribing || suback.packet_id != kSubscribeId || suback.reasons.size() != 1) {
    on_protocol_error(now, live_->id, Reason::kProtocolError, out);
    return;
  }
  timers_.clear(Timer::kAnswer);
  if (suback.reasons.front() >= Reason::kUnspecified) {
    send(live_->id, mqtt::Disconnect{}, out);
    out.push(Close{live_->id});
    lost(now, {.why = Why::kRefused, .detail = detail_of(suback.properties)}, out);
    return;
  }
  subscribed_ = true;
  on_ready(now, out);
}

void Link::on_publish(Instant now, mqtt::Publish publish, Actions& out) {
  const auto sequence = user_number(publish.properties, property::kSequence);
  const auto withheld = user_number(publish.properties, property::kWithheld);
  const bool wrong_number = live_->numbered && (!sequence || !withheld);
  if (wrong_number || publish.qos == mqtt::Qos::kExactlyOnce || publish.topic.empty()) {
    on_protocol_error(now, live_->id, Reason::kProtocolError, out);
    return;
  }
  Delivery delivery;
  if (publish.qos == mqtt::Qos::kAtMostOnce) {
    delivery.id = inbox_.on_unacknowledged();
  } else {
    // A number of somebody else's on a plain broker means nothing.
    delivery.sequence = live_->numbered ? sequence->value_or(0) : 0;
    if (live_->numbered && *withheld) note_quiet_over(**withheld);
    const auto [verdict, id] =
        delivery.sequence != 0
            ? inbox_.on_numbered(memory_, delivery.sequence, publish.packet_id)
            : inbox_.on_unnumbered(publish.packet_id, publish.duplicate, digest_of(publish));
    switch (verdict) {
      case Inbox::Verdict::kDeliver:
        delivery.id = id;
        break;
      case Inbox::Verdict::kKnown:
        return;
      case Inbox::Verdict::kAcknowledge:
        acknowledge(publish.packet_id, out);
        return;
      case Inbox::Verdict::kOutOfOrder:
        on_protocol_error(now, live_->id, Reason::kProtocolError, out);
        return;
      case Inbox::Verdict::kTooMany:
        on_protocol_error(now, live_->id, Reason::kReceiveMaximumExceeded, out);
        return;
    }
  }
  if (const auto missed = inbox_.take_missed()) out.push(*missed);
  delivery.duplicate = publish.duplicate;
  delivery.urgency = publish.properties.user_value(property::kUrgency).value_or("");
  delivery.encoding = publish.properties.user_value(property::kContentEncoding).value_or("");
  delivery.topic = std::move(publish.topic);
  delivery.payload = std::move(publish.payload);
  out.push(Deliver{std::move(delivery)});
}

void Link::on_pingresp(Instant now, Actions& out) {
  if (!live_->pinging) return;
  if (!live_->asked_patience && live_->tries == 1) network_.rtt.add(now - live_->asked_at);
  live_->pinging = false;
  timers_.clear(Timer::kAnswer);
  timers_.clear(Timer::kHedge);
  if (!moving_) race_.finish({}, out);
  if (probe_ && probe_->phase == Probe::Phase::kDoubted) {
    const Duration gap = std::exchange(probe_, std::nullopt)->gap;
    learn(now, {Flow::kProbe, false, gap}, out);
  }
  begin_probe(now, out);
  // The server counts on what CONNECT said: say it anew when it is worth a connection. A server
  // that wants its own interval hears nothing new from us.
  const bool longer = heartbeat() > live_->declared + live_->declared / 20;
  if (!config_.kernel_keeps_alive && longer) move(now, out);
}

void Link::on_disconnect(Instant now, const mqtt::Disconnect& disconnect, Actions& out) {
  out.push(Close{live_->id});
  Loss loss{.why = why_of(disconnect.reason), .detail = detail_of(disconnect.properties)};
  if (disconnect.reason == Reason::kKeepAliveTimeout)
    loss.how = Return::kAtOnce;  // nobody but us was silent
  else if (loss.why == Why::kPeerClosed || loss.why == Why::kServerDraining)
    loss.how = Return::kSpread;
  if (const auto drain = duration(disconnect.properties, property::kDrain, kSpreadMax))
    loss.asked = random_.between(Duration::zero(), *drain);
  if (const auto retry_after = note_retry_after(now, disconnect.properties, out))
    loss.asked = retry_after;
  lost(now, std::move(loss), out);
}

/// The peer breaks the protocol. Says so, closes.
void Link::on_protocol_error(Instant now, AttemptId attempt, Reason reason, Actions& out) {
  if (probe_ && probe_->id == attempt) {
    live_->probes = false;
    end_probe(out);
    return;
  }
  const bool live = live_ && live_->id == attempt;
  if (live || race_.find(attempt)->phase == Race::Phase::kSpeaking)
    send(attempt, mqtt::Disconnect{.reason = reason, .properties = {}}, out);
  out.push(Close{attempt});
  if (live) {
    lost(now, {.why = Why::kProtocolError}, out);
    return;
  }
  network_.routes.on_failed(race_.find(attempt)->route, now);
  race_.remove(now, attempt);
  race_why_ = Why::kProtocolError;
  run_race(now, out);
}

void Link::acknowledge(std::uint16_t packet_id, Actions& out) {
  if (live_) send(live_->id, mqtt::Ack{.packet_id = packet_id, .properties = {}}, out);
}

/// Appends to the last action when that is a Write to the same connection.
void Link::send(AttemptId attempt, const mqtt::Packet& packet, Actions& out) {
  base::Bytes own;
  Write* last = out.empty() ? nullptr : std::get_if<Write>(&out[out.size() - 1]);
  base::Bytes& bytes = last != nullptr && last->attempt == attempt ? last->bytes : own;
  // Fails for a device name or token beyond MQTT's limits only, which the caller has checked.
  WL_CHECK(mqtt::encode(packet, mqtt::Version::k5, bytes));
  if (&bytes == &own) out.push(Write{attempt, std::move(own)});
}

/// Remembers, also over a restart, that the server wants quiet. Returns: for how long.
std::optional<Duration> Link::note_retry_after(Instant now, const mqtt::Properties& properties,
                                               Actions& out) {
  const auto asked = duration(properties, property::kRetryAfter, kRetryAfterMax);
  if (!asked) return std::nullopt;
  const Duration delay =
      std::min(kRetryAfterMax, *asked + random_.between(Duration::zero(), kSlotJitter));
  memory_.not_before = now + delay;
  persist(out);
  return delay;
}

}  // namespace wakeline::link
