// SPDX-License-Identifier: Apache-2.0
#include "server/login_guard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace wakeline::server {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant kFirstTry{1h};

Limits limits(std::uint32_t of_address, std::uint32_t of_device) {
  Limits limits;
  limits.auth_failures = of_address;
  limits.auth_failures_per_device = of_device;
  return limits;
}

TEST(LoginGuard, LetsADevicesNameWaitAtOneAddressAndNowhereElse) {
  LoginGuard guard(limits(100, 3));
  EXPECT_FALSE(guard.on_wrong("home", "door", kFirstTry));
  EXPECT_FALSE(guard.on_wrong("home", "door", kFirstTry));
  EXPECT_FALSE(guard.wait("home", "door", kFirstTry));
  EXPECT_TRUE(guard.on_wrong("home", "door", kFirstTry));
  EXPECT_EQ(guard.wait("home", "door", kFirstTry), base::Duration(20s));
  EXPECT_FALSE(guard.wait("home", "window", kFirstTry));
  EXPECT_FALSE(
      guard.wait("elsewhere", "door", kFirstTry));  // nobody locks a device out by its name
  EXPECT_FALSE(guard.wait("home", "door", kFirstTry + 20s));
  EXPECT_EQ(guard.wrong(), 3U);
  EXPECT_EQ(guard.kept_out(), 1U);
}

TEST(LoginGuard, LetsAnAddressWaitButNotADeviceThatLoggedInFromThereBefore) {
  LoginGuard guard(limits(6, 3));
  guard.on_right("home", "door");
  for (int i = 0; i < 6; ++i) guard.on_wrong("home", "guess" + std::to_string(i), kFirstTry);
  EXPECT_EQ(guard.wait("home", "window", kFirstTry), base::Duration(10s));
  EXPECT_EQ(guard.wait("home", "", kFirstTry), base::Duration(10s));  // an app server
  EXPECT_FALSE(guard.wait("home", "door", kFirstTry));
  EXPECT_TRUE(guard.wait("elsewhere", "door", kFirstTry) == std::nullopt);
  for (int i = 0; i < 3; ++i) guard.on_wrong("home", "door", kFirstTry);
  EXPECT_TRUE(guard.wait("home", "door", kFirstTry));  // its own wrong tokens keep it out
}

TEST(LoginGuard, HasNoLimitAtZeroAndTakesOverANewOne) {
  LoginGuard guard(limits(0, 0));
  for (int i = 0; i < 1'000; ++i) guard.on_wrong("home", "door", kFirstTry);
  EXPECT_FALSE(guard.wait("home", "door", kFirstTry));
  guard.set_limits(limits(1, 0));
  EXPECT_TRUE(guard.on_wrong("home", "door", kFirstTry));
  EXPECT_TRUE(guard.wait("home", "door", kFirstTry));
}

TEST(LoginGuard, CountsOverAllThreads) {
  LoginGuard guard(limits(1'000, 0));
  std::vector<std::thread> threads;
  std::atomic<int> looked_at = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string device = std::to_string(t * 1'000 + i);
        if (guard.wait("home", device, kFirstTry)) continue;
        ++looked_at;
        guard.on_wrong("home", device, kFirstTry);
        guard.on_right("elsewhere", device);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(looked_at, 1'000);
  EXPECT_LE(looked_at, 1'003);  // those that were between the two
  EXPECT_TRUE(guard.wait("home", "door", kFirstTry));
}

}  // namespace
}  // namespace wakeline::server
