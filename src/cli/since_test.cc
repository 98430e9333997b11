// SPDX-License-Identifier: Apache-2.0
#include "cli/since.h"

#include <gtest/gtest.h>

#include <ctime>

namespace wakeline::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kNow = 1'790'000'000 * kSecond + 5;

std::int64_t local(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  std::tm time{};
  time.tm_year = year - 1900;
  time.tm_mon = month - 1;
  time.tm_mday = day;
  time.tm_hour = hour;
  time.tm_min = minute;
  time.tm_sec = second;
  time.tm_isdst = -1;
  return static_cast<std::int64_t>(std::mktime(&time)) * kSecond;
}

TEST(Since, CountsBackFromNow) {
  EXPECT_EQ(since("90s", kNow), kNow - 90 * kSecond);
  EXPECT_EQ(since("15min", kNow), kNow - 900 * kSecond);
  EXPECT_EQ(since("2h", kNow), kNow - 7'200 * kSecond);
  EXPECT_EQ(since("3d", kNow), kNow - 259'200 * kSecond);
}

TEST(Since, ReadsLocalTimes) {
  EXPECT_EQ(since("2026-11-21", kNow), local(2026, 11, 21));
  EXPECT_EQ(since("2026-11-21 14:30", kNow), local(2026, 11, 21, 14, 30));
  EXPECT_EQ(since("2026-11-21 14:30:07", kNow), local(2026, 11, 21, 14, 30, 7));
  const std::time_t now = kNow / kSecond;
  std::tm today{};
  ::localtime_r(&now, &today);
  EXPECT_EQ(since("01:02", kNow),
            local(today.tm_year + 1900, today.tm_mon + 1, today.tm_mday, 1, 2));
}

TEST(Since, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "1", "h", "-1h", "1 h", "1w", "yesterday", "2026-13-01", "25:00",
                           "2026-11-21T14:30", "99999999999d"}) {
    EXPECT_EQ(since(text, kNow), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace wakeline::cli
