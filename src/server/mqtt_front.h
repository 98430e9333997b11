// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "server/device_shard.h"
#include "server/options.h"
#include "store/store.h"

namespace wakeline::server {

/// The devices: their connections and their sessions, spread over shards. Calls may come from any
/// thread.
class MqttFront {
 public:
  struct Parts {
    store::Store& store;
    LoginGuard& guard;
    std::function<void(DeniedLogin)> on_denied;  ///< called on the thread of a shard
  };
  /// Errors: those of DeviceShard::create.
  static base::Result<std::unique_ptr<MqttFront>> create(Parts parts, base::Duration spread,
                                                         const Limits& limits);
  ~MqttFront();  ///< `stop`, and waits until the last words are said
  MqttFront(const MqttFront&) = delete;
  MqttFront& operator=(const MqttFront&) = delete;

  /// Serves devices at these ports, whose descriptors outlive it. Beyond `connections_max` a
  /// connection is closed at once.
  void start(const std::vector<DevicePort>& ports, std::vector<FrozenDevice> frozen = {});
  /// Tells every device how long its return may take, and closes.
  void stop();
  /// The two steps of a handover, see DeviceShard; `done` is called when all shards are through, on
  /// the thread of one of them.
  void pause(std::function<void()> done);
  void freeze(std::function<void(std::vector<FrozenDevice>)> done);

  /// Whether a push would go out now.
  bool receives(std::string_view device) const;
  /// Whether the device is connected, awake or asleep.
  bool online(std::string_view device) const;
  /// The push is durable. Pushes of one device come in the order of their numbers.
  void on_push_stored(std::string_view device, StoredPush push);
  /// The registry changed: a device that is no more loses its connection and its session, another
  /// has the rights that it has now.
  void look_again(std::string_view device);
  std::size_t connections() const { return common_->connections; }

 private:
  MqttFront(std::shared_ptr<ShardsCommon> common, std::vector<std::unique_ptr<DeviceShard>> shards);
  DeviceShard& shard_of(std::string_view device) const;

  std::shared_ptr<ShardsCommon> common_;
  std::vector<std::unique_ptr<DeviceShard>> shards_;
};

}  // namespace wakeline::server
