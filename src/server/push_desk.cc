// SPDX-License-Identifier: Apache-2.0
#include "server/push_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/tokens.h"

namespace wakeline::server {

namespace {

/// Expired pushes are hidden at once; their space may wait a little, so that many go together.
constexpr base::Duration kExpirySweepPause = std::chrono::seconds(60);
/// What TTL 0 gives a device that is connected: the time to acknowledge, also over a reconnect.
constexpr base::Duration kZeroTtlGrace = std::chrono::seconds(30);

/// Of texts of any content and length, 43 visible characters.
std::string digest(std::initializer_list<std::string_view> texts) {
  std::string framed;
  for (const std::string_view text : texts) framed += fmt::format("{}:{}", text.size(), text);
  return base::to_base64url(hash_token(base::as_bytes(framed)));
}

std::string fingerprint_of(const PushOrder& order) {
  return digest({base::as_text(order.body), order.topic, order.group, std::to_string(order.ttl_s),
                 wire::name(order.urgency)});
}

}  // namespace

PushDesk::PushDesk(TimerQueue& timers, store::Store& store, MqttFront& devices)
    : Timed(timers),
      timers_(timers),
      store_(store),
      devices_(devices),
      announce_(std::make_shared<const MqttFront::Announce>(devices.announcer())) {
  on_swept(0);
}

base::Result<void> PushDesk::accept(PushOrder order, OnAccepted done) {
  const base::WallTime now = io::wall_now();
  base::Duration lives = std::chrono::seconds(order.ttl_s);
  if (order.ttl_s == 0 && devices_.receives(order.device)) lives = kZeroTtlGrace;
  std::string key, fingerprint;
  if (!order.idempotency_key.empty()) {
    key = digest({order.sender, order.idempotency_key});
    fingerprint = fingerprint_of(order);
  }
  auto push = std::make_shared<const store::NewPush>(
      store::NewPush{.device = order.device,
                     .body = std::move(order.body),
                     .topic = std::move(order.topic),
                     .group = std::move(order.group),
                     .urgency = static_cast<std::uint8_t>(order.urgency),
                     .encoding = static_cast<std::uint8_t>(order.encoding),
                     .accepted = now,
                     .expires = now + lives,
                     .idempotency_key = std::move(key),
                     .fingerprint = std::move(fingerprint),
                     .receipt = order.receipt});
  return store_.put(
      push,
      [this, expires = push->expires,
       done = std::move(done)](const base::Result<store::Accepted>& result) {
        if (result && !result->repeated) ++accepted_;
        if (result && result->waits) {
          plan_sweep(expires);
          if (!result->held && on_waiting_) on_waiting_();
        }
        done(result);
      },
      // To its device as soon as it is durable, beside the answer to its sender.
      [push, announce = announce_](const store::Accepted& accepted, bool few) {
        if (accepted.waits && !accepted.held)
          (*announce)(push->device, {accepted.device, accepted.sequence, push}, few);
      });
}

base::Result<void> PushDesk::withdraw(store::DeviceId device, store::Sequence sequence,
                                      std::function<void(base::Result<bool>)> done) {
  return store_.withdraw(device, sequence, std::move(done));
}

void PushDesk::plan_sweep(base::WallTime expiry) {
  const base::Instant now = io::now();
  const base::Duration until =
      std::max<base::Duration>(expiry - io::wall_now(), base::Duration::zero());
  const base::Instant at =
      std::max(base::saturating_add(now, until), swept_at_ + kExpirySweepPause);
  if (at >= sweep_at_) return;
  sweep_at_ = at;
  timers_.update(*this);
}

void PushDesk::on_deadline(base::Instant now) {
  sweep_at_ = base::kNever;
  swept_at_ = now;
  sweep();
}

/// An upgrade may find one under way: nobody waits for it.
void PushDesk::sweep() {
  store_.sweep(io::wall_now(),
               [this, alive = std::weak_ptr(alive_)](base::Result<std::int64_t> count) {
                 if (!alive.expired()) on_swept(count);
               });
}

void PushDesk::on_swept(base::Result<std::int64_t> count) {
  if (!count) {
    base::log(base::LogLevel::kError, "server", "sweep: {}", base::to_string(count.error()));
  } else if (*count >= static_cast<std::int64_t>(store::kBatchMax)) {
    return sweep();
  }
  const auto next = store_.next_expiry();
  if (!next) {
    base::log(base::LogLevel::kError, "server", "sweep: {}", base::to_string(next.error()));
    return plan_sweep(io::wall_now());  // after the pause
  }
  if (*next) plan_sweep(**next);
}

}  // namespace wakeline::server
