// SPDX-License-Identifier: Apache-2.0
#include "io/poller.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "io/clock.h"

namespace wakeline::io {
namespace {

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
  UniqueFd a, b;
};

TEST(Poller, TellsTheKeyOfWhatIsReadable) {
  auto poller = Poller::create();
  ASSERT_TRUE(poller);
  Pair one;
  Pair two;
  ASSERT_TRUE((*poller)->add(one.a.get(), EPOLLIN, 1));
  ASSERT_TRUE((*poller)->add(two.a.get(), EPOLLIN, 2));
  ASSERT_EQ(::send(two.b.get(), "x", 1, 0), 1);
  const auto events = (*poller)->wait(base::kNever);
  ASSERT_EQ(events.size(), 1U);
  const std::uint64_t key = events[0].data.u64;  // a copy: the kernel's struct is packed
  EXPECT_EQ(key, 2U);
  (*poller)->change(two.a.get(), 0, 2);
  (*poller)->remove(one.a.get());
  EXPECT_EQ((*poller)->wait(now() + std::chrono::milliseconds(20)).size(), 0U);
}

TEST(Poller, ComesBackAtItsTimeAndNotBefore) {
  auto poller = Poller::create();
  ASSERT_TRUE(poller);
  const base::Instant at = now() + std::chrono::milliseconds(30);
  while (now() < at) EXPECT_TRUE((*poller)->wait(at).empty());
  // A time that has passed is no wait at all.
  EXPECT_TRUE((*poller)->wait(at).empty());
  EXPECT_TRUE((*poller)->wait(base::Instant{}).empty());
}

TEST(Poller, RunsTasksOfOtherThreadsInTheirOrder) {
  auto poller = Poller::create();
  ASSERT_TRUE(poller);
  std::vector<int> ran;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) (*poller)->post([&ran, i] { ran.push_back(i); });
  });
  while (ran.size() < 100) {
    static_cast<void>((*poller)->wait(base::kNever));
    for (const auto& task : (*poller)->take_tasks()) task();
  }
  other.join();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
}

}  // namespace
}  // namespace wakeline::io
