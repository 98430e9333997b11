// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/ledger.h"
#include "io/deadline_timer.h"
#include "io/loop.h"

namespace wakeline::host {

/// A line waits at most so long for its commit: many wakes share one. What the host decided or did
/// once (a launch, an end, a kill, a refusal) does not wait: it is committed at the end of the
/// loop's turn, unless a commit was made within this time already. So a host that dies by SIGKILL
/// forgets at most its last 50 ms, and of a decision that came alone nothing.
inline constexpr base::Duration kLedgerFlushDelay = std::chrono::milliseconds(50);

/// After a commit that failed the next one is tried so much later: a file that somebody holds makes
/// each try wait (kLedgerBusyMs).
inline constexpr base::Duration kLedgerRetryDelay = std::chrono::seconds(1);

/// The ledger of a running host: stamps lines, commits them off the way of the wake, and hands them
/// to those who follow. Its timer is armed only while something waits.
class LedgerLog {
 public:
  using OnLine = std::function<void(const LedgerLine&)>;

  /// Errors: as Ledger::open, DeadlineTimer::create.
  static base::Result<std::unique_ptr<LedgerLog>> create(io::Loop& loop,
                                                         const std::string& state_folder);

  /// Adds the line with the wall time of now. Costs no IO: followers are told after the handler
  /// under way.
  void append(LedgerLine line);

  /// The newest `count` lines, oldest first, with all that was appended so far. Errors: kStorage.
  base::Result<std::vector<LedgerLine>> newest(std::size_t count);
  /// Calls `on_line` for every line appended from now on, until `unfollow`.
  std::uint64_t follow(OnLine on_line);
  void unfollow(std::uint64_t follower) { followers_.erase(follower); }

  /// Called before each commit: for what belongs to the lines, and may wait as long as they.
  void set_on_flush(std::function<void()> on_flush) { on_flush_ = std::move(on_flush); }

  /// Commits what waits; a failure is in the log, and the lines wait for the next try.
  void flush();

 private:
  LedgerLog(io::Loop& loop, std::string folder, Ledger ledger)
      : loop_(loop), folder_(std::move(folder)), ledger_(std::move(ledger)) {}
  void tell_followers();
  void commit_soon(std::string_view event);

  io::Loop& loop_;
  std::string folder_;
  Ledger ledger_;
  std::unique_ptr<io::DeadlineTimer> flush_timer_;
  std::function<void()> on_flush_;
  std::map<std::uint64_t, OnLine> followers_;
  std::uint64_t next_follower_ = 1;
  std::vector<LedgerLine> untold_;
  base::Instant flushed_at_{};
  bool flush_planned_ = false;  ///< the timer is set
  bool flush_posted_ = false;
  bool failing_ = false;
};

}  // namespace wakeline::host
