// SPDX-License-Identifier: Apache-2.0
#include "server/push_desk.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::server {

namespace {

/// Expired pushes are hidden at once; their space may wait a little, so that many go together.
constexpr base::Duration kSweepPause = std::chrono::seconds(60);
/// What TTL 0 gives a device that is connected: the time to acknowledge, also over a reconnect.
constexpr base::Duration kZeroTtlGrace = std::chrono::seconds(30);

}  // namespace

PushDesk::PushDesk(TimerQueue& timers, store::Store& store, MqttFront& devices)
    : Timed(timers), timers_(timers), store_(store), devices_(devices) {
  on_swept(0);
}

base::Result<void> PushDesk::accept(const wire::PushRequest& request, OnAccepted done) {
  auto body = wire::encode(request.content);
  if (!body) return base::fail(body.error());
  const base::WallTime now = io::wall_now();
  base::Duration lives = std::chrono::seconds(request.ttl_s);
  if (request.ttl_s == 0 && devices_.receives(request.device)) lives = kZeroTtlGrace;
  store::NewPush push{.device = request.device,
                      .body = std::move(*body),
                      .topic = request.topic,
                      .urgency = static_cast<std::uint8_t>(request.urgency),
                      .accepted = now,
                      .expires = now + lives,
                      .idempotency_key = request.idempotency_key};
  const base::WallTime expires = push.expires;
  return store_.add(std::move(push),
                    [this, device = request.device, expires,
                     done = std::move(done)](base::Result<store::Accepted> result) {
                      if (result && result->waits) {
                        devices_.on_push_stored(device, result->device, result->sequence);
                        plan_sweep(expires);
                      }
                      done(result);
                    });
}

void PushDesk::plan_sweep(base::WallTime expiry) {
  const base::Instant now = io::now();
  const base::Duration until =
      std::max<base::Duration>(expiry - io::wall_now(), base::Duration::zero());
  const base::Instant at = std::max(base::saturating_add(now, until), swept_at_ + kSweepPause);
  if (at >= sweep_at_) return;
  sweep_at_ = at;
  timers_.update(*this);
}

void PushDesk::on_deadline(base::Instant now) {
  sweep_at_ = base::kNever;
  swept_at_ = now;
  store_.sweep(io::wall_now(), [this](base::Result<std::int64_t> count) { on_swept(count); });
}

void PushDesk::on_swept(base::Result<std::int64_t> count) {
  if (!count) {
    base::log(base::LogLevel::kError, "server", "sweep: {}", base::to_string(count.error()));
  } else if (*count >= static_cast<std::int64_t>(store::kBatchMax)) {
    store_.sweep(io::wall_now(), [this](base::Result<std::int64_t> more) { on_swept(more); });
    return;
  }
  const auto next = store_.next_expiry();
  if (!next) {
    base::log(base::LogLevel::kError, "server", "sweep: {}", base::to_string(next.error()));
    return plan_sweep(io::wall_now());  // after the pause
  }
  if (*next) plan_sweep(**next);
}

}  // namespace wakeline::server
