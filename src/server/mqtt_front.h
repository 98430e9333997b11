// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/session/session.h"
#include "io/stream.h"
#include "server/options.h"
#include "server/timer_queue.h"
#include "store/store.h"

namespace wakeline::server {

/// The devices: their connections and their sessions. Drives one session machine a device with the
/// store behind it. All on the loop's thread.
class MqttFront {
 public:
  MqttFront(io::Loop& loop, TimerQueue& timers, store::Store& store, base::Duration spread,
            const Limits& limits);
  ~MqttFront();
  MqttFront(const MqttFront&) = delete;
  MqttFront& operator=(const MqttFront&) = delete;

  /// A new connection; `tls` null: plain. Beyond `connections_max` it is closed at once.
  void accept(boost::asio::ip::tcp::socket socket, std::shared_ptr<io::TlsContext> tls);
  /// Whether a push would go out now.
  bool receives(std::string_view device) const;
  /// The push is durable. Pushes of one device come in the order of their numbers.
  void on_push_stored(std::string_view device, store::DeviceId id, store::Sequence sequence);
  /// Tells every device how long its return may take, and closes.
  void stop();
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection;
  struct Device;
  struct CarryOut;
  using ConnectionId = std::uint64_t;  ///< 0: none

  Connection* find(ConnectionId id);
  void on_bytes(ConnectionId id, base::BytesView bytes);
  void on_end(ConnectionId id, base::Error error);
  void on_packet(Connection& connection, const wire::mqtt::Packet& packet);
  void on_bad_bytes(Connection& connection, base::Error error);
  void on_connect(Connection& connection, const wire::mqtt::Connect& connect);
  base::Result<store::Device> authenticate(const wire::mqtt::Connect& connect);
  Device& device_of(const store::Device& row);
  void refuse(Connection& connection, wire::mqtt::Version version, session::Reason reason);
  void close(ConnectionId id);

  /// Does what the session asked for. The device may be gone afterwards.
  void carry_out(Device& device);
  void write(Device& device, const wire::mqtt::Packet& packet);
  void publish(Device& device, const session::Publish& publish);
  void fetch(Device& device, const session::FetchPending& question);
  Device* find_device(const std::string& name, store::DeviceId id);
  void store_report(Device& device, const session::Report& report);
  void change_group(Device& device, const session::ChangeGroup& change);
  void on_store_failed(Device& device, base::Error error);
  base::Duration spread() const;

  io::Loop& loop_;
  TimerQueue& timers_;
  store::Store& store_;
  store::Post post_;
  base::Duration spread_min_;
  Limits limits_;
  session::Config config_;
  session::Actions asked_;    ///< by the event under way
  session::Actions running_;  ///< being carried out; here to keep its memory
  ConnectionId last_id_ = 0;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::unordered_map<std::string_view, std::unique_ptr<Device>> devices_;  ///< by Device::name
};

}  // namespace wakeline::server
