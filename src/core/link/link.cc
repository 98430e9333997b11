// SPDX-License-Identifier: Apache-2.0
#include "core/link/link.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/link/link_parts.h"
#include "wire/push.h"

namespace wakeline::link {
namespace {

using std::chrono::seconds;

/// Tries that don't wait for their time (a wake, the user, the network) come no closer (link.md
/// §2).
constexpr Duration kHurryInterval = seconds(5);
/// A wait up to this long is sat out awake, inside the wake that found the line dead (C33); a
/// longer one is given back to the host.
constexpr Duration kHoldMax = seconds(30);
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

Link::Link(Config config, Memory memory, base::Random random, std::vector<Message> outbox)
    : config_(std::move(config)),
      memory_(std::move(memory)),
      random_(random),
      attempt_(memory_.attempts),
      outbox_(std::move(outbox)),
      hurried_at_(Instant::min()) {
  WL_CHECK(check(config_));
  config_.heartbeat.punctual = !config_.kernel_keeps_alive;
  changes_.fill(Instant::min());
}

void Link::start(Instant now, Actions& out) {
  if (state_ != State::kStopped) return;
  memory_.networks.forget_the_future(now);
  outbox_.forget_the_future(now);
  use_network(now, facts_.key);
  // A wall clock that was wrong then, or is now, locks nobody out.
  if (memory_.not_before > now + kRetryAfterMax) {
    memory_.not_before = now + kRetryAfterMax;
    persist(out);
  }
  const Instant quiet = quiet_until();
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
  end_probe(out);
  race_.finish({}, out);
  resolving_ = moving_ = false;
  suspect_.reset();
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
    resolving_ = false;
    timers_.clear(Timer::kResolve);
    take_addresses(now, std::move(addresses), out);
  }
  settle(now, out);
}

void Link::on_resolved_in_part(Instant now, std::uint64_t generation,
                               std::vector<Address> addresses, Actions& out) {
  if (!resolving_ || generation != generation_ || addresses.empty()) return;
  take_addresses(now, std::move(addresses), out);
  settle(now, out);
}

void Link::on_resolve_failed(Instant now, std::uint64_t generation, Actions& out) {
  if (!resolving_ || generation != generation_) return;
  resolve_failed(now, out);
  settle(now, out);
}

void Link::on_tcp(Instant now, AttemptId attempt, Actions& out) {
  if (race_.find(attempt) == nullptr) return;
  race_.on_tcp(now, attempt);
  run_race(now, out);
  settle(now, out);
}

void Link::on_connected(Instant now, AttemptId attempt, Actions& out) {
  if (race_.find(attempt) != nullptr) {
    race_.on_connected(attempt);
    run_race(now, out);
  } else if (probe_ && probe_->id == attempt) {
    probe_->phase = Probe::Phase::kGreeting;
    say_connect(now, attempt, out);
  }
  settle(now, out);
}

void Link::on_failed(Instant now, AttemptId attempt, Why why, Actions& out) {
  if (live_ && live_->id == attempt) {
    line_died(now, why, out);
  } else if (const auto* racing = race_.find(attempt)) {
    network_.routes.on_failed(racing->route, now);
    race_.remove(now, attempt);
    race_why_ = why;
    run_race(now, out);
  } else if (probe_ && probe_->id == attempt) {
    on_probe_ended(now, out);
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

void Link::on_woken(Instant now, const LineFacts& line, Actions& out) {
  hold_expired_ = false;
  if (live_ && (line.ended || line.address_gone)) {
    const Why why = line.address_gone ? Why::kNetworkChanged : Why::kPeerClosed;
    out.push(Close{live_->id});
    lost(now, {.why = why, .how = Return::kAtOnce}, out);
  } else {
    check_line(now, out);
    // Our bytes went out again and again: whoever answers first is right.
    if (live_ && live_->pinging && line.resending && !race_.running()) begin_race(now, out);
    try_now(now, Why::kWoken, out);
  }
  settle(now, out);
}

void Link::on_foreground(Instant now, bool foreground, Actions& out) {
  hold_expired_ = false;
  foreground_ = foreground;
  if (live_) arm_ping(live_->active_at);
  if (foreground) {
    check_line(now, out);
    try_now(now, Why::kWoken, out);
  }
  settle(now, out);
}

void Link::on_kick(Instant now, Actions& out) {
  hold_expired_ = false;
  network_.routes.forgive();
  ping(now, out);
  try_now(now, Why::kWoken, out);
  settle(now, out);
}

void Link::on_hold_expired(Instant /*now*/) {
  hold_expired_ = held_;
  held_ = false;
}

void Link::on_deadline(Instant now, Actions& out) {
  for (;;) {
    const Instant due = timers_.next();
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
        if (!race_.running()) begin_race(now, out);
        break;
      case Timer::kAnswer:
        on_answer_late(now, due, out);
        break;
      case Timer::kNetwork:
        settle_network(now, out);
        break;
      case Timer::kMove:
        move(now, out);
        break;
      case Timer::kProbe:
        on_probe_timer(now, due, out);
        break;
      case Timer::kOutbox:  // settle() looks at it
      case Timer::kCount:
        break;
    }
  }
  settle(now, out);
}

// --- to a connection

void Link::connect_now(Instant now, Why why, Actions& out) {
  timers_.clear(Timer::kRetry);
  began_elsewhere_ = false;
  set_state(State::kConnecting, why, {}, {}, out);
  resolve(now, out);
  // An older answer serves at once, and the new one joins the race (link.md §3).
  use_stale(now);
  if (!addresses_.empty()) begin_race(now, out);
}

void Link::resolve(Instant now, Actions& out) {
  resolving_ = true;
  timers_.set(Timer::kResolve, now + config_.connect_timeout);
  out.push(Resolve{++generation_, config_.host, config_.port});
}

/// Cuts a wait short, if it may be. On a network that came or changed it is short in any case: what
/// was waited for may have been that.
void Link::try_now(Instant now, Why why, Actions& out) {
  if (state_ != State::kWaiting && state_ != State::kNoNetwork) return;
  const Instant allowed = std::max(may_hurry_at(), quiet_until());
  if (allowed <= now) {
    hurried_at_ = now;
    connect_now(now, why, out);
  } else if (why == Why::kNetworkChanged && allowed < timers_.at(Timer::kRetry)) {
    wait(now, why, allowed - now, {}, out);
  }
}

Instant Link::may_hurry_at() const { return saturating_add(hurried_at_, kHurryInterval); }

/// Whatever older answer there was is in the race, or has lost it.
void Link::resolve_failed(Instant now, Actions& out) {
  resolving_ = false;
  timers_.clear(Timer::kResolve);
  if (state_ != State::kConnecting || live_ || race_.running()) return;
  failed(now, {.why = addresses_.empty() ? Why::kResolveFailed : race_why_}, out);
}

void Link::take_addresses(Instant now, std::vector<Address> addresses, Actions& out) {
  addresses_ = std::move(addresses);
  resolved_at_ = now;
  if (race_.running()) {
    race_.add(candidates(now));
    run_race(now, out);
  } else if (state_ == State::kConnecting && !live_) {
    begin_race(now, out);
  }
}

void Link::begin_race(Instant now, Actions& out) {
  race_why_ = Why::kConnectFailed;
  race_.begin(now, candidates(now),
              {.stagger = network_.rtt.stagger(config_.stagger), .answer = network_.rtt.answer()});
  run_race(now, out);
}

/// Moves a race that is on. Beside a live line that is late with its answer, connections are only
/// prepared: nobody speaks, so the session stays where it is.
void Link::run_race(Instant now, Actions& out) {
  for (const Route& route : race_.expire(now, out)) {
    network_.routes.on_failed(route, now);
    race_why_ = Why::kPeerSilent;
  }
  while (race_.may_start(now)) {
    const Duration h = config_.kernel_keeps_alive ? heartbeat() : Duration::zero();
    race_.start(now, next_attempt(out), config_.connect_timeout, h, out);
  }
  if (const auto id = race_.take_handshake(now)) out.push(Secure{*id});
  if (live_ && live_->pinging && live_->tries > 1 && race_.has_standby()) {
    // Its time was over before: the one that stands by takes its place.
    line_died(now, Why::kPeerSilent, out);
    return;
  }
  if (live_ && !moving_) return;
  if (const auto route = race_.end_turn(now, out)) network_.routes.on_failed(*route, now);
  if (const auto speaker = race_.take_turn(now)) say_connect(now, *speaker, out);
  if (race_.running()) return;
  if (live_)
    moving_ = false;  // the old line has to do
  else if (!resolving_)
    failed(now, {.why = race_why_}, out);
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
  const bool taken = std::exchange(moving_, false) && race_.has_speaker();
  if (taken) {
    loss.how = Return::kAtOnce;  // by ourselves
  } else if (live_->subscribing) {
    loss.how = Return::kFailure;
  } else if (now - live_->since < kEarlyDeath) {
    backoff_.on_early_death();
    loss.how = Return::kFailure;
  }
  end_probe(out);
  live_.reset();
  timers_.clear(Timer::kPing);
  timers_.clear(Timer::kHedge);
  timers_.clear(Timer::kAnswer);
  if (loss.how == Return::kFailure) {
    failed(now, std::move(loss), out);
    return;
  }
  const bool at_once = loss.how == Return::kAtOnce && facts_.online && quiet_until() <= now;
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
  suspect_.reset();  // an outage, no word on the network (link.md §1, rule 2)
  race_.finish({}, out);
  resolving_ = moving_ = false;
  timers_.clear(Timer::kResolve);
  Duration delay;
  if (loss.why == Why::kBadCredentials) {
    delay = backoff_.after_bad_credentials(random_);
    not_before_ = now + delay;
  } else {
    delay = backoff_.after_failure(memory_.spread, foreground_, random_);
    if (loss.asked) {
      delay = *loss.asked;
    } else if (std::exchange(began_elsewhere_, false)) {  // no word on this network
      network_.routes.forgive();
      hurried_at_ = std::max(now, may_hurry_at());
      delay = hurried_at_ - now;
    }
  }
  wait(now, loss.why, delay, std::move(loss.detail), out);
}

void Link::wait(Instant now, Why why, Duration delay, std::string detail, Actions& out) {
  const State state = facts_.online ? State::kWaiting : State::kNoNetwork;
  const Instant until = std::max(now + (facts_.online ? delay : kSafetyCheck), quiet_until());
  timers_.set(Timer::kRetry, until);
  set_state(state, why, until, std::move(detail), out);
}

/// Until when nothing is tried, whatever happens.
Instant Link::quiet_until() const { return std::max(memory_.not_before, not_before_); }

// --- what the driver hears of it

void Link::persist(Actions& out) {
  persist_again_ = persisting_;
  if (persisting_) return;
  persisting_ = true;
  memory_.networks.use(network_.key, network_.used_at) = network_;
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
  if (outbox_busy(now)) return true;
  if (live_ && (live_->pinging || live_->asking || moving_)) return true;
  if (probe_ && probe_->phase != Probe::Phase::kIdle) return true;
  if (timers_.is_set(Timer::kNetwork)) return true;
  return state_ == State::kWaiting && timers_.at(Timer::kRetry) - now <= kHoldMax;
}

WakeWindow Link::next_wake() const {
  WakeWindow wake;
  const auto merge = [&wake](Instant earliest, Instant latest) {
    if (latest < wake.latest) wake = {earliest, latest};
  };
  const Instant ping = timers_.at(Timer::kPing);
  if (live_ && !config_.kernel_keeps_alive && ping != base::kNever)
    merge(ping - live_->heartbeat / 4, ping);
  for (const Timer timer : {Timer::kProbe, Timer::kRetry, Timer::kMove})
    merge(timers_.at(timer), timers_.at(timer));
  return wake;
}

/// Ends every event: the outbox, one timer for the race, and awake or not.
void Link::settle(Instant now, Actions& out) {
  run_outbox(now, out);
  note_writes(now, out);
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
