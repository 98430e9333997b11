// SPDX-License-Identifier: Apache-2.0
#include "server/departures.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

using std::chrono::seconds;

base::Instant at(base::Duration since) { return base::Instant(std::chrono::hours(1) + since); }

TEST(Departures, AreKnownForTheirTimeFromTheLastOneOfADevice) {
  Departures departures(seconds(10));
  EXPECT_FALSE(departures.lately("door", at(seconds(0))));
  departures.note("door", at(seconds(0)));
  departures.note("gate", at(seconds(1)));
  EXPECT_TRUE(departures.lately("door", at(seconds(9))));
  EXPECT_FALSE(departures.lately("door", at(seconds(10))));
  departures.note("door", at(seconds(8)));  // it had come back
  EXPECT_TRUE(departures.lately("door", at(seconds(17))));
  EXPECT_FALSE(departures.lately("gate", at(seconds(17))));
  EXPECT_FALSE(departures.lately("door", at(seconds(18))));
}

TEST(Departures, KeepOneOfADeviceAndNoneThatIsOver) {
  Departures departures(seconds(10));
  for (int i = 0; i < 1'000; ++i) departures.note("door", at(seconds(i)));
  EXPECT_EQ(departures.size(), 1U);
  for (int i = 0; i < 100; ++i)
    departures.note("device-" + std::to_string(i), at(seconds(1'000 + i)));
  EXPECT_EQ(departures.size(), 10U);
}

TEST(Departures, OfNoTimeAreNoneAtAll) {
  Departures departures(base::Duration::zero());
  departures.note("door", at(seconds(0)));
  EXPECT_FALSE(departures.lately("door", at(seconds(0))));
}

}  // namespace
}  // namespace wakeline::server
