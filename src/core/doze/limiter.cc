// SPDX-License-Identifier: Apache-2.0
#include "core/doze/limiter.h"

#include <algorithm>
#include <utility>

#include "core/doze/backoff.h"

namespace wakeline::doze {

Limiter::Limiter(Past past)
    : wakes_(std::move(past.wakes)), doublings_(std::clamp(past.doublings, 0, kDoublingsMax)) {}

Limiter::Past Limiter::past() const {
  const auto left = std::min(wakes_.size(), kWakesLeft);
  return {{wakes_.end() - static_cast<std::ptrdiff_t>(left), wakes_.end()}, doublings_};
}

Limiter::Verdict Limiter::ask(Instant now, Duration asleep, const Profile& profile) {
  const bool over = count(now, profile) >= profile.limit_wakes;
  switch (profile.limit_action) {
    case LimitAction::kNone:
      return {};
    case LimitAction::kKill:
      return over ? Verdict{LimitAction::kKill, {}} : Verdict{};
    case LimitAction::kDelay:
      break;
  }
  if (asleep >= profile.limit_quiet) doublings_ = 0;
  doublings_ = over ? std::min(doublings_ + 1, kDoublingsMax) : std::max(doublings_ - 1, 0);
  if (doublings_ == 0) return {};
  return {LimitAction::kDelay,
          doubled(profile.limit_delay_first, doublings_ - 1, profile.limit_delay_max)};
}

void Limiter::record(Instant now, const Profile& profile) {
  const auto first_kept =
      std::ranges::find_if(wakes_, [&](Instant wake) { return now - wake < profile.limit_span; });
  wakes_.erase(wakes_.begin(), first_kept);
  const std::size_t kept =
      std::max(kWakesKept, static_cast<std::size_t>(std::max(profile.limit_wakes, 0)));
  if (wakes_.size() >= kept) wakes_.erase(wakes_.begin());
  wakes_.push_back(now);
}

int Limiter::count(Instant now, const Profile& profile) const {
  return static_cast<int>(
      std::ranges::count_if(wakes_, [&](Instant wake) { return now - wake < profile.limit_span; }));
}

}  // namespace wakeline::doze
