// SPDX-License-Identifier: Apache-2.0
#include "server/mqtt_device.h"

#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "wire/push.h"

/// Carries out what the sessions ask for.
namespace wakeline::server {

namespace mqtt = wire::mqtt;
using base::LogLevel;

struct MqttFront::CarryOut {
  MqttFront& front;
  Device& device;

  void operator()(const session::Write& action) const { front.write(device, action.packet); }
  void operator()(const session::Publish& action) const { front.publish(device, action); }
  void operator()(const session::FetchPending& action) const { front.fetch(device, action); }
  void operator()(const session::Remove& action) const {
    front.store_.remove(device.id, action.sequence);
  }
  void operator()(const session::RemoveThrough& action) const {
    front.store_.remove_through(device.id, action.sequence);
  }
  void operator()(const session::CloseLink& action) const {
    base::log(LogLevel::kInfo, "mqtt", "{} closed, reason {:#04x}", device.name,
              static_cast<unsigned>(action.reason));
    front.close(std::exchange(device.connection, 0));
  }
  void operator()(const session::Report& action) const { front.store_report(device, action); }
  void operator()(const session::ChangeGroup& action) const { front.change_group(device, action); }
  void operator()(const session::LeaveGroups&) const {
    // Every clean start says so; few devices are in a group. A read that fails says nothing.
    const auto any = front.store_.in_any_group(device.id);
    if (!any || *any) front.store_.leave_groups(device.id);
  }
};

void MqttFront::carry_out(Device& device) {
  // An action may ask for more (a push that is gone frees a place): those come after these.
  while (!asked_.empty()) {
    std::swap(asked_, running_);
    for (const session::Action& action : running_) {
      if (base::log_enabled(LogLevel::kDebug))
        base::log(LogLevel::kDebug, "mqtt", "{}: {}", device.name, session::to_line(action));
      std::visit(CarryOut{*this, device}, action);
    }
    running_.clear();
  }
  if (device.session.forgettable())
    devices_.erase(devices_.find(device.name));
  else
    timers_.update(device);
}

void MqttFront::write(Device& device, const mqtt::Packet& packet) {
  Connection* connection = find(device.connection);
  if (connection == nullptr) return;
  base::Bytes bytes;
  if (const auto encoded = mqtt::encode(packet, connection->version, bytes); !encoded) {
    base::log(LogLevel::kError, "mqtt", "{}: {}: {}", device.name, mqtt::to_line(packet),
              base::to_string(encoded.error()));
    device.session.on_closed(io::now());
    return close(std::exchange(device.connection, 0));
  }
  connection->stream->write(std::move(bytes));
}

void MqttFront::publish(Device& device, const session::Publish& publish) {
  Connection* connection = find(device.connection);
  if (connection == nullptr) return;
  const base::WallTime now = io::wall_now();
  auto push = store_.find(device.id, publish.sequence, now);
  if (!push) return on_store_failed(device, push.error());
  if (!*push) return device.session.on_gone(io::now(), config_, publish.sequence, asked_);

  const bool to_group = !(*push)->group.empty() && device.session.in_group();
  mqtt::Publish packet{
      .topic = to_group ? wire::group_topic((*push)->group) : wire::inbox_topic(device.name),
      .payload = std::move((*push)->body),
      .qos = mqtt::Qos::kAtLeastOnce,
      .duplicate = publish.duplicate,
      .packet_id = publish.packet_id};
  if (connection->version == mqtt::Version::k5) {
    const auto left = std::chrono::ceil<std::chrono::seconds>((*push)->expires - now);
    packet.properties.message_expiry_s = static_cast<std::uint32_t>(left.count());
    packet.properties.user = {
        {std::string(wire::property::kSequence), std::to_string(publish.sequence)},
        {std::string(wire::property::kUrgency),
         std::string(wire::name(static_cast<wire::Urgency>((*push)->urgency)))}};
    const auto encoding = static_cast<wire::BodyEncoding>((*push)->encoding);
    if (encoding == wire::BodyEncoding::kContent)
      packet.properties.payload_format = 1;  // UTF-8: our JSON
    else
      packet.properties.user.push_back(
          {std::string(wire::property::kContentEncoding), std::string(wire::name(encoding))});
  }
  base::Bytes bytes;
  const auto encoded = mqtt::encode(packet, connection->version, bytes);
  if (!encoded || bytes.size() > device.session.packet_max()) {
    // It stays until it expires: the device may come back and take larger packets (§3.1.2.11.4).
    base::log(LogLevel::kWarning, "mqtt", "{}: push {} is larger than the device takes",
              device.name, publish.sequence);
    return device.session.on_gone(io::now(), config_, publish.sequence, asked_);
  }
  connection->stream->write(std::move(bytes));
}

void MqttFront::fetch(Device& device, const session::FetchPending& question) {
  const auto found = store_.pending(device.id, question.after, question.limit, io::wall_now());
  if (!found) return on_store_failed(device, found.error());
  device.session.on_pending(io::now(), config_, question.id, found->sequences, found->more, asked_);
}

MqttFront::Device* MqttFront::find_device(const std::string& name, store::DeviceId id) {
  const auto it = devices_.find(name);
  return it == devices_.end() || it->second->id != id ? nullptr : it->second.get();
}

void MqttFront::store_report(Device& device, const session::Report& report) {
  const auto stored = [this, name = device.name, id = device.id,
                       packet = report.packet_id](base::Result<void> result) {
    Device* known = find_device(name, id);
    if (!result)
      base::log(LogLevel::kWarning, "mqtt", "{}: report: {}", name,
                base::to_string(result.error()));
    if (known == nullptr || packet == 0) return;
    const session::Reason reason = result ? session::Reason::kSuccess
                                   : result.error().code == base::ErrorCode::kNotFound
                                       ? session::Reason::kNotAuthorized
                                       : session::Reason::kQuotaExceeded;
    known->session.on_report_stored(io::now(), packet, reason, asked_);
    carry_out(*known);
  };
  const auto asked = store_.add_report({.device = device.id,
                                        .kind = static_cast<std::uint8_t>(report.kind),
                                        .accepted = io::wall_now(),
                                        .content_type = report.content_type,
                                        .correlation = report.correlation,
                                        .body = report.body},
                                       stored, post_);
  if (!asked) loop_.post([stored, error = asked.error()] { stored(base::fail(error)); });
}

void MqttFront::change_group(Device& device, const session::ChangeGroup& change) {
  const auto changed = [this, name = device.name, id = device.id, packet = change.packet_id,
                        index = change.index, join = change.join](base::Result<bool> result) {
    Device* known = find_device(name, id);
    if (known == nullptr) return;
    session::Reason reason = session::Reason::kSuccess;
    if (!result)
      reason = session::Reason::kUnspecified;
    else if (!*result)
      reason = join ? session::Reason::kNotAuthorized : session::Reason::kNoSubscriptionExisted;
    known->session.on_group_done(io::now(), packet, index, reason, asked_);
    carry_out(*known);
  };
  const auto asked = store_.change_group(device.id, change.group, change.join, changed, post_);
  if (!asked) loop_.post([changed, error = asked.error()] { changed(base::fail(error)); });
}

void MqttFront::on_store_failed(Device& device, base::Error error) {
  base::log(LogLevel::kError, "mqtt", "{}: {}", device.name, base::to_string(error));
  device.session.on_expelled(io::now(), session::Reason::kServerBusy, asked_);
}

}  // namespace wakeline::server
