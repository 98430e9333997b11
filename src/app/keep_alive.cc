// SPDX-License-Identifier: Apache-2.0
#include "app/keep_alive.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::app {

base::Result<std::unique_ptr<KeepAlive>> KeepAlive::create(io::Loop& loop) {
  std::unique_ptr<KeepAlive> made(new KeepAlive);
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime,
                                         [raw = made.get()] { raw->run(false); });
  if (!timer) return base::fail(timer.error());
  made->timer_ = std::move(*timer);
  made->last_run_ = io::now();
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

void KeepAlive::on_host_run() { run(true); }

std::chrono::seconds KeepAlive::shortest() const {
  auto shortest = std::chrono::seconds::max();
  for (const auto& [key, handler] : handlers_) shortest = std::min(shortest, handler.timeout);
  return handlers_.empty() ? std::chrono::seconds(0) : shortest;
}

void KeepAlive::ask(std::function<void(Result<std::uint64_t>)> answered) {
  const auto seconds = static_cast<std::uint32_t>(shortest().count());
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

void KeepAlive::set(Key key, std::chrono::seconds timeout, OnRun on_run,
                    std::function<void(Result<bool>)> done) {
  if (timeout < min_ || timeout.count() > UINT32_MAX) {
    const bool too_short = timeout < min_;
    return done(Error{too_short ? ErrorCode::kTooShort : ErrorCode::kInvalidArgument,
                      "keep-alive timeout of " + std::to_string(timeout.count()) +
                          " s: the shortest is " + std::to_string(min_.count()) + " s"});
  }
  const auto before = handlers_.find(key);
  const bool replaced = before != handlers_.end();
  const Handler former = replaced ? before->second : Handler{};
  handlers_.insert_or_assign(key, Handler{timeout, std::move(on_run)});
  if (!replaced) last_run_ = io::now();
  if (!channel_->ready()) {
    arm();
    return done(replaced);
  }
  ask([this, key, replaced, former, done = std::move(done)](const Result<std::uint64_t>& reply) {
    if (reply || reply.error().code == ErrorCode::kNoHost) return done(replaced);
    // Refused: as if nothing had been asked.
    if (replaced) {
      handlers_.insert_or_assign(key, former);
    } else {
      handlers_.erase(key);
    }
    arm();
    done(reply.error());
  });
}

void KeepAlive::set_anyway(Key key, std::chrono::seconds timeout, OnRun on_run) {
  handlers_.insert_or_assign(key, Handler{std::max(timeout, min_), std::move(on_run)});
  last_run_ = io::now();
  if (channel_->ready()) {
    ask([](const Result<std::uint64_t>&) {});
  } else {
    arm();
  }
}

void KeepAlive::clear(Key key) {
  if (handlers_.erase(key) == 0) return;
  if (channel_->ready()) {
    ask([](const Result<std::uint64_t>&) {});
  } else {
    arm();
  }
}

void KeepAlive::run(bool for_host) {
  if (handlers_.empty()) return;
  last_run_ = io::now();
  arm();
  const std::uint64_t run = ++runs_;
  auto left = std::make_shared<std::size_t>(handlers_.size());
  const auto done = [this, run, left, for_host] {
    // Of an earlier run: its budget is over, and the host has forgotten it.
    if (*left == 0 || run != runs_) return;
    if (--*left > 0 || !for_host) return;
    channel_->ask(wire::host::KeepAliveDone{}, [](const Result<std::uint64_t>&) {});
  };
  // A handler may set or clear handlers.
  const auto handlers = handlers_;
  for (const auto& [key, handler] : handlers) handler.on_run(done);
}

/// Early enough that each handler has run before its timeout is over.
void KeepAlive::arm() {
  if (by_host_ || handlers_.empty()) return timer_->set(base::kNever);
  timer_->set(last_run_ + base::Duration(shortest()) * 9 / 10);
}

}  // namespace wakeline::app
