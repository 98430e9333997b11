// SPDX-License-Identifier: Apache-2.0
#include "host/ledger_log.h"

#include <utility>

#include "base/log.h"
#include "core/doze/types.h"
#include "host/text.h"
#include "io/clock.h"

namespace wakeline::host {
namespace {

bool is_decision(std::string_view event) {
  using doze::LedgerEvent;
  for (const auto one : {LedgerEvent::kLaunch, LedgerEvent::kExit, LedgerEvent::kKill,
                         LedgerEvent::kRefuse, LedgerEvent::kClosed}) {
    if (event == doze::name(one)) return true;
  }
  return false;
}

}  // namespace

base::Result<std::unique_ptr<LedgerLog>> LedgerLog::create(io::Loop& loop,
                                                           const std::string& state_folder) {
  auto ledger = Ledger::open(state_folder);
  if (!ledger) return base::fail(ledger.error());
  std::unique_ptr<LedgerLog> log(new LedgerLog(loop, state_folder, std::move(*ledger)));
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime,
                                         [log = log.get()] { log->flush(); });
  if (!timer) return base::fail(timer.error());
  log->flush_timer_ = std::move(*timer);
  return log;
}

void LedgerLog::append(LedgerLine line) {
  line.reason = shortened(line.reason, wire::host::kNameMax);
  line.detail = shortened(line.detail, wire::host::kDetailMax);
  line.wall_ns = io::wall_now().time_since_epoch().count();
  commit_soon(line.event);
  const LedgerLine& added = ledger_.add(std::move(line));
  if (followers_.empty()) return;
  if (untold_.empty()) loop_.post([this] { tell_followers(); });
  untold_.push_back(added);
}

/// A commit takes the time of a wake or two, so lines of wakes wait until others can share it.
void LedgerLog::commit_soon(std::string_view event) {
  const base::Duration delay = failing_ ? kLedgerRetryDelay : kLedgerFlushDelay;
  const base::Instant now = io::now();
  if (!std::exchange(flush_planned_, true)) flush_timer_->set(now + delay);
  if (flush_posted_ || !is_decision(event)) return;
  if (now - flushed_at_ < delay) return;
  flush_posted_ = true;
  loop_.post([this] { flush(); });
}

void LedgerLog::tell_followers() {
  std::vector<LedgerLine> lines;
  lines.swap(untold_);
  for (const LedgerLine& line : lines) {
    // A follower may leave while it is told, others may not join.
    for (auto next = followers_.begin(); next != followers_.end();) (next++)->second(line);
  }
}

base::Result<std::vector<LedgerLine>> LedgerLog::newest(std::size_t count) {
  flush();
  auto reader = LedgerReader::open(folder_);
  if (!reader) return base::fail(reader.error());
  return reader->newest(count);
}

std::uint64_t LedgerLog::follow(OnLine on_line) {
  // What was appended before is not news for the one who joins now.
  if (!untold_.empty()) tell_followers();
  const std::uint64_t follower = next_follower_++;
  followers_.emplace(follower, std::move(on_line));
  return follower;
}

void LedgerLog::flush() {
  flush_timer_->set(base::kNever);
  flush_planned_ = false;
  flush_posted_ = false;
  flushed_at_ = io::now();
  if (on_flush_) on_flush_();
  const auto flushed = ledger_.flush();
  if (!flushed) {
    if (!failing_) {
      base::log(base::LogLevel::kError, "host", "{}: {}; lines wait in memory, {} are lost",
                ledger_path(folder_), base::to_string(flushed.error()), ledger_.dropped());
    }
    failing_ = true;
    // The next line tries again; with nothing to say nothing is tried.
    return;
  }
  if (failing_) {
    base::log(base::LogLevel::kInfo, "host", "{}: written again", ledger_path(folder_));
  }
  failing_ = false;
}

}  // namespace wakeline::host
