// SPDX-License-Identifier: Apache-2.0
#include "core/link/heartbeat.h"

#include <algorithm>
#include <cmath>

namespace wakeline::link {
namespace {

using base::Duration;
using base::Instant;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr Duration kReprobe = hours(24 * 7);
/// After the network has shown another face: its new one may not be the last.
constexpr Duration kReprobeAfterChange = hours(24);
/// A network not proven for so long is as good as new.
constexpr Duration kProofAge = hours(24 * 30);

/// `gap` times `percent` per cent.
constexpr Duration scaled(Duration gap, int percent) { return gap / 100 * percent; }
/// What is left below the longest proven gap: timers are late, and NATs differ by the moment.
constexpr int kMargin = 93;
/// A bracket as narrow as that is not worth a wake; also the step without a probe flow.
constexpr int kStep = 106;
/// What a punctual timer leaves where the bracket is narrow, and what it leaves at least: an answer
/// that had to be sent again comes seconds late.
constexpr int kBoldMargin = 98;
constexpr Duration kBoldDistance = std::chrono::seconds(5);
/// And how narrow that is.
constexpr int kBoldStep = 101;
/// Two gaps that differ by less are the same: clocks and round trips blur them.
constexpr int kBlur = 102;

/// The gap in the middle of the bracket, on a scale of factors; whole ms.
Duration middle(Duration lo, Duration hi) {
  const auto product =
      static_cast<double>(lo / milliseconds(1)) * static_cast<double>(hi / milliseconds(1));
  return milliseconds(static_cast<std::int64_t>(std::sqrt(product)));
}

}  // namespace

HeartbeatPolicy::Plan HeartbeatPolicy::decide(const Gaps& gaps, Instant now) const {
  return {.heartbeat = heartbeat(gaps), .probe = probe(gaps, now)};
}

/// Without a word on it, or with one on a part of it only, the unproven start is taken: a byte that
/// came after five seconds proves little, and says nothing against four minutes.
Duration HeartbeatPolicy::heartbeat(const Gaps& gaps) const {
  const auto below = [](Duration h, Duration dead) { return dead == Duration::zero() || h < dead; };
  Duration h = scaled(gaps.lo, kMargin);
  if (!gaps.wary && narrow(gaps)) h = std::max(h, bold(gaps.lo));
  if (gaps.probe_unreliable) {
    // The main flow is the only one to learn from: by steps so small that a wrong one costs little.
    const Duration next = scaled(gaps.lo, kStep);
    if (below(scaled(next, kStep), gaps.hi)) h = next;
  } else if (gaps.lo < prior || gaps.limit > Duration::zero()) {
    const Duration start = gaps.limit > Duration::zero()  ? gaps.limit
                           : gaps.hint > Duration::zero() ? gaps.hint
                                                          : prior;
    // A network that has killed a line is not unknown: from what lives there only the second flow
    // goes up.
    const bool unknown = gaps.hi == Duration::zero() && gaps.doubt == Duration::zero();
    const bool fits = below(start, gaps.hi) && below(start, gaps.doubt);
    if (fits && (unknown || gaps.limit > Duration::zero())) h = std::max(h, start);
  }
  return std::clamp(h, floor, cap);
}

/// The heartbeat with little distance; none where that would be too little to be one.
Duration HeartbeatPolicy::bold(Duration lo) const {
  if (!punctual || lo <= kBoldDistance) return {};
  return std::min(scaled(lo, kBoldMargin), lo - kBoldDistance);
}

/// Whether the bracket is as narrow as it has to be, or the longest heartbeat fits below it.
bool HeartbeatPolicy::narrow(const Gaps& gaps) const {
  if (bold(gaps.lo) >= cap && !gaps.wary) return true;
  const int step = punctual && gaps.lo >= kBoldDistance * 20 ? kBoldStep : kStep;
  return gaps.hi > Duration::zero() && gaps.hi < scaled(gaps.lo, step);
}

bool HeartbeatPolicy::settled(const Gaps& gaps) const {
  return gaps.probe_unreliable || gaps.lo >= longest() || narrow(gaps);
}

/// The gap that allows a heartbeat of `cap`; a longer one is of no use.
Duration HeartbeatPolicy::longest() const { return cap / kMargin * 100 + milliseconds(1); }

Duration HeartbeatPolicy::probe(const Gaps& gaps, Instant now) const {
  // The line proves its own heartbeat first: it costs nothing.
  const bool unproven = gaps.lo < heartbeat(gaps);
  if (unproven || gaps.probe_unreliable || gaps.lo >= longest()) return {};
  if (gaps.doubt > gaps.lo) return gaps.doubt;
  if (gaps.hi == Duration::zero()) return std::min(2 * gaps.lo, longest());
  if (gaps.reprobe_at <= now && heartbeat(gaps) < cap) return gaps.hi;
  if (narrow(gaps)) return {};
  return middle(gaps.lo, gaps.hi);
}

Gaps HeartbeatPolicy::learn(Gaps gaps, const GapEvidence& evidence, Instant now) const {
  const Duration gap = evidence.gap;
  if (gaps.hi > Duration::zero() && now - gaps.proven_at > kProofAge) {
    gaps.reprobe_at = gaps.proven_at = now;
    gaps.wary = false;
  }
  if (!evidence.alive) {
    if (evidence.flow == Flow::kMain) return main_died(gaps, gap, now);
    return gap > gaps.lo ? found_dead(gaps, gap, now) : gaps;
  }
  if (evidence.flow == Flow::kMain) {
    if (gap >= gaps.died / 4 * 3) gaps.died = {};
    gaps.main_lo = std::max(gaps.main_lo, gap);
  }
  gaps.lo = std::max(gaps.lo, gap);
  if (gap >= scaled(gaps.lo, kMargin - 3)) gaps.proven_at = now;
  if (gaps.hi <= gap) {  // it was wrong, or the network is another one now
    gaps.hi = {};
    gaps.reprobe_at = base::kNever;
  }
  if (gaps.doubt <= gap) gaps.doubt = {};
  if (gaps.limit <= gap) gaps.limit = {};
  return gaps;
}

/// A gap longer than any proven one was found dead; proven dead is what was found so twice.
Gaps HeartbeatPolicy::found_dead(Gaps gaps, Duration gap, Instant now) const {
  if (gap > scaled(longest(), kStep)) return gaps;
  if (gaps.doubt == Duration::zero()) {
    gaps.doubt = gap;
    return gaps;
  }
  const Duration proven = std::max(gaps.doubt, gap);
  // The week's second look found the network as it was.
  if (gaps.reprobe_at <= now && proven >= gaps.hi) gaps.wary = false;
  if (gaps.hi == Duration::zero() || proven < gaps.hi) gaps.hi = proven;
  gaps.reprobe_at = saturating_add(now, kReprobe);
  gaps.doubt = std::min(gaps.doubt, gap);
  if (proven < scaled(gaps.doubt, kStep)) gaps.doubt = {};
  return gaps;
}

Gaps HeartbeatPolicy::main_died(Gaps gaps, Duration gap, Instant now) const {
  if (gap > scaled(longest(), kStep)) return gaps;
  const Duration half = std::max(floor, gap / 2);
  const bool expected = gap <= gaps.lo || gap < Plan{heartbeat(gaps), {}}.earliest();
  if (!expected) {  // the risk that an unproven heartbeat takes
    gaps.limit = half > scaled(gaps.lo, kMargin) ? half : Duration::zero();
    if (!gaps.probe_unreliable) return found_dead(gaps, gap, now);
    gaps.hi = gap;
    gaps.reprobe_at = saturating_add(now, kReprobe);
    return gaps;
  }
  if (punctual && gap <= gaps.lo && gap > scaled(gaps.lo, kMargin)) gaps.wary = true;
  // A path fault first: at 5 % loss every second reconnection would shrink the heartbeat else.
  if (gaps.died == Duration::zero()) {
    gaps.died = gap;
    return gaps;
  }
  gaps.died = gaps.doubt = {};
  gaps.hi = gap;
  gaps.reprobe_at = saturating_add(now, kReprobeAfterChange);
  if (gap <= gaps.lo && gap > scaled(gaps.main_lo, kBlur) && gaps.main_lo >= floor) {
    gaps.probe_unreliable = true;
    gaps.lo = gaps.main_lo;
    return gaps;
  }
  if (gap <= gaps.lo) gaps.lo = gaps.main_lo = {};
  gaps.limit = half > scaled(gaps.lo, kMargin) ? half : Duration::zero();
  return gaps;
}

Gaps HeartbeatPolicy::learn_hint(Gaps gaps, Duration hint, Instant now) const {
  const Duration off = gaps.hint > hint ? gaps.hint - hint : hint - gaps.hint;
  if (gaps.hint > Duration::zero() && off > gaps.hint / 4 && gaps.hi > Duration::zero())
    gaps.reprobe_at = now;
  gaps.hint = hint;
  return gaps;
}

}  // namespace wakeline::link
