// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "io/stream.h"
#include "server/device_shard.h"
#include "server/subscriber.h"
#include "server/tokens.h"
#include "wire/push.h"

/// The shard's sessions: who may connect, and what the sessions ask for.
namespace wakeline::server {

namespace mqtt = wire::mqtt;
using base::ErrorCode;
using base::LogLevel;
using session::Reason;

namespace {

/// The kernel's probe of a device that asked for no keep-alive: all that finds it dead.
constexpr io::KeepAlive kKernelKeepAlive = {.idle = std::chrono::hours(1)};
constexpr std::uint16_t kInboxAlias = 1;

mqtt::Publish packet_of(const std::string& device, bool to_group, const store::NewPush& push,
                        store::Sequence sequence, base::WallTime now, mqtt::Version version) {
  mqtt::Publish packet{
      .topic = to_group ? wire::group_topic(push.group) : wire::inbox_topic(device),
      .payload = push.body,
      .qos = mqtt::Qos::kAtLeastOnce};
  if (version != mqtt::Version::k5) return packet;
  const auto left = std::chrono::ceil<std::chrono::seconds>(push.expires - now);
  packet.properties.message_expiry_s = static_cast<std::uint32_t>(left.count());
  packet.properties.user = {{std::string(wire::property::kSequence), std::to_string(sequence)},
                            {std::string(wire::property::kUrgency),
                             std::string(wire::name(static_cast<wire::Urgency>(push.urgency)))}};
  const auto encoding = static_cast<wire::BodyEncoding>(push.encoding);
  if (encoding == wire::BodyEncoding::kContent)
    packet.properties.payload_format = 1;  // UTF-8: our JSON
  else
    packet.properties.user.emplace_back(wire::property::kContentEncoding, wire::name(encoding));
  return packet;
}

}  // namespace

struct DeviceShard::CarryOut {
  DeviceShard& shard;
  Slot slot;

  KnownDevice& device() const { return shard.devices_[slot]; }
  void operator()(const session::Write& action) const { shard.write(slot, action.packet); }
  void operator()(const session::Publish& action) const { shard.publish(slot, action); }
  void operator()(const session::FetchPending& action) const { shard.fetch(slot, action); }
  void operator()(const session::Remove& action) const {
    shard.reader_->remove(device().id, action.sequence);
  }
  void operator()(const session::RemoveThrough& action) const {
    shard.reader_->remove_through(device().id, action.sequence);
  }
  void operator()(const session::CloseLink& action) const { shard.close(slot, action.reason); }
  void operator()(const session::Report& action) const { shard.store_report(slot, action); }
  void operator()(const session::ChangeGroup& action) const { shard.change_group(slot, action); }
  void operator()(const session::SetUrgency& action) const { shard.set_urgency(slot, action); }
  void operator()(const session::LeaveGroups&) const {
    // Every clean start says so; few devices are in a group. A read that fails says nothing.
    const auto any = shard.reader_->in_any_group(device().id);
    if (!any || *any) shard.store_.leave_groups(device().id);
  }
};

void DeviceShard::carry_out(Slot slot) {
  // An action may ask for more (a push that is gone frees a place): those come after these.
  while (!asked_.empty()) {
    std::swap(asked_, running_);
    for (const session::Action& action : running_) {
      if (base::log_enabled(LogLevel::kDebug))
        base::log(LogLevel::kDebug, "mqtt", "{}: {}", devices_[slot].name,
                  session::to_line(action));
      std::visit(CarryOut{*this, slot}, action);
    }
    running_.clear();
  }
  if (devices_[slot].session.forgettable())
    forget(slot);
  else
    update_timer(slot);
}

void DeviceShard::update_timer(Slot slot) {
  // Most deadlines move to later, with each packet: the wheel looks again when the old one is
  // there.
  const base::Instant at = devices_[slot].session.next_deadline();
  if (at < wheel_.at(slot)) wheel_.set(slot, at);
}

/// Nothing needs to be remembered of it. Its line is closed.
void DeviceShard::forget(Slot slot) {
  wheel_.set(slot, base::kNever);
  devices_.remove(slot);
}

/// The slot of the device; its session is offline.
DeviceShard::Slot DeviceShard::slot_for(const store::Device& row) {
  if (const auto slot = devices_.find(row.name)) {
    if (devices_[*slot].id == row.id) return *slot;
    forget(*slot);  // removed and made again: nothing of the old one counts
  }
  return devices_.add(row.name, row.id);
}

/// Errors: kUnauthorized, for a wrong token as for an unknown name; those of the store.
base::Result<store::Device> DeviceShard::authenticate(const DeviceLine& line,
                                                      const mqtt::Connect& connect) {
  std::string name = connect.user_name.value_or("");
  const std::string certified = connect.password ? std::string() : line.peer_name();
  if (!certified.empty()) {
    if (!name.empty() && name != certified)
      return base::fail(ErrorCode::kUnauthorized, "mqtt.connect");
    name = certified;
  }
  const TokenHash given =
      connect.password ? hash_token(*connect.password) : hash_token(base::BytesView());
  for (const bool again : {false, true}) {
    auto row = reader_->find_device(name);
    if (!row) return base::fail(row.error());
    const TokenHash wanted = *row ? (*row)->token_hash : TokenHash{};
    const bool same_token = same(given, wanted);
    if (*row && (same_token || !certified.empty())) return std::move(**row);
    // The device may have been added since this turn of the shard looked first.
    if (!again) reader_->begin_moment();
  }
  return base::fail(ErrorCode::kUnauthorized, "mqtt.connect");
}

DeviceShard::Key DeviceShard::on_connect(Key key, const mqtt::Connect& connect) {
  Guest& guest = *guests_.at(key);
  if (guest.phase == Guest::Phase::kRefused) {
    refuse(key, connect.version, Reason::kServerBusy, guest.retry_after);
    return key;
  }
  const std::string& address = guest.place.address();
  const std::string name =
      connect.user_name.value_or(connect.password ? std::string() : guest.line.peer_name());
  if (const auto wait = common_->guard.wait(address, name, now_)) {
    refuse(key, connect.version, Reason::kConnectionRateExceeded, *wait);
    return key;
  }
  auto row = authenticate(guest.line, connect);
  if (!row) {
    const bool denied = row.error().code == ErrorCode::kUnauthorized;
    base::log(denied ? LogLevel::kInfo : LogLevel::kError, "mqtt", "{}",
              base::to_string(row.error()));
    if (denied) {
      const bool waits = common_->guard.on_wrong(address, name, now_);
      common_->on_denied({subscriber_text(address), name, waits});
    }
    refuse(key, connect.version, denied ? Reason::kBadCredentials : Reason::kServerUnavailable);
    return key;
  }
  common_->guard.on_right(address, row->name);
  if (connect.version == mqtt::Version::k5 &&
      connect.properties.user_value(wire::property::kProbe)) {
    begin_probe(key, row->name);
    return key;
  }
  guest.phase = Guest::Phase::kArrived;
  guest.arrival = std::make_unique<Arrival>(Arrival{connect, std::move(*row)});
  return key;
}

/// It is nobody's arrival any more.
void DeviceShard::count_out(Guest& guest) {
  guest.place.leave();
  --arriving_;
  admission_.on_finished(now_, arriving_);
}

/// A second connection of a device, silent on purpose: it stays a guest, which has no session.
/// Another one of the same device takes its place, so that nobody holds many.
void DeviceShard::begin_probe(Key key, const std::string& device) {
  const auto [known, fresh] = probes_.try_emplace(device, key);
  if (!fresh) drop_guest(std::exchange(known->second, key));
  Guest& guest = *guests_.at(key);
  count_out(guest);
  guest.phase = Guest::Phase::kProbing;
  guest.device = device;
  probe_by_.push_back({now_ + kProbeMax, key});
  encoded_.clear();
  WL_CHECK(mqtt::encode(mqtt::Connack{}, mqtt::Version::k5, encoded_));
  send(key, encoded_);
}

DeviceShard::Key DeviceShard::on_probe_packet(Key key, const mqtt::Packet& packet) {
  if (!std::holds_alternative<mqtt::Pingreq>(packet)) {  // DISCONNECT, or nothing that it may say
    drop_guest(key);
    return 0;
  }
  encoded_.clear();
  WL_CHECK(mqtt::encode(mqtt::Pingresp{}, mqtt::Version::k5, encoded_));
  send(key, encoded_);
  return key;
}

/// Takes the guest that has arrived out, and gives its line to the shard of its device.
void DeviceShard::settle(Key key) {
  auto node = guests_.extract(key);
  Guest& guest = *node.mapped();
  count_out(guest);
  DeviceShard* home = shards_[shard_of(guest.arrival->row.name, shards_.size())];
  guest.line.dirty = guest.line.waits_to_write = false;
  if (home == this) return adopt(std::move(guest.line), *guest.arrival);
  unwatch(guest.line);
  if (common_->limits.file_tables) {
    const auto index =
        static_cast<std::uint64_t>(std::ranges::find(shards_, this) - shards_.begin());
    moving_.push_back({home, index << 48 | ++last_move_, std::move(node.mapped())});
    return;  // at the end of the turn
  }
  // A task must be copyable.
  auto moved = std::make_shared<std::unique_ptr<Guest>>(std::move(node.mapped()));
  home->poller_->post(
      [home, moved] { home->adopt(std::move((*moved)->line), *(*moved)->arrival); });
}

void DeviceShard::adopt(DeviceLine line, const Arrival& arrival) {
  const mqtt::Connect& connect = arrival.connect;
  if (stopping_ || paused_) {
    unwatch(line);
    --common_->connections;
    return;
  }
  if (const auto slot = devices_.find(arrival.row.name)) {
    const Slot known = *slot;
    if (devices_[known].session.outdates(config_, connect)) {
      base::log(LogLevel::kInfo, "mqtt", "{}: an older attempt came late", arrival.row.name);
      const Key key = ++last_guest_;
      auto late = std::make_unique<Guest>();
      late->line = std::move(line);
      DeviceLine& its_line = late->line;
      guests_.emplace(key, std::move(late));
      if (!watch(its_line, EPOLLIN, key)) return drop_guest(key);
      // A client that has lost count, as one that was set back to an older state has, goes on from
      // there; the answer to a late attempt nobody reads.
      return refuse(key, connect.version, Reason::kImplementationSpecific, {},
                    devices_[known].session.attempt());
    }
    devices_[known].session.on_expelled(now_, Reason::kSessionTakenOver, asked_);
    carry_out(known);
  }
  const Slot slot = slot_for(arrival.row);
  KnownDevice& device = devices_[slot];
  device.line = std::move(line);
  ++device.generation;
  const Key key = key_of(slot);
  if (!watch(device.line, EPOLLIN, key)) {
    device.line = DeviceLine();
    --common_->connections;
    return carry_out(slot);
  }
  if (connect.version == mqtt::Version::k311 && connect.keep_alive_s == 0) {
    if (const auto set = io::set_keep_alive(device.line.fd(), kKernelKeepAlive); !set)
      base::log(LogLevel::kWarning, "mqtt", "{}", base::to_string(set.error()));
  }
  base::log(LogLevel::kInfo, "mqtt", "{} connected", device.name);
  config_.spread =
      std::max(common_->spread_min,
               admission_.spread(common_->connections / std::max<std::size_t>(shards_.size(), 1)));
  device.session.on_connect(
      now_, config_, device.name, connect, asked_, arrival.row.rights,
      {static_cast<wire::Urgency>(arrival.row.lowest), arrival.row.withheld_through});
  carry_out(slot);
  // What came behind the CONNECT, and in the same block.
  if (line_of(key) == nullptr) return;
  if (devices_[slot].line.is_websocket()) {
    const Key still = on_packets(key, {});
    if (still != 0) on_frames(still, {});
  } else {
    on_packets(key, {});
  }
}

void DeviceShard::refuse(Key key, mqtt::Version version, Reason reason, base::Duration retry_after,
                         std::uint64_t attempt) {
  mqtt::Connack answer{.reason = reason};
  if (attempt != 0)
    answer.properties.user.emplace_back(wire::property::kAttempt, std::to_string(attempt));
  if (retry_after > base::Duration::zero()) {
    if (version == mqtt::Version::k5)
      answer.properties.user.emplace_back(
          wire::property::kRetryAfter,
          std::to_string(std::chrono::ceil<std::chrono::milliseconds>(retry_after).count()));
    else
      answer.reason = Reason::kServerUnavailable;  // the nearest that 3.1.1 knows
  }
  encoded_.clear();
  if (mqtt::encode(answer, version, encoded_)) send(key, encoded_);
  Guest& guest = *guests_.at(key);
  if (guest.place) {
    guest.place.leave();
    --arriving_;
  }
  guest.phase = Guest::Phase::kLeaving;
  leave_by_.push_back({now_ + kLeavingMax, key});
}

void DeviceShard::close(Slot slot, Reason reason) {
  KnownDevice& device = devices_[slot];
  base::log(LogLevel::kInfo, "mqtt", "{} closed, reason {:#04x}", device.name,
            static_cast<unsigned>(reason));
  if (!device.line.open()) return;
  DeviceLine line = std::move(device.line);
  device.line = DeviceLine();
  ++device.generation;
  dismiss(std::move(line));
}

void DeviceShard::write(Slot slot, const mqtt::Packet& packet) {
  KnownDevice& device = devices_[slot];
  encoded_.clear();
  if (const auto encoded = mqtt::encode(packet, device.session.version(), encoded_); !encoded) {
    base::log(LogLevel::kError, "mqtt", "{}: {}: {}", device.name, mqtt::to_line(packet),
              base::to_string(encoded.error()));
    device.session.on_closed(now_);
    return close(slot, Reason::kUnspecified);
  }
  if (encoded_.size() > device.session.packet_max()) {  // MQTT-3.1.2-24: it may not be sent
    device.session.on_closed(now_);
    encoded_.clear();
    const mqtt::Packet last = std::holds_alternative<mqtt::Connack>(packet)
                                  ? mqtt::Packet(mqtt::Connack{.reason = Reason::kPacketTooLarge})
                                  : mqtt::Disconnect{.reason = Reason::kPacketTooLarge};
    const bool fits = mqtt::encode(last, device.session.version(), encoded_) &&
                      encoded_.size() <= device.session.packet_max();
    if (fits) send(key_of(slot), encoded_);
    return close(slot, Reason::kPacketTooLarge);
  }
  send(key_of(slot), encoded_);
}

void DeviceShard::publish(Slot slot, const session::Publish& publish) {
  KnownDevice& device = devices_[slot];
  if (!device.line.open()) return;
  const base::WallTime now = io::wall_now();
  store::NewPush read;
  const store::NewPush* push = &read;
  if (hot_ != nullptr && hot_->device == device.id && hot_->sequence == publish.sequence &&
      hot_->push && hot_->push->expires > now) {
    push = hot_->push.get();
  } else {
    auto found = reader_->find(device.id, publish.sequence, now);
    if (!found) return on_store_failed(slot, found.error());
    if (!*found) return device.session.on_gone(now_, config_, publish.sequence, asked_);
    read = {.body = std::move((*found)->body),
            .group = std::move((*found)->group),
            .urgency = (*found)->urgency,
            .encoding = (*found)->encoding,
            .expires = (*found)->expires};
  }
  const mqtt::Version version = device.session.version();
  using Subscription = session::Session::Subscription;
  const Subscription subscription = device.session.subscription_for(push->group);
  // What was sent before is sent again, whatever was unsubscribed meanwhile (MQTT-4.4.0-1).
  if (subscription == Subscription::kNone && !publish.duplicate)
    return device.session.on_unwanted(now_, config_, publish.sequence, asked_);
  const bool to_group = subscription == Subscription::kGroup;
  mqtt::Publish packet = packet_of(device.name, to_group, *push, publish.sequence, now, version);
  if (publish.withheld > 0 && version == mqtt::Version::k5)
    packet.properties.user.emplace_back(wire::property::kWithheld,
                                        std::to_string(publish.withheld));
  const bool once = device.session.sends_once(subscription, push->group);
  if (once) {
    packet.qos = mqtt::Qos::kAtMostOnce;
  } else {
    packet.duplicate = publish.duplicate;
    packet.packet_id = publish.packet_id;
  }
  const bool alias = !to_group && device.session.takes_topic_alias();
  if (alias) {
    packet.properties.topic_alias = kInboxAlias;
    if (device.line.alias_sent) packet.topic.clear();
  }
  encoded_.clear();
  const auto encoded = mqtt::encode(packet, version, encoded_);
  if (!encoded || encoded_.size() > device.session.packet_max()) {
    // It stays until it expires: the device may come back and take larger packets (§3.1.2.11.4).
    base::log(LogLevel::kWarning, "mqtt", "{}: push {} is larger than the device takes",
              device.name, publish.sequence);
    return device.session.on_gone(now_, config_, publish.sequence, asked_);
  }
  if (alias) device.line.alias_sent = true;
  if (once) device.session.on_sent_once(publish.sequence);
  send(key_of(slot), encoded_);
}

void DeviceShard::fetch(Slot slot, const session::FetchPending& question) {
  KnownDevice& device = devices_[slot];
  const auto found = reader_->pending(device.id, question.after, question.limit, io::wall_now());
  if (!found) return on_store_failed(slot, found.error());
  device.session.on_pending(now_, config_, question.id, found->sequences, found->more, asked_);
}

void DeviceShard::on_store_failed(Slot slot, base::Error error) {
  KnownDevice& device = devices_[slot];
  base::log(LogLevel::kError, "mqtt", "{}: {}", device.name, base::to_string(error));
  device.session.on_expelled(now_, Reason::kServerBusy, asked_);
}

void DeviceShard::store_report(Slot slot, const session::Report& report) {
  const KnownDevice& device = devices_[slot];
  const auto stored = [this, name = device.name, id = device.id,
                       packet = report.packet_id](const base::Result<void>& result) {
    if (!result)
      base::log(LogLevel::kWarning, "mqtt", "{}: report: {}", name,
                base::to_string(result.error()));
    const auto found = devices_.find(name);
    if (!found || devices_[*found].id != id || packet == 0) return;
    const Reason reason = result                                        ? Reason::kSuccess
                          : result.error().code == ErrorCode::kNotFound ? Reason::kNotAuthorized
                                                                        : Reason::kQuotaExceeded;
    const Slot known = *found;
    devices_[known].session.on_report_stored(now_, packet, reason, asked_);
    carry_out(known);
  };
  const auto asked = store_.add_report({.device = device.id,
                                        .kind = static_cast<std::uint8_t>(report.kind),
                                        .accepted = io::wall_now(),
                                        .content_type = report.content_type,
                                        .correlation = report.correlation,
                                        .body = report.body,
                                        .key = report.key},
                                       stored, post_);
  if (!asked) poller_->post([stored, error = asked.error()] { stored(base::fail(error)); });
}

void DeviceShard::change_group(Slot slot, const session::ChangeGroup& change) {
  const KnownDevice& device = devices_[slot];
  const auto changed = [this, name = device.name, id = device.id, packet = change.packet_id,
                        index = change.index, group = change.group,
                        join = change.join](const base::Result<bool>& result) {
    const auto found = devices_.find(name);
    if (!found || devices_[*found].id != id) return;
    Reason reason = Reason::kSuccess;
    if (!result)
      reason = Reason::kUnspecified;
    else if (!*result)
      reason = join ? Reason::kNotAuthorized : Reason::kNoSubscriptionExisted;
    const Slot known = *found;
    devices_[known].session.on_group_done(now_, packet, index, group, reason, asked_);
    carry_out(known);
  };
  const auto asked = store_.change_group(device.id, change.group, change.join, changed, post_);
  if (!asked) poller_->post([changed, error = asked.error()] { changed(base::fail(error)); });
}

void DeviceShard::set_urgency(Slot slot, const session::SetUrgency& set) {
  const KnownDevice& device = devices_[slot];
  const auto set_down = [this, name = device.name, id = device.id,
                         lowest = set.lowest](const base::Result<store::LowestSet>& done) {
    const auto found = devices_.find(name);
    if (!found || devices_[*found].id != id) return;
    const Slot known = *found;
    if (!done) return on_store_failed(known, done.error());
    devices_[known].session.on_urgency_set({lowest, done->withheld_through}, done->highest, asked_);
    carry_out(known);
  };
  const auto asked = store_.set_lowest(
      device.id, static_cast<std::uint8_t>(set.lowest),
      set.after == session::SetUrgency::kNone ? std::nullopt : std::optional(set.after), set_down,
      post_);
  if (!asked) poller_->post([set_down, error = asked.error()] { set_down(base::fail(error)); });
}

/// A task of a shard that is gone is not run.
DeviceShard::Announce DeviceShard::announcer() {
  return [this, poller = poller_](std::string device, StoredPush push) {
    poller->post([this, device = std::move(device), push = std::move(push)] {
      on_push_stored(device, push);
    });
  };
}

void DeviceShard::on_push_stored(const std::string& device, const StoredPush& push) {
  const auto found = devices_.find(device);
  if (!found || devices_[*found].id != push.device) return;
  const Slot slot = *found;
  // It was stored before the device asked for quiet, and is withheld since.
  if (push.push &&
      static_cast<wire::Urgency>(push.push->urgency) < devices_[slot].session.lowest_urgency())
    return;
  hot_ = &push;
  devices_[slot].session.on_push_stored(now_, config_, push.sequence, asked_);
  carry_out(slot);
  hot_ = nullptr;
}

void DeviceShard::look_again(std::string device) {
  poller_->post([this, device = std::move(device)] {
    const auto found = devices_.find(device);
    if (!found) return;
    const auto row = reader_->find_device(device);
    if (!row) return base::log(LogLevel::kError, "mqtt", "{}", base::to_string(row.error()));
    if (*row && (*row)->id == devices_[*found].id)
      devices_[*found].session.set_rights((*row)->rights);
    else
      expel(*found);
  });
}

void DeviceShard::expel(Slot slot) {
  devices_[slot].session.on_expelled(now_, Reason::kNotAuthorized, asked_);
  carry_out(slot);
  if (devices_[slot].used) forget(slot);  // a kept session too
}

}  // namespace wakeline::server
