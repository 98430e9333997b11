// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>
#include <wakeline/run_loop.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace wakeline::app {
namespace {

using std::chrono::milliseconds;

RunLoop make() { return std::move(*RunLoop::create()); }

bool readable(const RunLoop& loop, int timeout_ms) {
  pollfd waited{loop.fd(), POLLIN, 0};
  return ::poll(&waited, 1, timeout_ms) == 1;
}

TEST(RunLoop, C32RunsOnAThreadOfItsOwnAndIsStoppedFromAnother) {
  auto loop = make();
  std::atomic<std::thread::id> ran_in;
  std::thread own([&] { loop.run(); });
  std::atomic<bool> ran = false;
  loop.post([&] {
    ran_in = std::this_thread::get_id();
    ran = true;
    ran.notify_all();
  });
  ran.wait(false);
  EXPECT_EQ(ran_in.load(), own.get_id());
  loop.stop();
  own.join();
  loop.stop();
  loop.run();  // a stop that came before is not lost
}

TEST(RunLoop, RunsTimersInTheirOrderAndNotTheOneThatWasCancelled) {
  auto loop = make();
  std::string order;
  loop.call_after(milliseconds(30), [&] {
    order += 'c';
    loop.stop();
  });
  loop.call_after(milliseconds(20), [&] { order += 'b'; });
  const auto cancelled = loop.call_after(milliseconds(5), [&] { order += 'x'; });
  loop.call_after(milliseconds(-5), [&] {
    order += 'a';
    loop.cancel(cancelled);
  });
  loop.run();
  EXPECT_EQ(order, "abc");
  loop.cancel(cancelled);  // no error
}

TEST(RunLoop, ATimerThatIsDueCanStillBeCancelledByTheOneBeforeIt) {
  auto loop = make();
  std::string order;
  RunLoop::TimerId second = 0;
  loop.call_after(milliseconds(0), [&] {
    order += 'a';
    loop.cancel(second);
    loop.post([&] { loop.stop(); });
  });
  second = loop.call_after(milliseconds(0), [&] { order += 'b'; });
  loop.run();
  EXPECT_EQ(order, "a");
}

TEST(RunLoop, TakesTheLongestAndTheShortestDelay) {
  auto loop = make();
  std::string order;
  loop.call_after(milliseconds::max(), [&] { order += 'x'; });
  loop.call_after(milliseconds::min(), [&] { order += 'a'; });
  loop.call_after(milliseconds(0), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(order, "a");
}

TEST(RunLoop, ServesALoopOfTheAppByItsDescriptor) {
  auto loop = make();
  EXPECT_EQ(loop.dispatch(), 0u);
  EXPECT_FALSE(readable(loop, 0));
  std::string order;
  loop.post([&] {
    order += 'a';
    loop.post([&] { order += 'b'; });
  });
  EXPECT_TRUE(readable(loop, 0));
  EXPECT_EQ(loop.dispatch(), 1u);
  EXPECT_TRUE(readable(loop, 0));
  EXPECT_EQ(loop.dispatch(), 1u);
  EXPECT_EQ(order, "ab");
  EXPECT_FALSE(readable(loop, 0));
  loop.call_after(milliseconds(20), [&] { order += 'c'; });
  while (order != "abc") {
    ASSERT_TRUE(readable(loop, 10'000));
    loop.dispatch();
  }
  EXPECT_FALSE(readable(loop, 0));
}

TEST(RunLoop, LetsAnExceptionThroughAndKeepsTheRest) {
  auto loop = make();
  bool ran = false;
  loop.post([] { throw std::runtime_error("the app's own"); });
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  EXPECT_THROW(loop.dispatch(), std::runtime_error);
  EXPECT_FALSE(ran);
  EXPECT_TRUE(readable(loop, 0));
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(RunLoop, MayBeDestroyedByItsOwnHandlerAndDropsWhatWaited) {
  std::optional<RunLoop> loop = make();
  const auto token = std::make_shared<int>(0);
  loop->post([&] { loop.reset(); });
  loop->post([token] { FAIL() << "it is gone"; });
  loop->dispatch();
  EXPECT_FALSE(loop.has_value());
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace wakeline::app
