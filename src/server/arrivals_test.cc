// SPDX-License-Identifier: Apache-2.0
#include "server/arrivals.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace wakeline::server {
namespace {

TEST(Arrivals, GiveAnAddressSoManyPlacesAndForgetItWithTheLast) {
  Arrivals arrivals;
  auto first = arrivals.enter("a", 2);
  auto second = arrivals.enter("a", 2);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(arrivals.enter("a", 2));
  EXPECT_TRUE(arrivals.enter("b", 2));  // and goes at once
  EXPECT_FALSE(arrivals.enter("c", 0));
  EXPECT_EQ(arrivals.addresses(), 1U);
  Arrivals::Place moved = std::move(first);
  first.leave();  // it is elsewhere now
  EXPECT_FALSE(arrivals.enter("a", 2));
  moved = std::move(second);  // gives up its own
  EXPECT_TRUE(arrivals.enter("a", 2));
  moved.leave();
  moved.leave();
  EXPECT_EQ(arrivals.addresses(), 0U);
}

TEST(Arrivals, AreCountedOverAllThreadsThatAccept) {
  constexpr std::uint32_t kMost = 5;
  Arrivals arrivals;
  std::atomic<std::uint32_t> inside = 0;
  std::atomic<std::uint32_t> highest = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2'000; ++i) {
        std::vector<Arrivals::Place> places;
        for (int k = 0; k < 4; ++k) {
          if (auto place = arrivals.enter("a", kMost)) {
            const std::uint32_t now = ++inside;
            for (auto seen = highest.load();
                 seen < now && !highest.compare_exchange_weak(seen, now););
            places.push_back(std::move(place));
          }
        }
        inside -= static_cast<std::uint32_t>(places.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(highest, kMost);
  EXPECT_GT(highest, 0U);
  EXPECT_EQ(arrivals.addresses(), 0U);
}

}  // namespace
}  // namespace wakeline::server
