// SPDX-License-Identifier: Apache-2.0
#include "core/link/backoff.h"

#include <algorithm>

namespace wakeline::link {
namespace {

using base::Duration;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kFailureMin = seconds(1);
constexpr Duration kBlindFirst = seconds(4);    ///< W never heard: RFC 5626-like base
constexpr Duration kBlindMax = seconds(1'800);  ///< and cap
constexpr Duration kForegroundMax = seconds(30);
constexpr Duration kCredentialsFirst = minutes(5);
constexpr Duration kCredentialsMax = minutes(60);
constexpr std::uint32_t kDoublingsMax = 16;

Duration doubled(Duration base, std::uint32_t times, Duration cap) {
  return std::min(cap, base * (std::int64_t{1} << std::min(times, kDoublingsMax)));
}

}  // namespace

Duration Backoff::after_loss(Duration spread, bool foreground, base::Random& random) const {
  const Duration window =
      spread > Duration::zero() ? std::clamp(spread, kSpreadMin, kSpreadMax) : kBlindFirst;
  return random.between(Duration::zero(), foreground ? window / 10 : window);
}

Duration Backoff::after_failure(Duration spread, bool foreground, base::Random& random) {
  ++failures_;
  Duration window;
  if (spread > Duration::zero()) {
    const Duration w = std::clamp(spread, kSpreadMin, kSpreadMax);
    window = failures_ <= 3 ? w : doubled(w, failures_ - 3, 4 * w);
    if (foreground) window = std::min(window, std::max(w, kForegroundMax));
  } else {
    window = doubled(kBlindFirst, failures_, foreground ? kForegroundMax : kBlindMax);
  }
  return std::max(kFailureMin, random.between(window / 2, window));
}

Duration Backoff::after_bad_credentials(base::Random& random) {
  ++failures_;
  const Duration window = doubled(kCredentialsFirst, failures_ - 1, kCredentialsMax);
  return random.between(window, window + window / 2);
}

void Backoff::on_login() {
  before_login_ = failures_;
  failures_ = 0;
}

void Backoff::on_early_death() { failures_ = std::max(failures_, before_login_); }

}  // namespace wakeline::link
