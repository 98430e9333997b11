// SPDX-License-Identifier: Apache-2.0
#include "app/wakes.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::app {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongest{std::numeric_limits<std::uint32_t>::max()};

std::uint32_t from_now(base::Instant at) {
  const auto left = std::chrono::ceil<milliseconds>(at - io::now());
  return static_cast<std::uint32_t>(std::clamp(left, milliseconds(0), kLongest).count());
}

}  // namespace

base::Result<std::unique_ptr<Wakes>> Wakes::create(io::Loop& loop) {
  std::unique_ptr<Wakes> made(new Wakes);
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime,
                                         [raw = made.get()] { raw->run_due(); });
  if (!timer) return base::fail(timer.error());
  made->timer_ = std::move(*timer);
  return made;
}

void Wakes::on_host_ready() {
  for (const auto& [key, wake] : wakes_) {
    ask(key, [](const Result<Key>& answer) {
      if (answer) return;
      base::log(base::LogLevel::kWarning, "app", "wake request: {}; kept by a timer",
                answer.error().message);
    });
  }
  arm();
}

void Wakes::on_host_absent() {
  for (auto& [key, wake] : wakes_) wake.host_id = 0;
  arm();
}

void Wakes::on_host_due(std::uint64_t host_id) {
  const auto due = std::ranges::find_if(
      wakes_, [&](const auto& entry) { return entry.second.host_id == host_id; });
  if (due == wakes_.end()) return;
  const auto on_due = std::move(due->second.on_due);
  wakes_.erase(due);
  on_due();
}

void Wakes::request(milliseconds earliest, milliseconds latest, std::function<void()> on_due,
                    std::function<void(Result<Key>)> done) {
  if (earliest < milliseconds(0) || latest < earliest || latest > kLongest) {
    return done(Error{ErrorCode::kInvalidArgument,
                      "a wake is asked for between a first and a later moment, within 49 days"});
  }
  const Key key = ++last_key_;
  const base::Instant now = io::now();
  wakes_.emplace(
      key, Wake{.earliest = now + earliest, .latest = now + latest, .on_due = std::move(on_due)});
  if (!channel_->ready()) {
    arm();
    return done(key);
  }
  ask(key, [this, key, done = std::move(done)](Result<Key> answer) {
    if (!answer) wakes_.erase(key);
    arm();
    done(std::move(answer));
  });
}

void Wakes::ask(Key key, std::function<void(Result<Key>)> done) {
  Wake& wake = wakes_.at(key);
  wake.asked = true;
  const auto answered = [this, key, done = std::move(done)](const Result<std::uint64_t>& reply) {
    const auto found = wakes_.find(key);
    if (found == wakes_.end()) {  // cancelled meanwhile
      if (reply) channel_->ask(wire::host::CancelWake{.wake = *reply}, ignore);
      return done(key);
    }
    found->second.asked = false;
    if (reply) found->second.host_id = *reply;
    const bool refused = !reply && channel_->ready();
    arm();
    // Where the host went meanwhile, the timer keeps it, and the next host is asked.
    done(refused ? Result<Key>(reply.error()) : Result<Key>(key));
  };
  const std::uint32_t earliest = from_now(wake.earliest);
  channel_->ask(wire::host::RequestWake{.earliest_ms = earliest,
                                        .latest_ms = std::max(earliest, from_now(wake.latest))},
                answered);
}

void Wakes::cancel(Key key) {
  const auto found = wakes_.find(key);
  if (found == wakes_.end()) return;
  const std::uint64_t host_id = found->second.host_id;
  wakes_.erase(found);
  arm();
  if (host_id != 0 && channel_->ready()) {
    channel_->ask(wire::host::CancelWake{.wake = host_id}, ignore);
  }
}

void Wakes::run_due() {
  std::vector<std::function<void()>> due;
  const base::Instant now = io::now();
  for (auto it = wakes_.begin(); it != wakes_.end();) {
    const Wake& wake = it->second;
    if (wake.host_id != 0 || wake.asked || wake.earliest > now) {
      ++it;
      continue;
    }
    due.push_back(wake.on_due);
    it = wakes_.erase(it);
  }
  arm();
  for (const auto& on_due : due) on_due();
}

/// For what no host keeps.
void Wakes::arm() {
  base::Instant next = base::kNever;
  for (const auto& [key, wake] : wakes_) {
    if (wake.host_id == 0 && !wake.asked) next = std::min(next, wake.earliest);
  }
  timer_->set(next);
}

}  // namespace wakeline::app
