// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "server/mqtt_front.h"
#include "server/timer_queue.h"
#include "store/store.h"
#include "wire/push.h"

namespace wakeline::server {

/// A push for one device, as the queue takes it.
struct PushOrder {
  std::string device{};
  base::Bytes body{};  ///< at most wire::kPushBodyMax
  wire::BodyEncoding encoding = wire::BodyEncoding::kContent;
  std::uint32_t ttl_s = wire::kTtlMax;  ///< 0: only for a device that is connected now
  wire::Urgency urgency = wire::Urgency::kNormal;
  std::string topic{};   ///< replaces a waiting push of the device with this one; empty: none
  std::string sender{};  ///< whose the key is
  std::string idempotency_key{};  ///< stands for this push among those of its sender; empty: none
  std::string group{};            ///< that it was sent to; empty: to the device itself
  std::uint64_t receipt = 0;      ///< where a receipt goes, see store::NewPush
};

/// Takes pushes in: to the store, then to the device; and sweeps out what expired.
class PushDesk : public Timed {
 public:
  using OnAccepted = std::function<void(base::Result<store::Accepted>)>;

  PushDesk(TimerQueue& timers, store::Store& store, MqttFront& devices);
  ~PushDesk() override = default;

  /// `done` is called when the push is durable and on its way, after `flush` was. Errors: those of
  /// Store::put.
  base::Result<void> accept(PushOrder order, OnAccepted done);
  /// What was accepted is stored: after all of a turn's.
  void flush() { store_.flush(); }
  /// A push that waits reaches nobody any more when `done` is called; what is on its way to its
  /// device just now may still arrive before that. See Store::withdraw.
  base::Result<void> withdraw(store::DeviceId device, store::Sequence sequence,
                              std::function<void(base::Result<bool>)> done);

  /// Called after each push that waits.
  void set_on_waiting(std::function<void()> on_waiting) { on_waiting_ = std::move(on_waiting); }
  /// Pushes since the start, without repeated ones.
  std::uint64_t accepted() const { return accepted_; }

  base::Instant next_deadline() const override { return sweep_at_; }
  void on_deadline(base::Instant now) override;

 private:
  void plan_sweep(base::WallTime expiry);
  void sweep();
  void on_swept(base::Result<std::int64_t> count);

  TimerQueue& timers_;
  store::Store& store_;
  MqttFront& devices_;
  std::shared_ptr<const MqttFront::Announce> announce_;  ///< called by who writes the store
  std::function<void()> on_waiting_;
  std::uint64_t accepted_ = 0;
  base::Instant sweep_at_ = base::kNever;
  base::Instant swept_at_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what the store posts
};

}  // namespace wakeline::server
