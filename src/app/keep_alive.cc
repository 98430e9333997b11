// SPDX-License-Identifier: Apache-2.0
#include "app/keep_alive.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::app {
namespace {

/// Handlers that are set within it share a run of the host: the later one's is early enough.
constexpr base::Duration kAskedTogether = std::chrono::seconds(1);

}  // namespace

base::Result<std::unique_ptr<KeepAlive>> KeepAlive::create(io::Loop& loop) {
  std::unique_ptr<KeepAlive> made(new KeepAlive);
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime,
                                         [raw = made.get()] { raw->run_all(false); });
  if (!timer) return base::fail(timer.error());
  made->timer_ = std::move(*timer);
  return made;
}

void KeepAlive::on_host_ready(std::chrono::seconds min) {
  min_ = min;
  if (!handlers_.empty()) ask([](const Result<std::uint64_t>&) {});
}

void KeepAlive::on_host_absent() {
  by_host_ = false;
  arm();
}

void KeepAlive::on_host_run() {
  host_due_ = io::now() + base::bounded(asked_) - kAskedTogether;
  run_all(true);
}

/// Whether the host has what it needs. It counts a timeout from when it is asked, so that asking
/// again for the same would be time that the handlers of before have not.
bool KeepAlive::told_host() const { return by_host_ && asked_ == times_.shortest(); }

void KeepAlive::tell_host() {
  if (!channel_->ready() || told_host()) return arm();
  ask([](const Result<std::uint64_t>&) {});
  run_late();
}

void KeepAlive::ask(std::function<void(Result<std::uint64_t>)> answered) {
  asked_ = times_.shortest();
  host_due_ = io::now() + base::bounded(asked_) - kAskedTogether;
  const auto seconds = static_cast<std::uint32_t>(asked_.count());
  channel_->ask(wire::host::SetKeepAlive{.timeout_s = seconds},
                [this, answered = std::move(answered)](const Result<std::uint64_t>& reply) {
                  by_host_ = reply.has_value() && !handlers_.empty();
                  if (!reply && channel_->ready()) {
                    base::log(base::LogLevel::kWarning, "app", "keep-alive: {}",
                              reply.error().message);
                  }
                  arm();
                  answered(reply);
                });
}

/// Those that the host, which was asked anew, would run too late. By now: the app may be suspended
/// when their time comes.
void KeepAlive::run_late() {
  run(times_.over_before(host_due_), [] {});
}

void KeepAlive::set(Key key, std::chrono::seconds timeout, OnRun on_run,
                    std::function<void(Result<bool>)> done) {
  if (timeout < min_ || timeout.count() > UINT32_MAX) {
    const bool too_short = timeout < min_;
    return done(Error{too_short ? ErrorCode::kTooShort : ErrorCode::kInvalidArgument,
                      "keep-alive timeout of " + std::to_string(timeout.count()) +
                          " s: the shortest is " + std::to_string(min_.count()) + " s"});
  }
  const auto former = times_.find(key);
  const OnRun former_run = former ? handlers_.at(key) : OnRun();
  handlers_.insert_or_assign(key, std::move(on_run));
  times_.put(key, {timeout, io::now()});
  if (!channel_->ready() || told_host()) {
    arm();
    return done(former.has_value());
  }
  ask([this, key, former, former_run, done = std::move(done)](const Result<std::uint64_t>& reply) {
    if (reply || reply.error().code == ErrorCode::kNoHost) return done(former.has_value());
    // Refused: as if nothing had been asked.
    if (former) {
      handlers_.insert_or_assign(key, former_run);
      times_.put(key, *former);
    } else {
      handlers_.erase(key);
      times_.remove(key);
    }
    arm();
    done(reply.error());
  });
  run_late();
}

void KeepAlive::set_anyway(Key key, std::chrono::seconds timeout, OnRun on_run) {
  handlers_.insert_or_assign(key, std::move(on_run));
  times_.put(key, {std::max(timeout, min_), io::now()});
  tell_host();
}

void KeepAlive::clear(Key key) {
  if (handlers_.erase(key) == 0) return;
  times_.remove(key);
  tell_host();
}

void KeepAlive::run_all(bool for_host) {
  if (handlers_.empty()) return;
  std::vector<Key> keys;
  for (const auto& [key, on_run] : handlers_) keys.push_back(key);
  if (!for_host) return run(keys, [] {});
  run(keys, [this, number = ++runs_, left = std::make_shared<std::size_t>(keys.size())] {
    // Of an earlier run: its budget is over, and the host has forgotten it.
    if (*left == 0 || number != runs_ || --*left > 0) return;
    channel_->ask(wire::host::KeepAliveDone{}, [](const Result<std::uint64_t>&) {});
  });
}

/// `done` is called for each of them.
void KeepAlive::run(const std::vector<Key>& keys, const std::function<void()>& done) {
  for (const Key key : keys) times_.ran(key, io::now());
  arm();
  // A handler may set or clear handlers.
  const auto handlers = handlers_;
  for (const Key key : keys) handlers.at(key)(done);
}

/// For those that no host runs in time.
void KeepAlive::arm() { timer_->set(times_.next(by_host_ ? host_due_ : base::kNever)); }

}  // namespace wakeline::app
