// SPDX-License-Identifier: Apache-2.0
#include "app/link_driver.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/log.h"
#include "core/link/lines.h"
#include "io/clock.h"

namespace wakeline::app {
namespace {

/// The machine itself slept when the clocks went apart by so much (link.md §4).
constexpr base::Duration kSlept = std::chrono::seconds(2);
/// A wake may come later by this part of the wait.
constexpr int kWakeSlack = 4;

}  // namespace

base::Result<std::unique_ptr<LinkDriver>> LinkDriver::create(Core& core, Settings settings,
                                                             Hooks hooks) {
  std::unique_ptr<LinkDriver> made(new LinkDriver(core, std::move(settings), std::move(hooks)));
  auto* raw = made.get();
  auto& loop = core.engine().loop();
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [raw] {
    raw->feed([](link::Link& link, base::Instant now, link::Actions& out) {
      link.on_deadline(now, out);
    });
  });
  if (!timer) return base::fail(timer.error());
  made->timer_ = std::move(*timer);
  auto storage =
      io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [raw] { raw->write_state(); });
  if (!storage) return base::fail(storage.error());
  made->storage_timer_ = std::move(*storage);
  auto writer = StateWriter::start(made->settings_.state_file);
  if (!writer) return base::fail(writer.error());
  made->writer_ = std::move(*writer);
  auto watch = io::NetworkWatch::open(loop, [raw] { raw->read_network(); });
  if (watch) {
    made->network_watch_ = std::move(*watch);
  } else {
    base::log(base::LogLevel::kWarning, "link", "changes of the network go unnoticed: {}",
              base::to_string(watch.error()));
  }
  made->read_network();
  return made;
}

LinkDriver::LinkDriver(Core& core, Settings settings, Hooks hooks)
    : core_(core),
      settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      link_(settings_.config, settings_.memory, base::Random(io::random_seed()),
            std::exchange(settings_.outbox, {})),
      written_(settings_.memory) {
  core_.add_listener(this);
}

LinkDriver::~LinkDriver() {
  stop();
  alive_.reset();
  writer_.reset();
  outbox_writer_.reset();
  write_last_state();
  const auto written = write_last_outbox();
  for (const Send& send : std::exchange(sends_, {})) send.done(written);
  core_.remove_listener(this);
}

void LinkDriver::feed(const Event& event) {
  // Whatever an action causes comes back by the loop, never within it.
  WL_CHECK(!std::exchange(feeding_, true));
  const base::Duration asleep = io::time_asleep();
  if (asleep - std::exchange(asleep_, asleep) >= kSlept)
    link_.on_woken(io::now(), line_facts(), actions_);
  event(link_, io::now(), actions_);
  for (const link::Action& action : actions_) {
    if (base::log_enabled(base::LogLevel::kDebug)) {
      base::log(base::LogLevel::kDebug, "link", "{}", link::to_line(action));
    }
    std::visit([this](const auto& wanted) { this->carry_out(wanted); }, action);
  }
  actions_.clear();
  feeding_ = false;
  timer_->set(link_.next_deadline());
  ask_for_wake();
}

/// Suspended, no timer of ours runs: the host is asked for a wake in the link's window (C40). Where
/// it gives none, the keep-alive handler is the next occasion.
void LinkDriver::ask_for_wake() {
  link::WakeWindow wanted;
  if (core_.told_state() == AppState::kBackground) wanted = link_.next_wake();
  if (wanted == wake_wanted_) return;
  wake_wanted_ = wanted;
  const std::uint64_t current = ++wakes_asked_;
  if (wake_ != 0) core_.contract().wakes().cancel(std::exchange(wake_, 0));
  if (wanted.latest == base::kNever) return;
  const base::Instant now = io::now();
  const auto from_now = [now](base::Instant at) {
    return std::chrono::ceil<std::chrono::milliseconds>(std::max(at - now, base::Duration::zero()));
  };
  const auto earliest = from_now(wanted.earliest);
  // A moment alone merges with nothing else that wakes; a little later is as good.
  const auto latest = std::max(from_now(wanted.latest), earliest + earliest / kWakeSlack);
  core_.contract().wakes().request(
      earliest, latest,
      [this, current, alive = std::weak_ptr(alive_)] {
        if (alive.expired() || current != wakes_asked_) return;
        wake_ = 0;
        feed([](link::Link& link, base::Instant at, link::Actions& out) {
          link.on_deadline(at, out);
        });
      },
      [this, current, alive = std::weak_ptr(alive_)](const Result<Wakes::Key>& key) {
        if (alive.expired()) return;
        if (!key)
          base::log(base::LogLevel::kDebug, "link", "no wake: {}", key.error().message);
        else if (current == wakes_asked_)
          wake_ = *key;
        else
          core_.contract().wakes().cancel(*key);
      });
}

void LinkDriver::later(std::function<void()> task) {
  core_.engine().loop().post([task = std::move(task), alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) task();
  });
}

void LinkDriver::start() {
  if (link_.state() != link::State::kStopped) return;
  if (keep_alive_ == 0) {
    keep_alive_ = core_.contract().new_key();
    const auto every =
        std::chrono::duration_cast<std::chrono::seconds>(settings_.config.keep_alive);
    core_.contract().keep_alive().set_anyway(keep_alive_, every,
                                             [this](const std::function<void()>& done) {
                                               on_woken();
                                               // What it began is held by a task of its own.
                                               done();
                                             });
  }
  const bool foreground = core_.told_state() == AppState::kForeground;
  feed([foreground](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_foreground(now, foreground, out);
    link.start(now, out);
  });
}

void LinkDriver::stop() {
  // Also of one that was not made whole: without its timer, it was never started.
  if (link_.state() != link::State::kStopped)
    feed([](link::Link& link, base::Instant now, link::Actions& out) { link.stop(now, out); });
  if (keep_alive_ != 0) core_.contract().keep_alive().clear(std::exchange(keep_alive_, 0));
  core_.contract().end_task(std::exchange(task_, 0));
  ++holds_;
}

void LinkDriver::kick() {
  feed([](link::Link& link, base::Instant now, link::Actions& out) { link.on_kick(now, out); });
}

void LinkDriver::ask_for(wire::Urgency lowest) {
  feed([lowest](link::Link& link, base::Instant now, link::Actions& out) {
    link.ask_for(now, lowest, out);
  });
}

void LinkDriver::accept(link::DeliveryId delivery) {
  feed([delivery](link::Link& link, base::Instant now, link::Actions& out) {
    link.accept(now, delivery, out);
  });
}

void LinkDriver::send(link::Message message, base::Duration time_to_live,
                      std::function<void(base::Result<void>)> done) {
  base::Result<std::uint64_t> serial;
  feed([&](link::Link& link, base::Instant now, link::Actions& out) {
    message.until = base::saturating_add(now, time_to_live);
    serial = link.send(now, std::move(message), out);
  });
  if (!serial) return done(base::fail(serial.error()));
  if (*serial == 0) return done({});
  sends_.push_back({*serial, std::move(done)});
}

void LinkDriver::outcome_taken(std::uint64_t number) {
  feed([number](link::Link& link, base::Instant now, link::Actions& out) {
    link.outcome_taken(now, number, out);
  });
}

void LinkDriver::is_wake_capable(std::function<void(bool)> done) {
  const auto line = lines_.find(link_.live());
  core_.contract().is_wake_capable(line == lines_.end() ? 0 : line->second.tag, std::move(done));
}

void LinkDriver::on_host_state(AppState state) {
  feed([state](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_foreground(now, state == AppState::kForeground, out);
  });
}

void LinkDriver::on_host_woken(WakeCause cause, TagKey tag) {
  const bool own_socket = tag != 0 && std::ranges::any_of(lines_, [tag](const auto& entry) {
                            return entry.second.tag == tag;
                          });
  // The bytes or the end of our own socket speak for themselves; the keep-alive handler is called
  // on its own; an expiring task, a host that ends or a slice for other sockets is no reason to
  // doubt the line.
  if (own_socket || cause == WakeCause::kKeepAlive || cause == WakeCause::kTask ||
      cause == WakeCause::kHostStopping || cause == WakeCause::kIpc) {
    return;
  }
  if (cause == WakeCause::kNetwork) read_network();
  on_woken();
}

void LinkDriver::on_host_network(const NetworkFacts& /*facts*/) { read_network(); }

/// Asks the kernel first: it is free, and may know already.
void LinkDriver::on_woken() {
  const link::LineFacts facts = line_facts();
  feed([facts](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_woken(now, facts, out);
  });
}

void LinkDriver::carry_out(const link::HoldAwake& hold) {
  const std::uint64_t current = ++holds_;
  const auto on_expire = [this, current, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || current != holds_) return;
    core_.contract().end_task(std::exchange(task_, 0));
    feed([](link::Link& link, base::Instant now, link::Actions& /*out*/) {
      link.on_hold_expired(now);
    });
  };
  core_.contract().begin_task(
      "link " + std::string(link::name(hold.why)), on_expire,
      [this, current, alive = std::weak_ptr(alive_)](const Result<TaskKey>& task) {
        if (!task || alive.expired()) return;
        if (current != holds_) return core_.contract().end_task(*task);
        task_ = *task;
      });
}

void LinkDriver::carry_out(const link::LetGo& /*let_go*/) {
  ++holds_;
  core_.contract().end_task(std::exchange(task_, 0));
}

void LinkDriver::carry_out(const link::Outcome& outcome) { hooks_.outcome(outcome); }

void LinkDriver::carry_out(const link::Missed& missed) { hooks_.missed(missed); }

void LinkDriver::carry_out(const link::Deliver& deliver) { hooks_.deliver(deliver.delivery); }

void LinkDriver::carry_out(const link::Report& report) {
  link::Report told = report;
  if (told.why == link::Why::kTlsFailed && told.detail.empty()) told.detail = tls_detail_;
  hooks_.report(told, io::now());
}

}  // namespace wakeline::app
