// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "server/mqtt_front.h"
#include "server/timer_queue.h"
#include "store/store.h"
#include "wire/push.h"

namespace wakeline::server {

/// Takes pushes in: to the store, then to the device; and sweeps out what expired.
class PushDesk : public Timed {
 public:
  using OnAccepted = std::function<void(base::Result<store::Accepted>)>;

  PushDesk(TimerQueue& timers, store::Store& store, MqttFront& devices);
  ~PushDesk() override = default;

  /// `done` is called when the push is durable and on its way.
  /// Errors: those of Store::add; kTooLarge, kInvalidArgument (content).
  base::Result<void> accept(const wire::PushRequest& request, OnAccepted done);

  base::Instant next_deadline() const override { return sweep_at_; }
  void on_deadline(base::Instant now) override;

 private:
  void plan_sweep(base::WallTime expiry);
  void on_swept(base::Result<std::int64_t> count);

  TimerQueue& timers_;
  store::Store& store_;
  MqttFront& devices_;
  base::Instant sweep_at_ = base::kNever;
  base::Instant swept_at_{};
};

}  // namespace wakeline::server
