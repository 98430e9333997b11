// SPDX-License-Identifier: Apache-2.0
#include "server/mqtt_front.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/mqtt_device.h"
#include "server/tokens.h"
#include "wire/push.h"

namespace wakeline::server {

namespace mqtt = wire::mqtt;
using base::ErrorCode;
using base::LogLevel;
using session::Reason;

namespace {

/// Connections that one thread admits in a second, with their TLS handshakes (measured); W of
/// link.md §2 is the number of devices over it.
constexpr std::int64_t kAdmissionsPerSecond = 2'000;

/// The kernel's probe of a device that asked for no keep-alive: all that finds it dead.
constexpr io::KeepAlive kKernelKeepAlive = {.idle = std::chrono::hours(1)};

}  // namespace

MqttFront::MqttFront(io::Loop& loop, TimerQueue& timers, store::Store& store, base::Duration spread,
                     const Limits& limits)
    : loop_(loop),
      timers_(timers),
      store_(store),
      post_([&loop](std::function<void()> task) { loop.post(std::move(task)); }),
      spread_min_(spread),
      limits_(limits) {
  config_.keep_alive_max_s = limits.keep_alive_max_s;
  config_.epoch = store.epoch();
}

MqttFront::~MqttFront() = default;

MqttFront::Connection* MqttFront::find(ConnectionId id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

base::Duration MqttFront::spread() const {
  const auto devices = static_cast<std::int64_t>(devices_.size());
  return std::max<base::Duration>(
      spread_min_, std::chrono::milliseconds(1'000 * devices / kAdmissionsPerSecond));
}

void MqttFront::accept(boost::asio::ip::tcp::socket socket, std::shared_ptr<io::TlsContext> tls) {
  if (connections_.size() >= limits_.connections_max) return;  // the socket closes
  const ConnectionId id = ++last_id_;
  auto connection = std::make_unique<Connection>(timers_, *this, id);
  connection->stream = io::accept_stream(loop_, std::move(socket), std::move(tls));
  connection->connect_by = io::now() + limits_.connect_timeout;
  Connection& made = *connections_.emplace(id, std::move(connection)).first->second;
  timers_.update(made);
  made.stream->start([this, id](base::BytesView bytes) { on_bytes(id, bytes); },
                     [this, id](base::Error error) { on_end(id, error); });
}

void MqttFront::on_bytes(ConnectionId id, base::BytesView bytes) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  const bool buffered = !connection->input.empty();
  if (buffered) {
    connection->input.insert(connection->input.end(), bytes.begin(), bytes.end());
    bytes = connection->input;
  }
  while (!bytes.empty()) {
    // Until a peer has authenticated it may have us keep no more than a CONNECT.
    const std::size_t limit = connection->device == nullptr ? mqtt::kConnectMax : mqtt::kPacketMax;
    const auto decoded = mqtt::decode(bytes, connection->version, limit);
    if (!decoded) return on_bad_bytes(*connection, decoded.error());
    if (decoded->consumed == 0) break;
    bytes = bytes.subspan(decoded->consumed);
    on_packet(*connection, decoded->packet);
    connection = find(id);
    if (connection == nullptr) return;  // closed, and its buffer with it
  }
  connection->input = base::Bytes(bytes.begin(), bytes.end());
}

void MqttFront::on_packet(Connection& connection, const mqtt::Packet& packet) {
  if (connection.device == nullptr) {
    if (const auto* connect = std::get_if<mqtt::Connect>(&packet))
      return on_connect(connection, *connect);
    return close(connection.id);  // MQTT-3.1.0-1
  }
  Device& device = *connection.device;
  device.session.on_packet(io::now(), config_, device.name, packet, asked_);
  carry_out(device);
}

void MqttFront::on_bad_bytes(Connection& connection, base::Error error) {
  base::log(LogLevel::kInfo, "mqtt", "{}: {}", connection.stream->peer(), base::to_string(error));
  if (connection.device == nullptr) {
    // Before CONNECT nothing may be said but that its version is not served.
    if (error.code == ErrorCode::kUnsupported)
      return refuse(connection, mqtt::Version::k311, Reason::kUnsupportedVersion);
    return close(connection.id);
  }
  Device& device = *connection.device;
  device.session.on_malformed(io::now(), error.code, asked_);
  carry_out(device);
}

void MqttFront::on_end(ConnectionId id, base::Error error) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  base::log(LogLevel::kDebug, "mqtt", "{}: {}", connection->stream->peer(), base::to_string(error));
  Device* device = connection->device;
  connections_.erase(id);
  if (device == nullptr) return;
  device->connection = 0;
  device->session.on_closed(io::now());
  carry_out(*device);
}

void MqttFront::close(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  it->second->stream->close();
  connections_.erase(it);
}

void MqttFront::refuse(Connection& connection, mqtt::Version version, Reason reason) {
  base::Bytes bytes;
  if (mqtt::encode(mqtt::Connack{.reason = reason}, version, bytes))
    connection.stream->write(std::move(bytes));
  close(connection.id);
}

/// Errors: kUnauthorized, for a wrong token as for an unknown name; those of the store.
base::Result<store::Device> MqttFront::authenticate(const mqtt::Connect& connect) {
  const TokenHash given =
      connect.password ? hash_token(*connect.password) : hash_token(base::BytesView());
  auto row = store_.registry().find_device(connect.user_name.value_or(""));
  if (!row) return base::fail(row.error());
  const TokenHash wanted = *row ? (*row)->token_hash : TokenHash{};
  if (!same(given, wanted) || !*row) return base::fail(ErrorCode::kUnauthorized, "mqtt.connect");
  return std::move(**row);
}

/// The device's session is offline.
MqttFront::Device& MqttFront::device_of(const store::Device& row) {
  if (const auto it = devices_.find(row.name); it != devices_.end()) {
    if (it->second->id == row.id) return *it->second;
    devices_.erase(it);  // removed and made again: nothing of the old one counts
  }
  auto made = std::make_unique<Device>(timers_, *this, row.id, row.name);
  const std::string_view name = made->name;
  return *devices_.emplace(name, std::move(made)).first->second;
}

void MqttFront::on_connect(Connection& connection, const mqtt::Connect& connect) {
  const auto row = authenticate(connect);
  if (!row) {
    const bool denied = row.error().code == ErrorCode::kUnauthorized;
    base::log(denied ? LogLevel::kInfo : LogLevel::kError, "mqtt", "{}: {}",
              connection.stream->peer(), base::to_string(row.error()));
    return refuse(connection, connect.version,
                  denied ? Reason::kBadCredentials : Reason::kServerUnavailable);
  }
  if (const auto it = devices_.find(row->name); it != devices_.end()) {
    Device& known = *it->second;
    if (known.session.outdates(config_, connect)) {
      base::log(LogLevel::kInfo, "mqtt", "{}: an older attempt came late", known.name);
      return refuse(connection, connect.version, Reason::kImplementationSpecific);
    }
    known.session.on_expelled(io::now(), Reason::kSessionTakenOver, asked_);
    carry_out(known);
  }
  Device& device = device_of(*row);
  connection.device = &device;
  connection.version = connect.version;
  connection.connect_by = base::kNever;
  device.connection = connection.id;
  if (connect.version == mqtt::Version::k311 && connect.keep_alive_s == 0) {
    if (const auto set = io::set_keep_alive(connection.stream->fd(), kKernelKeepAlive); !set)
      base::log(LogLevel::kWarning, "mqtt", "{}", base::to_string(set.error()));
  }
  base::log(LogLevel::kInfo, "mqtt", "{} connected from {}", device.name,
            connection.stream->peer());
  config_.spread = spread();
  device.session.on_connect(io::now(), config_, device.name, connect, asked_, row->rights);
  carry_out(device);
}

bool MqttFront::receives(std::string_view device) const {
  const auto it = devices_.find(device);
  return it != devices_.end() && it->second->session.receiving();
}

void MqttFront::on_push_stored(std::string_view device, store::DeviceId id,
                               store::Sequence sequence) {
  const auto it = devices_.find(device);
  if (it == devices_.end() || it->second->id != id) return;
  Device& known = *it->second;
  known.session.on_push_stored(io::now(), config_, sequence, asked_);
  carry_out(known);
}

void MqttFront::stop() {
  const base::Duration drain = spread();
  std::vector<std::string> names;  // a device may be gone when its connection is
  names.reserve(devices_.size());
  for (const auto& [name, device] : devices_) names.emplace_back(name);
  for (const std::string& name : names) {
    Device& device = *devices_.at(name);
    device.session.on_server_stopping(io::now(), drain, asked_);
    carry_out(device);
  }
  connections_.clear();  // those that had not connected
}

}  // namespace wakeline::server
