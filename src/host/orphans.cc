// SPDX-License-Identifier: Apache-2.0
#include "host/orphans.h"

#include <sys/wait.h>

#include <csignal>

#include "io/clock.h"
#include "linux/process.h"

namespace wakeline::host {
namespace {

/// Many ends share one look; by then our own children are collected through their pidfds.
constexpr base::Duration kDelay = std::chrono::seconds(1);

/// Whether any child has ended and is not collected. Stops and continuations (SIGCHLD too) are
/// none.
bool any_ended() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

}  // namespace

base::Result<std::unique_ptr<Orphans>> Orphans::create(io::Loop& loop,
                                                       std::function<std::vector<pid_t>()> ours) {
  if (auto adopting = sys::adopt_orphans(); !adopting) return base::fail(adopting.error());
  std::unique_ptr<Orphans> orphans(new Orphans(std::move(ours)));
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime,
                                         [orphans = orphans.get()] { orphans->collect(); });
  if (!timer) return base::fail(timer.error());
  orphans->timer_ = std::move(*timer);
  orphans->signals_ = io::Signals::create(
      loop, {SIGCHLD}, [orphans = orphans.get()](int) { orphans->on_child_signal(); });
  return orphans;
}

void Orphans::on_child_signal() {
  if (armed_ || !any_ended()) return;
  armed_ = true;
  timer_->set(io::now() + kDelay);
}

void Orphans::collect() {
  armed_ = false;
  if (any_ended()) sys::collect_orphans(ours_());
}

}  // namespace wakeline::host
