// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/stream.h"
#include "server/device_shard.h"
#include "server/subscriber.h"
#include "server/tokens.h"
#include "wire/push.h"

/// The shard's guests: who may connect, and how a device's line gets to its shard.
namespace wakeline::server {

namespace mqtt = wire::mqtt;
using base::ErrorCode;
using base::LogLevel;
using session::Reason;

namespace {

/// The kernel's probe of a device that asked for no keep-alive: all that finds it dead.
constexpr io::KeepAlive kKernelKeepAlive = {.idle = std::chrono::hours(1)};
}  // namespace

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
    refuse(key, connect, {.reason = Reason::kServerBusy, .retry_after = guest.retry_after});
    return key;
  }
  const std::string& address = guest.place.address();
  const std::string name =
      connect.user_name.value_or(connect.password ? std::string() : guest.line.peer_name());
  if (const auto wait = common_->guard.wait(address, name, now_)) {
    refuse(key, connect, {.reason = Reason::kConnectionRateExceeded, .retry_after = *wait});
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
    refuse(key, connect, {.reason = denied ? Reason::kBadCredentials : Reason::kServerUnavailable});
    return key;
  }
  common_->guard.on_right(address, row->name);
  // Here, as it must not end the connection that the device has.
  if (const auto refused = session::refusal_of(row->name, connect, row->rights)) {
    refuse(key, connect, {.reason = refused->reason, .what = refused->what});
    return key;
  }
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
      return refuse(key, connect,
                    {.reason = Reason::kImplementationSpecific,
                     .attempt = devices_[known].session.attempt()});
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

void DeviceShard::refuse(Key key, const mqtt::Connect& connect, const Unwelcome& why) {
  const bool v5 = connect.version == mqtt::Version::k5;
  const std::uint32_t packet_max =
      connect.properties.maximum_packet_size.value_or(mqtt::kPacketMax);
  mqtt::Connack answer{.reason = why.reason};
  if (v5 && packet_max >= session::kRoomy) {
    if (why.what != nullptr) answer.properties.reason_string = why.what;
    if (why.attempt != 0)
      answer.properties.user.emplace_back(wire::property::kAttempt, std::to_string(why.attempt));
    if (why.retry_after > base::Duration::zero()) {
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(why.retry_after).count();
      answer.properties.user.emplace_back(wire::property::kRetryAfter, std::to_string(ms));
    }
  }
  // The nearest that 3.1.1 knows.
  if (!v5 && why.retry_after > base::Duration::zero()) answer.reason = Reason::kServerUnavailable;
  encoded_.clear();
  if (mqtt::encode(answer, connect.version, encoded_) && encoded_.size() <= packet_max)
    send(key, encoded_);  // MQTT-3.1.2-24
  Guest& guest = *guests_.at(key);
  if (guest.place) {
    guest.place.leave();
    --arriving_;
  }
  guest.phase = Guest::Phase::kLeaving;
  leave_by_.push_back({now_ + kLeavingMax, key});
}

}  // namespace wakeline::server
