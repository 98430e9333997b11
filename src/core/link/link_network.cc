// SPDX-License-Identifier: Apache-2.0
// Which network the device is on, and the way from one to the next.
#include <algorithm>

#include "core/link/link.h"
#include "core/link/link_parts.h"

namespace wakeline::link {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Facts settle for so long before they count: a cable, a roaming radio (link.md §6).
constexpr Duration kSettleUp = milliseconds(50);
constexpr Duration kSettleDown = seconds(1);
/// Three changes of network within the first: the second passes before the line moves again.
constexpr Duration kFlapping = seconds(60);
constexpr Duration kFlapHold = seconds(30);
/// An answer of the resolver, or an address that answered, serves so long (link.md §3).
constexpr Duration kStaleMax = hours(24);

}  // namespace

void Link::on_network_changed(Instant now, const NetworkFacts& facts, Actions& out) {
  if (state_ == State::kStopped) {  // what start() begins with
    facts_ = facts;
    facts_.local_address_gone = false;
    return;
  }
  const bool waits = timers_.is_set(Timer::kNetwork);
  if (facts == (waits ? new_facts_ : facts_)) return;
  hold_expired_ = false;
  new_facts_ = facts;
  if (live_ && facts.local_address_gone) {
    timers_.clear(Timer::kNetwork);
    settle_network(now, out);
  } else {
    timers_.set(Timer::kNetwork, now + (facts.online ? kSettleUp : kSettleDown));
  }
  settle(now, out);
}

/// The new facts count from here on.
void Link::settle_network(Instant now, Actions& out) {
  const NetworkFacts old = std::exchange(facts_, new_facts_);
  facts_.local_address_gone = false;  // said of one connection
  const bool elsewhere = facts_.key != old.key;
  if (elsewhere) {
    std::ranges::rotate(changes_, changes_.end() - 1);
    changes_.front() = now;
    suspect_.reset();
    end_probe(out);
    use_network(now, facts_.key);
  }
  if (!old.online) network_.routes.forgive();  // there was no way at all
  if (live_ && new_facts_.local_address_gone) {
    out.push(Close{live_->id});
    lost(now, {.why = Why::kNetworkChanged, .how = Return::kAtOnce}, out);
  } else if (!facts_.online) {
    if (state_ == State::kWaiting) wait(now, Why::kNetworkChanged, kSafetyCheck, {}, out);
  } else if (!live_) {
    try_on_network(now, elsewhere || !old.online, out);
  } else if (elsewhere) {
    const bool flapping = changes_.back() != Instant::min() && now - changes_.back() <= kFlapping;
    if (!flapping) return move(now, out);
    timers_.set(Timer::kMove, now + kFlapHold);
    check_line(now, out);
  } else {
    check_line(now, out);
  }
}

/// `anew`: there was another network before, or none. The end of a try that is under way says
/// nothing of this one then.
void Link::try_on_network(Instant now, bool anew, Actions& out) {
  if (anew && state_ == State::kConnecting) {
    began_elsewhere_ = true;
    if (resolving_) resolve(now, out);  // by other name servers
  }
  try_now(now, Why::kNetworkChanged, out);
}

/// Keeps what was learnt of the present network, and takes up what is known of another.
void Link::use_network(Instant now, const std::string& key) {
  if (network_.used_at != Instant{}) memory_.networks.use(network_.key, now) = network_;
  network_ = memory_.networks.use(is_network_key(key) ? key : std::string(), now);
}

/// The system prefers another network: make the line there before the old one is left.
void Link::move(Instant now, Actions& out) {
  if (!live_ || live_->subscribing || moving_) return;
  timers_.clear(Timer::kMove);
  // The server wants no login before.
  if (quiet_until() > now) return timers_.set(Timer::kMove, quiet_until());
  race_.finish({}, out);
  moving_ = true;
  begin_race(now, out);
}

std::vector<Candidate> Link::candidates(Instant now) const {
  std::vector<std::uint16_t> ports = {config_.port};
  for (const std::uint16_t port : config_.more_ports)
    if (std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
  return network_.routes.candidates(addresses_, ports, now);
}

/// Leaves in `addresses_` what may be tried before the resolver answers.
void Link::use_stale(Instant now) {
  if (!addresses_.empty() && now - resolved_at_ <= kStaleMax) return;
  addresses_.clear();
  for (const Routes::Record& r : network_.routes.all()) {
    const bool good = r.good_at != Instant{} && now - r.good_at <= kStaleMax;
    if (good && std::ranges::find(addresses_, r.route.address) == addresses_.end())
      addresses_.push_back(r.route.address);
  }
  resolved_at_ = now;
}

}  // namespace wakeline::link
