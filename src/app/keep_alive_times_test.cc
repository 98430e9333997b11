// SPDX-License-Identifier: Apache-2.0
#include "app/keep_alive_times.h"

#include <gtest/gtest.h>

namespace wakeline::app {
namespace {

using base::Instant;
using std::chrono::seconds;
using Keys = std::vector<KeepAliveTimes::Key>;

constexpr Instant at(int second) { return Instant(seconds(second)); }

TEST(KeepAliveTimes, C15KeepTheTimeOfEachHandlerWhateverComesBesideIt) {
  KeepAliveTimes times;
  EXPECT_EQ(times.next(), base::kNever);
  EXPECT_EQ(times.shortest(), seconds(0));
  times.put(1, {seconds(600), at(0)});
  times.put(2, {seconds(600), at(500)});
  EXPECT_EQ(times.next(), at(540)) << "C15: the first one's, before its 600 s are over";
  times.ran(1, at(540));
  EXPECT_EQ(times.next(), at(1'040)) << "and then the second one's";
  times.put(3, {seconds(3'600), at(600)});
  times.put(2, {seconds(600), at(600)});
  EXPECT_EQ(times.next(), at(1'080)) << "a second call replaces the first";
  times.remove(1);
  times.remove(2);
  EXPECT_EQ(times.next(), at(600 + 3'240));
  EXPECT_EQ(times.shortest(), seconds(3'600));
}

TEST(KeepAliveTimes, NameThoseThatALaterRunWouldBeTooLateFor) {
  KeepAliveTimes times;
  times.put(1, {seconds(1'200), at(0)});
  times.put(2, {seconds(600), at(1'000)});
  EXPECT_EQ(times.over_before(at(1'600)), Keys{1});
  EXPECT_EQ(times.next(at(1'600)), at(1'080));
  EXPECT_EQ(times.over_before(at(1'200)), Keys{});
  EXPECT_EQ(times.next(at(1'200)), base::kNever) << "the host is early enough for all";
}

TEST(KeepAliveTimes, TakeTheLongestTimeout) {
  KeepAliveTimes times;
  times.put(1, {seconds(UINT32_MAX), at(1)});
  EXPECT_GT(times.next(), at(100'000'000));
}

}  // namespace
}  // namespace wakeline::app
