// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
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
    base::Duration gone_after{};                 ///< see `gone`
  };
  /// Errors: those of DeviceShard::create.
  static base::Result<std::unique_ptr<MqttFront>> create(Parts parts, base::Duration spread,
                                                         const Limits& limits);
  ~MqttFront();  ///< `stop`, and waits until the last words are said
  MqttFront(const MqttFront&) = delete;
  MqttFront& operator=(const MqttFront&) = delete;

  /// Gives the next device that goes on; nothing: those were all.
  using NextDevice = std::function<base::Result<std::optional<FrozenDevice>>()>;
  /// Before `start`: takes those devices in. No two of their lines are in our own file table at a
  /// time where each shard has one. Errors: those of `next`; then nothing was said to any device.
  base::Result<void> take_over(const NextDevice& next);
  /// Serves devices at these ports, whose descriptors outlive it, and those that were taken over.
  /// Beyond `connections_max` a connection is closed at once.
  void start(const std::vector<DevicePort>& ports);
  /// For lines that come from now on.
  void set_tls(const std::shared_ptr<io::TlsContext>& tls);
  /// Tells every device how long its return may take, and closes.
  void stop();
  /// The two steps of a handover, see DeviceShard; `done` is called when all shards are through, on
  /// the thread of one of them.
  void pause(std::function<void()> done);
  void freeze(std::function<void(std::vector<FrozenDevice>)> done);
  /// After `freeze`: the store may go.
  void forget_store();
  /// After `freeze`, for those whose line is elsewhere: `fetch_line` gives it, in the order of the
  /// frozen devices; `send_lines` before the first one, and to begin anew.
  void send_lines();
  base::Result<io::UniqueFd> fetch_line(const FrozenDevice& device);

  /// Whether a push would go out now.
  bool receives(std::string_view device) const;
  /// Whether the device has not been connected for `gone_after`, see DeviceShard.
  bool gone(std::string_view device) const;
  /// Tells a device's shard that the push is durable; pushes of one device in the order of their
  /// numbers. For another thread, and harmless when the shards are gone. `at_once`: it may be sent
  /// there and then, by the thread that calls, where the shard's own waits.
  using Announce = std::function<void(std::string_view device, StoredPush push, bool at_once)>;
  Announce announcer() const;
  /// The registry changed: a device that is no more loses its connection and its session, another
  /// has the rights that it has now.
  void look_again(std::string_view device);
  std::size_t connections() const { return common_->connections; }

 private:
  MqttFront(std::shared_ptr<ShardsCommon> common, std::vector<std::unique_ptr<DeviceShard>> shards);
  DeviceShard& shard_of(std::string_view device) const;
  void start_threads();

  std::shared_ptr<ShardsCommon> common_;
  std::vector<std::unique_ptr<DeviceShard>> shards_;
  bool started_ = false;
};

}  // namespace wakeline::server
