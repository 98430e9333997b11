// SPDX-License-Identifier: Apache-2.0
// C11 under stress: bytes sent at random phases of the freeze cycle of many apps at once.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "bench/bed.h"
#include "io/clock.h"
#include "linux/cgroup.h"

namespace wakeline::bench {
namespace {

using namespace std::chrono_literals;

/// An answer that takes longer is a lost wake: nothing else would wake the app any more.
constexpr base::Duration kLost = 30s;
constexpr base::Duration kInAll = 280s;
constexpr base::Duration kRestMax = 1s;

/// One app's line: never more than one byte under way, so that no later byte hides a lost wake.
struct Ringer {
  const Line* line;
  base::Instant due{};      ///< of the next byte
  base::Instant sent_at{};  ///< of the byte under way
  bool waiting = false;
  int answered = 0;
  /// From an answer to the suspension, about: bytes are sent before and after it.
  base::Duration rest = std::chrono::milliseconds(20);
  base::Instant answered_at{};
  bool suspended = false;  ///< since the last answer
};

class WakeStress {
 public:
  explicit WakeStress(int sends_each) : sends_each_(sends_each) {}

  void start(const std::string& freezer, int apps) {
    auto door = Door::open();
    ASSERT_TRUE(door) << door.error();
    // Sleeps as short as can be, so that most bytes meet a suspension or a resumption under way.
    auto bed = Bed::make({"stress-" + freezer,
                          freezer,
                          apps,
                          {"linger=10ms", "sample_interval=5ms", "limit_action=none"}},
                         *door);
    ASSERT_TRUE(bed) << bed.error();
    bed_ = std::move(*bed);
    for (const Line& line : bed_->lines()) ringers_.push_back({&line, io::now()});
  }

  void play() {
    const base::Instant end = io::now() + kInAll;
    int done = 0;
    while (done < static_cast<int>(ringers_.size()) && !testing::Test::HasFailure()) {
      const base::Instant now = io::now();
      ASSERT_LT(now, end) << "the sends took too long";
      done = 0;
      for (Ringer& ringer : ringers_) {
        if (ringer.answered == sends_each_) ++done;
        send_if_due(ringer, now);
      }
      wait_for_answers(now);
      read_ledger();
    }
  }

  int sends() const { return sends_each_ * static_cast<int>(ringers_.size()); }
  int wakes() const { return wakes_; }
  int failed_suspensions() const { return failed_suspensions_; }

 private:
  /// Sets the moment of the next byte: about every second one comes before the suspension.
  void answered(Ringer& ringer) {
    // Longer, as long as the app does not come to its sleep: on a busy machine it is looked at more
    // seldom.
    if (!ringer.suspended) ringer.rest = std::min(ringer.rest * 5 / 4, kRestMax);
    ringer.suspended = false;
    ringer.waiting = false;
    ++ringer.answered;
    ringer.answered_at = io::now();
    ringer.due = ringer.answered_at + random_.between(0ms, 2 * ringer.rest);
  }
  void suspended(const std::string& app) {
    for (Ringer& ringer : ringers_) {
      if (ringer.line->app != app || ringer.suspended) continue;
      ringer.suspended = true;
      if (!ringer.waiting) ringer.rest = (3 * ringer.rest + io::now() - ringer.answered_at) / 4;
    }
  }

  void send_if_due(Ringer& ringer, base::Instant now) {
    if (ringer.waiting) {
      EXPECT_LT(now - ringer.sent_at, kLost)
          << ringer.line->app << " lost a wake after " << ringer.answered << " answers";
      return;
    }
    if (ringer.answered == sends_each_ || ringer.due > now) return;
    const char byte = 1;
    ASSERT_EQ(::send(ringer.line->socket.get(), &byte, 1, MSG_NOSIGNAL), 1) << ringer.line->app;
    ringer.sent_at = now;
    ringer.waiting = true;
  }

  void wait_for_answers(base::Instant now) {
    base::Instant next = now + 100ms;
    std::vector<pollfd> polls;
    for (const Ringer& ringer : ringers_) {
      polls.push_back({ringer.waiting ? ringer.line->socket.get() : -1, POLLIN, 0});
      if (!ringer.waiting && ringer.answered < sends_each_) next = std::min(next, ringer.due);
    }
    const auto wait = std::max<std::int64_t>(0, (next - io::now()) / 100us);
    const timespec timeout{0, static_cast<long>(wait * 100'000)};
    if (::ppoll(polls.data(), polls.size(), &timeout, nullptr) <= 0) return;
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents == 0) continue;
      Ringer& ringer = ringers_[i];
      std::int64_t received = 0;
      ASSERT_EQ(::recv(ringer.line->socket.get(), &received, sizeof received, MSG_WAITALL),
                static_cast<ssize_t>(sizeof received))
          << ringer.line->app;
      answered(ringer);
    }
  }

  void read_ledger() {
    for (;;) {
      const auto line = bed_->control().next_line(0ms);
      ASSERT_TRUE(line) << line.error().message;
      if (!line->has_value()) return;
      if ((*line)->event == "wake") ++wakes_;
      if ((*line)->event == "suspend") suspended((*line)->app);
      if ((*line)->event == "suspend_failed") ++failed_suspensions_;
    }
  }

  int sends_each_;
  base::Random random_{1};
  std::unique_ptr<Bed> bed_;
  std::vector<Ringer> ringers_;
  int wakes_ = 0;
  int failed_suspensions_ = 0;
};

TEST(WakeStress, TwentyThousandSendsAtRandomPhasesLoseNoWake) {  // C11
  if (const auto tree = sys::CgroupTree::choose("wake-stress"); !tree)
    GTEST_SKIP() << "no cgroup to write: " << base::to_string(tree.error());
  WakeStress stress(1'000);
  stress.start("cgroup", 20);
  if (!HasFatalFailure()) stress.play();
  EXPECT_EQ(stress.sends(), 20'000);
  // The apps did sleep between the bytes, and some bytes came amid a suspension.
  EXPECT_GT(stress.wakes(), 4'000);
  EXPECT_GT(stress.sends(), stress.wakes());
  RecordProperty("wakes", stress.wakes());
  RecordProperty("suspensions_given_up", stress.failed_suspensions());
}

TEST(WakeStress, SendsAtRandomPhasesLoseNoWakeWithSigstop) {  // C11
  // Few apps: a look walks /proc here, and all looks together keep to a share of one processor.
  WakeStress stress(500);
  stress.start("sigstop", 4);
  if (!HasFatalFailure()) stress.play();
  EXPECT_EQ(stress.sends(), 2'000);
  EXPECT_GT(stress.wakes(), 400);
  EXPECT_GT(stress.sends(), stress.wakes());
  RecordProperty("wakes", stress.wakes());
}

}  // namespace
}  // namespace wakeline::bench
