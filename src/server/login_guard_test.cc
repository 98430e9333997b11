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

constexpr base::Instant kStart{1h};

Limits limits(std::uint32_t of_address, std::uint32_t of_device) {
  Limits limits;
  limits.auth_failures = of_address;
  limits.auth_failures_per_device = of_device;
  return limits;
}

TEST(LoginGuard, LetsADevicesNameWaitAtOneAddressAndNowhereElse) {
  LoginGuard guard(limits(100, 3));
  EXPECT_FALSE(guard.on_wrong("home", "door", kStart));
  EXPECT_FALSE(guard.on_wrong("home", "door", kStart));
  EXPECT_FALSE(guard.wait("home", "door", kStart));
  EXPECT_TRUE(guard.on_wrong("home", "door", kStart));
  EXPECT_EQ(guard.wait("home", "door", kStart), base::Duration(20s));
  EXPECT_FALSE(guard.wait("home", "window", kStart));
  EXPECT_FALSE(guard.wait("elsewhere", "door", kStart));  // nobody locks a device out by its name
  EXPECT_FALSE(guard.wait("home", "door", kStart + 20s));
  EXPECT_EQ(guard.wrong(), 3U);
  EXPECT_EQ(guard.kept_out(), 1U);
}

TEST(LoginGuard, LetsAnAddressWaitButNotADeviceThatLoggedInFromThereBefore) {
  LoginGuard guard(limits(6, 3));
  guard.on_right("home", "door");
  for (int i = 0; i < 6; ++i) guard.on_wrong("home", "guess" + std::to_string(i), kStart);
  EXPECT_EQ(guard.wait("home", "window", kStart), base::Duration(10s));
  EXPECT_EQ(guard.wait("home", "", kStart), base::Duration(10s));  // an app server
  EXPECT_FALSE(guard.wait("home", "door", kStart));
  EXPECT_TRUE(guard.wait("elsewhere", "door", kStart) == std::nullopt);
  for (int i = 0; i < 3; ++i) guard.on_wrong("home", "door", kStart);
  EXPECT_TRUE(guard.wait("home", "door", kStart));  // its own wrong tokens keep it out
}

TEST(LoginGuard, HasNoLimitAtZeroAndTakesOverANewOne) {
  LoginGuard guard(limits(0, 0));
  for (int i = 0; i < 1'000; ++i) guard.on_wrong("home", "door", kStart);
  EXPECT_FALSE(guard.wait("home", "door", kStart));
  guard.set_limits(limits(1, 0));
  EXPECT_TRUE(guard.on_wrong("home", "door", kStart));
  EXPECT_TRUE(guard.wait("home", "door", kStart));
}

TEST(LoginGuard, CountsOverAllThreads) {
  LoginGuard guard(limits(1'000, 0));
  std::vector<std::thread> threads;
  std::atomic<int> looked_at = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string device = std::to_string(t * 1'000 + i);
        if (guard.wait("home", device, kStart)) continue;
        ++looked_at;
        guard.on_wrong("home", device, kStart);
        guard.on_right("elsewhere", device);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(looked_at, 1'000);
  EXPECT_LE(looked_at, 1'003);  // those that were between the two
  EXPECT_TRUE(guard.wait("home", "door", kStart));
}

}  // namespace
}  // namespace wakeline::server
