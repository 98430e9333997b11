// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/device_shard.h"
#include "wire/push.h"

/// The shard's pushes: from the thread that made them durable to their devices.
namespace wakeline::server {

namespace mqtt = wire::mqtt;
using base::LogLevel;

namespace {

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

/// A task of a shard that is gone is not run.
DeviceShard::Announce DeviceShard::announcer() {
  return [this, gate = gate_, poller = poller_](std::string device, StoredPush push, bool at_once) {
    if (at_once) {
      const std::unique_lock lock(gate->mutex, std::try_to_lock);
      if (lock && gate->shard != nullptr && deliver_here(device, push)) return;
    }
    poller->post([this, device = std::move(device), push = std::move(push)] {
      on_push_stored(device, push);
    });
  };
}

/// A turn of the shard on the thread of the caller, who has the gate: the shard's own waits, and
/// waking it would take longer. Returns: false where only that can deliver: what was posted comes
/// first, and a socket may be in a file table of its own.
bool DeviceShard::deliver_here(const std::string& device, const StoredPush& push) {
  if (stopping_ || paused_ || !uses_store_ || common_->limits.file_tables || poller_->has_tasks())
    return false;
  now_ = io::now();
  reader_->begin_moment();
  on_push_stored(device, push);
  flush_dirty();
  reader_->end_moment();
  if (next_deadline() < waits_until_) poller_->interrupt();
  return true;
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
  // One that went out with QoS 1 stays with it, whatever was subscribed meanwhile (§4.4).
  const bool once = !publish.duplicate && device.session.sends_once(subscription, push->group);
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

}  // namespace wakeline::server
