// SPDX-License-Identifier: Apache-2.0
#include "io/slice.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <thread>

namespace wakeline::io {
namespace {

using namespace std::chrono_literals;

// Each in a thread of its own, so that the slice is that thread's alone.
void in_thread(void (*test)()) { std::thread(test).join(); }

bool kernel_has_slices() { return scheduler_slice() > 0ns; }

TEST(Slice, IsTheThreadsOwnAndIsGivenBack) {
  if (!kernel_has_slices()) GTEST_SKIP() << "Linux 6.12 or newer";
  const auto before = scheduler_slice();
  in_thread([] {
    const auto own = scheduler_slice();
    ASSERT_TRUE(set_scheduler_slice(100us));
    EXPECT_EQ(scheduler_slice(), 100us);
    std::thread([] { EXPECT_EQ(scheduler_slice(), 100us) << "inherited"; }).join();
    ASSERT_TRUE(set_scheduler_slice(0us));
    EXPECT_EQ(scheduler_slice(), own);
  });
  EXPECT_EQ(scheduler_slice(), before);
}

TEST(Slice, KeepsAPolicyThatWasGivenOnPurpose) {
  in_thread([] {
    sched_param none = {};
    ASSERT_EQ(::sched_setscheduler(0, SCHED_IDLE, &none), 0);
    EXPECT_EQ(scheduler_slice(), 0ns);
    EXPECT_TRUE(set_scheduler_slice(100us));
    EXPECT_EQ(::sched_getscheduler(0), SCHED_IDLE);
  });
}

}  // namespace
}  // namespace wakeline::io
