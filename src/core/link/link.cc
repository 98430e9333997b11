// SPDX-License-Identifier: Apache-2.0
#include "core/link/link.h"

#include <algorithm>

#include "base/check.h"
#include "wire/push.h"

namespace wakeline::link {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Tries that don't wait for their time (a wake, the user, the network) come no closer (link.md
/// §2).
constexpr Duration kHurryInterval = seconds(5);
/// Without a network: the one timer that runs, in case the system's word was wrong (C31).
constexpr Duration kSafetyCheck = minutes(15);
/// An answer of the resolver serves so long when a later one fails (link.md §3).
constexpr Duration kStaleMax = hours(24);
/// A wait up to this long is sat out awake, inside the wake that found the line dead (C33); a
/// longer one is given back to the host.
constexpr Duration kHoldMax = seconds(30);
/// An answer's deadline that fires so late belongs to a process that was suspended: its bytes may
/// lie in the socket unread.
constexpr Duration kLate = milliseconds(500);
/// The longest that CONNECT can say (MQTT 5.0 §3.1.2.10).
constexpr Duration kKeepAliveMax = seconds(0xFFFF);
/// Attempt epochs reserved by one write.
constexpr std::uint64_t kAttemptsReserved = 1'024;

}  // namespace

base::Result<void> check(const Config& config) {
  using base::ErrorCode;
  if (config.host.empty()) return base::fail(ErrorCode::kInvalidArgument, "link.host");
  if (config.port == 0) return base::fail(ErrorCode::kInvalidArgument, "link.port");
  if (!wire::is_device_name(config.device))
    return base::fail(ErrorCode::kInvalidArgument, "link.device");
  if (config.token.size() > kTokenMax) return base::fail(ErrorCode::kTooLarge, "link.token");
  if (config.keep_alive < Duration::zero() || config.keep_alive > kKeepAliveMax)
    return base::fail(ErrorCode::kInvalidArgument, "link.keep_alive");
  if (config.connect_timeout <= Duration::zero())
    return base::fail(ErrorCode::kInvalidArgument, "link.connect_timeout");
  return {};
}

Link::Link(Config config, Memory memory, base::Random random)
    : config_(std::move(config)),
      memory_(std::move(memory)),
      random_(random),
      attempt_(memory_.attempts),
      hurried_at_(Instant::min()) {
  WL_CHECK(check(config_));
}

void Link::start(Instant now, Actions& out) {
  if (state_ != State::kStopped) return;
  const Instant quiet = quiet_until(now);
  if (quiet > now)
    wait(now, quiet == not_before_ ? Why::kBadCredentials : Why::kServerBusy, quiet - now, {}, out);
  else
    connect_now(now, Why::kStarted, out);
  settle(now, out);
}

void Link::stop(Instant now, Actions& out) {
  if (state_ == State::kStopped) return;
  if (live_) {
    send(live_->id, wire::mqtt::Disconnect{}, out);
    out.push(Close{live_->id});
    live_.reset();
  }
  race_.finish({}, out);
  resolving_ = false;
  timers_.clear_all();
  set_state(State::kStopped, Why::kStoppedByApp, {}, {}, out);
  settle(now, out);
}

void Link::on_resolved(Instant now, std::uint64_t generation, std::vector<Address> addresses,
                       Actions& out) {
  if (!resolving_ || generation != generation_) return;
  if (addresses.empty()) {
    resolve_failed(now, out);
  } else {
    addresses_ = candidate_order(std::move(addresses), last_good_);
    resolved_at_ = now;
    begin_race(now, out);
  }
  settle(now, out);
}

void Link::on_resolve_failed(Instant now, std::uint64_t generation, Actions& out) {
  if (!resolving_ || generation != generation_) return;
  resolve_failed(now, out);
  settle(now, out);
}

void Link::on_connected(Instant now, AttemptId attempt, Actions& out) {
  if (race_.find(attempt) != nullptr) {
    race_.on_connected(attempt);
    run_race(now, out);
  }
  settle(now, out);
}

void Link::on_failed(Instant now, AttemptId attempt, Why why, Actions& out) {
  if (live_ && live_->id == attempt) {
    // An end in answer to our ping is our own line's (a NAT, a server that restarted long ago).
    const Return how = live_->pinging ? Return::kAtOnce : Return::kSpread;
    lost(now, {.why = why, .how = how}, out);
  } else if (race_.find(attempt) != nullptr) {
    race_.remove(now, attempt);
    race_why_ = why;
    run_race(now, out);
  }
  settle(now, out);
}

void Link::on_persisted(Instant now, std::uint64_t serial, Actions& out) {
  if (!persisting_ || serial != serial_) return;
  persisting_ = false;
  for (const std::uint16_t packet_id : inbox_.on_persisted(serial)) acknowledge(packet_id, out);
  if (persist_again_) persist(out);
  settle(now, out);
}

void Link::accept(Instant now, DeliveryId delivery, Actions& out) {
  const auto [next, packet_id] = inbox_.accept(memory_, delivery, serial_ + 1);
  if (next == Inbox::Acceptance::kPersist) persist(out);
  if (next == Inbox::Acceptance::kAcknowledge) acknowledge(packet_id, out);
  settle(now, out);
}

void Link::on_woken(Instant now, Actions& out) {
  hold_expired_ = false;
  check_line(now, out);
  try_now(now, Why::kWoken, out);
  settle(now, out);
}

void Link::on_network_changed(Instant now, bool online, bool local_address_gone, Actions& out) {
  hold_expired_ = false;
  online_ = online;
  if (live_ && local_address_gone) {
    out.push(Close{live_->id});
    lost(now, {.why = Why::kNetworkChanged, .how = Return::kAtOnce}, out);
  } else if (online) {
    check_line(now, out);
    try_now(now, Why::kNetworkChanged, out);
  } else if (state_ == State::kWaiting) {
    wait(now, Why::kNetworkChanged, kSafetyCheck, {}, out);
  }
  settle(now, out);
}

void Link::on_foreground(Instant now, bool foreground, Actions& out) {
  hold_expired_ = false;
  foreground_ = foreground;
  if (live_) arm_ping(now);
  if (foreground) {
    check_line(now, out);
    try_now(now, Why::kWoken, out);
  }
  settle(now, out);
}

void Link::on_hold_expired(Instant /*now*/) {
  hold_expired_ = held_;
  held_ = false;
}

void Link::on_deadline(Instant now, Actions& out) {
  for (;;) {
    const Instant answer_due = timers_.at(Timer::kAnswer);
    const auto timer = timers_.pop(now);
    if (!timer) break;
    switch (*timer) {
      case Timer::kRetry:
        connect_now(now, Why::kRetry, out);
        break;
      case Timer::kResolve:
        resolve_failed(now, out);
        break;
      case Timer::kRace:
        run_race(now, out);
        break;
      case Timer::kPing:
        ping(now, out);
        break;
      case Timer::kHedge:
        begin_race(now, out);
        break;
      case Timer::kAnswer:
        on_answer_late(now, answer_due, out);
        break;
      case Timer::kCount:
        break;
    }
  }
  settle(now, out);
}

// --- to a connection

void Link::connect_now(Instant now, Why why, Actions& out) {
  timers_.clear(Timer::kRetry);
  set_state(State::kConnecting, why, {}, {}, out);
  resolving_ = true;
  timers_.set(Timer::kResolve, now + config_.connect_timeout);
  out.push(Resolve{++generation_, config_.host, config_.port});
}

/// Cuts a wait short, if it may be.
void Link::try_now(Instant now, Why why, Actions& out) {
  if (state_ != State::kWaiting && state_ != State::kNoNetwork) return;
  if (quiet_until(now) > now) return;
  const Instant allowed = saturating_add(hurried_at_, kHurryInterval);
  if (allowed <= now) {
    hurried_at_ = now;
    connect_now(now, why, out);
  } else if (state_ == State::kNoNetwork && online_) {
    wait(now, why, allowed - now, {}, out);
  }
}

void Link::resolve_failed(Instant now, Actions& out) {
  if (!addresses_.empty() && now - resolved_at_ <= kStaleMax)
    begin_race(now, out);
  else
    failed(now, {.why = Why::kResolveFailed}, out);
}

void Link::begin_race(Instant now, Actions& out) {
  resolving_ = false;
  timers_.clear(Timer::kResolve);
  race_why_ = Why::kConnectFailed;
  race_.begin(now, candidate_order(addresses_, last_good_));
  run_race(now, out);
}

/// Moves a race that is on. Beside a live line that is late with its answer, connections are only
/// prepared: nobody speaks, so the session stays where it is.
void Link::run_race(Instant now, Actions& out) {
  if (race_.expire(now, out)) race_why_ = Why::kPeerSilent;
  while (race_.may_start(now)) race_.start(now, next_attempt(out), config_, out);
  if (live_) return;
  if (const auto speaker = race_.take_turn(now, out)) say_connect(now, *speaker, out);
  if (!race_.running()) failed(now, {.why = race_why_}, out);
}

AttemptId Link::next_attempt(Actions& out) {
  if (attempt_ >= memory_.attempts) {
    memory_.attempts = attempt_ + kAttemptsReserved;
    persist(out);
  }
  return {++attempt_};
}

// --- and back

/// The live line is over; its socket is closed by the peer or the caller.
void Link::lost(Instant now, Loss loss, Actions& out) {
  if (live_->subscribing) {
    loss.how = Return::kFailure;
  } else if (now - live_->since < kEarlyDeath) {
    backoff_.on_early_death();
    loss.how = Return::kFailure;
  }
  live_.reset();
  timers_.clear(Timer::kPing);
  timers_.clear(Timer::kHedge);
  timers_.clear(Timer::kAnswer);
  if (loss.how == Return::kFailure) {
    failed(now, std::move(loss), out);
    return;
  }
  const bool at_once = loss.how == Return::kAtOnce && online_ && quiet_until(now) <= now;
  if (at_once && race_.running()) {
    set_state(State::kConnecting, loss.why, {}, std::move(loss.detail), out);
    run_race(now, out);
    return;
  }
  race_.finish({}, out);
  if (at_once) {
    connect_now(now, loss.why, out);
    return;
  }
  // The wake that brought the loss, and a keep-alive handler that shares it, hurry nobody.
  hurried_at_ = now;
  const Duration delay =
      loss.asked ? *loss.asked : backoff_.after_loss(memory_.spread, foreground_, random_);
  wait(now, loss.why, delay, std::move(loss.detail), out);
}

/// A try came to nothing.
void Link::failed(Instant now, Loss loss, Actions& out) {
  race_.finish({}, out);
  resolving_ = false;
  timers_.clear(Timer::kResolve);
  Duration delay;
  if (loss.why == Why::kBadCredentials) {
    delay = backoff_.after_bad_credentials(random_);
    not_before_ = now + delay;
  } else {
    delay = backoff_.after_failure(memory_.spread, random_);
    if (loss.asked) delay = *loss.asked;
  }
  wait(now, loss.why, delay, std::move(loss.detail), out);
}

void Link::wait(Instant now, Why why, Duration delay, std::string detail, Actions& out) {
  const State state = online_ ? State::kWaiting : State::kNoNetwork;
  const Instant until = std::max(now + (online_ ? delay : kSafetyCheck), quiet_until(now));
  timers_.set(Timer::kRetry, until);
  set_state(state, why, until, std::move(detail), out);
}

/// Until when nothing is tried, whatever happens. A time that a clock of before the machine's
/// restart has set is taken for what it can be at most.
Instant Link::quiet_until(Instant now) const {
  const Instant asked = memory_.not_before > now + kRetryAfterMax ? Instant{} : memory_.not_before;
  return std::max(asked, not_before_);
}

// --- is it alive?

void Link::check_line(Instant now, Actions& out) {
  if (!live_ || live_->subscribing || live_->pinging) return;
  if (now - live_->heard_at > rtt_.fresh()) ping(now, out);
}

void Link::ping(Instant now, Actions& out) {
  if (!live_ || live_->pinging || live_->subscribing) return;
  live_->pinging = true;
  live_->asked_patience = false;
  live_->asked_at = now;
  send(live_->id, wire::mqtt::Pingreq{}, out);
  arm_ping(now);
  const Duration patience = rtt_.patience(config_.ping_timeout_min);
  timers_.set(Timer::kAnswer, now + patience);
  if (rtt_.hedge() < patience) timers_.set(Timer::kHedge, now + rtt_.hedge());
}

void Link::arm_ping(Instant now) {
  timers_.clear(Timer::kPing);
  const Duration keep_alive = live_->keep_alive;
  if (keep_alive <= Duration::zero() || !(config_.ping_by_timer || foreground_)) return;
  // A little early: the standard wants a packet within the interval.
  timers_.set(Timer::kPing, now + std::max(keep_alive / 2, keep_alive - seconds(1)));
}

void Link::on_answer_late(Instant now, Instant due, Actions& out) {
  if (now - due > kLate && !live_->asked_patience) {
    live_->asked_patience = true;
    timers_.set(Timer::kAnswer, now + rtt_.patience(config_.ping_timeout_min));
    return;
  }
  out.push(Close{live_->id});
  lost(now, {.why = Why::kPeerSilent, .how = Return::kAtOnce}, out);
}

// --- what the driver hears of it

void Link::persist(Actions& out) {
  persist_again_ = persisting_;
  if (persisting_) return;
  persisting_ = true;
  out.push(Persist{++serial_, memory_});
}

void Link::set_state(State state, Why why, Instant until, std::string detail, Actions& out) {
  if (state == state_ && why == why_ && until == until_) return;
  state_ = state;
  why_ = why;
  until_ = until;
  out.push(Report{state, why, until, std::move(detail)});
}

bool Link::busy(Instant now) const {
  if (persisting_ || inbox_.busy() || state_ == State::kConnecting) return true;
  if (live_ && live_->pinging) return true;
  return state_ == State::kWaiting && timers_.at(Timer::kRetry) - now <= kHoldMax;
}

/// Ends every event: one timer for the race, and awake or not.
void Link::settle(Instant now, Actions& out) {
  if (race_.running())
    timers_.set(Timer::kRace, race_.next_deadline());
  else
    timers_.clear(Timer::kRace);
  const bool wanted = busy(now);
  if (!wanted) hold_expired_ = false;
  if (wanted == held_ || (wanted && hold_expired_)) return;
  held_ = wanted;
  if (wanted)
    out.push(HoldAwake{why_});
  else
    out.push(LetGo{});
}

}  // namespace wakeline::link
