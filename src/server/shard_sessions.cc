// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/device_shard.h"
#include "wire/push.h"

/// The shard's sessions: what they ask for.
namespace wakeline::server {

namespace mqtt = wire::mqtt;
using base::ErrorCode;
using base::LogLevel;
using session::Reason;

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
    shard.reader_->remove_through(device().id, action.sequence, io::wall_now());
  }
  void operator()(const session::CloseLink& action) const { shard.close(slot, action.reason); }
  void operator()(const session::Report& action) const { shard.store_report(slot, action); }
  void operator()(const session::ChangeGroup& action) const { shard.change_group(slot, action); }
  void operator()(const session::SetUrgency& action) const { shard.set_urgency(slot, action); }
  void operator()(const session::LeaveGroups&) const {
    // Every clean start says so; few devices are in a group. A read that fails says nothing, and
    // so does one that a request is before.
    const auto any = shard.reader_->in_any_group(device().id);
    if (!any || *any || device().session.waiting() > 0) shard.store_.leave_groups(device().id);
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

void DeviceShard::close(Slot slot, Reason reason) {
  KnownDevice& device = devices_[slot];
  base::log(LogLevel::kInfo, "mqtt", "{} closed, reason {:#04x}", device.name,
            static_cast<unsigned>(reason));
  if (!device.line.open()) return;
  DeviceLine line = std::move(device.line);
  device.line = DeviceLine();
  ++device.generation;
  departures_.note(device.name, now_);
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

void DeviceShard::on_store_failed(Slot slot, base::Error error) {
  KnownDevice& device = devices_[slot];
  base::log(LogLevel::kError, "mqtt", "{}: {}", device.name, base::to_string(error));
  device.session.on_expelled(now_, Reason::kServerBusy, asked_);
}

void DeviceShard::store_report(Slot slot, const session::Report& report) {
  const KnownDevice& device = devices_[slot];
  const auto stored = [this, name = device.name, id = device.id, line = device.generation,
                       packet = report.packet_id](const base::Result<void>& result) {
    // Where it says too much, that is its own affair, and no line of the log for each.
    if (!result)
      base::log(result.error().code == ErrorCode::kBusy ? LogLevel::kDebug : LogLevel::kWarning,
                "mqtt", "{}: report: {}", name, base::to_string(result.error()));
    const auto found = devices_.find(name);
    if (!found || devices_[*found].id != id) return;
    const Reason reason = result                                        ? Reason::kSuccess
                          : result.error().code == ErrorCode::kNotFound ? Reason::kNotAuthorized
                                                                        : Reason::kQuotaExceeded;
    const Slot known = *found;
    const bool same = devices_[known].generation == line;
    devices_[known].session.on_report_stored(now_, same ? packet : std::uint16_t{0}, reason,
                                             asked_);
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
  const auto changed = [this, name = device.name, id = device.id, line = device.generation,
                        packet = change.packet_id, index = change.index, group = change.group,
                        join = change.join](const base::Result<bool>& result) {
    const auto found = devices_.find(name);
    if (!found || devices_[*found].id != id) return;
    Reason reason = Reason::kSuccess;
    if (!result)
      reason = result.error().code == ErrorCode::kTooLarge ? Reason::kQuotaExceeded
                                                           : Reason::kUnspecified;
    else if (!*result)
      reason = join ? Reason::kNotAuthorized : Reason::kNoSubscriptionExisted;
    const Slot known = *found;
    const bool same = devices_[known].generation == line;
    devices_[known].session.on_group_done(now_, same ? packet : std::uint16_t{0}, index, group,
                                          reason, asked_);
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
    session::Session& session = devices_[known].session;
    if (done) {
      session.on_urgency_set({lowest, done->withheld_through}, done->highest, asked_);
    } else {
      base::log(LogLevel::kError, "mqtt", "{}: urgency: {}", name, base::to_string(done.error()));
      session.on_urgency_failed(now_, asked_);
    }
    carry_out(known);
  };
  const auto asked = store_.set_lowest(
      device.id, static_cast<std::uint8_t>(set.lowest),
      set.after == session::SetUrgency::kNone ? std::nullopt : std::optional(set.after), set_down,
      post_);
  if (!asked) poller_->post([set_down, error = asked.error()] { set_down(base::fail(error)); });
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
