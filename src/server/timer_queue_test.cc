// SPDX-License-Identifier: Apache-2.0
#include "server/timer_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace wakeline::server {
namespace {

using base::Instant;
using std::chrono::seconds;

Instant at(int second) { return Instant(seconds(second)); }

class Probe : public Timed {
 public:
  Probe(TimerQueue& queue, std::string name, std::vector<std::string>& fired)
      : Timed(queue), queue_(queue), name_(std::move(name)), fired_(fired) {}
  ~Probe() override = default;

  void move_to(Instant deadline) {
    deadline_ = deadline;
    queue_.update(*this);
  }
  Instant next_deadline() const override { return deadline_; }
  void on_deadline(Instant) override {
    fired_.push_back(name_);
    move_to(again);
  }

  Instant again = base::kNever;

 private:
  TimerQueue& queue_;
  std::string name_;
  std::vector<std::string>& fired_;
  Instant deadline_ = base::kNever;
};

struct Bench {
  Instant timer = base::kNever;
  TimerQueue queue{[this](Instant at) { timer = at; }};
  std::vector<std::string> fired;
};

TEST(TimerQueue, ArmsItsOneTimerForTheEarliest) {
  Bench bench;
  Probe a(bench.queue, "a", bench.fired);
  Probe b(bench.queue, "b", bench.fired);
  a.move_to(at(10));
  b.move_to(at(5));
  EXPECT_EQ(bench.timer, at(5));
  bench.queue.fire(at(5));
  EXPECT_EQ(bench.fired, std::vector<std::string>{"b"});
  EXPECT_EQ(bench.timer, at(10));
}

TEST(TimerQueue, LooksAtAMovedDeadlineOnlyWhenTheOldOneIsReached) {
  Bench bench;
  Probe a(bench.queue, "a", bench.fired);
  a.move_to(at(10));
  a.move_to(at(20));
  EXPECT_EQ(bench.timer, at(10));
  bench.queue.fire(at(10));
  EXPECT_TRUE(bench.fired.empty());
  EXPECT_EQ(bench.timer, at(20));
  bench.queue.fire(at(20));
  EXPECT_EQ(bench.fired, std::vector<std::string>{"a"});
  EXPECT_EQ(bench.timer, base::kNever);
}

TEST(TimerQueue, ForgetsWhatIsDestroyed) {
  Bench bench;
  auto a = std::make_unique<Probe>(bench.queue, "a", bench.fired);
  a->move_to(at(10));
  a.reset();
  bench.queue.fire(at(10));
  EXPECT_TRUE(bench.fired.empty());
}

TEST(TimerQueue, GivesOneThatIsAlwaysDueOneTurnAtATime) {
  Bench bench;
  Probe a(bench.queue, "a", bench.fired);
  a.again = at(10);
  a.move_to(at(10));
  bench.queue.fire(at(10));
  EXPECT_EQ(bench.fired, std::vector<std::string>{"a"});
  EXPECT_EQ(bench.timer, at(10));
}

}  // namespace
}  // namespace wakeline::server
