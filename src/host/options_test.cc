// SPDX-License-Identifier: Apache-2.0
#include "host/options.h"

#include <gtest/gtest.h>

namespace wakeline::host {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;

TEST(HostOptions, TakesEachKindOfNumberOfAProfileFromText) {
  doze::Profile profile = doze::Profile::linux_default();
  doze::Profile expected = profile;
  expected.linger = 200ms;
  expected.wake_window = 1s;
  expected.task_pool = 3min;
  expected.limit_wakes = 20;
  expected.wake_on_end = false;
  expected.limit_action = doze::LimitAction::kKill;
  for (const char* assignment : {"linger=200ms", "wake_window=1s", "task_pool=3min",
                                 "limit_wakes=20", "wake_on_end=false", "limit_action=kill"}) {
    EXPECT_TRUE(override_profile(profile, assignment)) << assignment;
  }
  EXPECT_EQ(profile, expected);
}

TEST(HostOptions, NamesTheKeyThatDoesNotExist) {
  doze::Profile profile;
  const auto done = override_profile(profile, "lingre=1s");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().error.code, ErrorCode::kNotFound);
  EXPECT_EQ(done.error().subject, "profile.lingre");
}

TEST(HostOptions, RefusesValuesThatAreNoNumberOrHaveNoUnit) {
  doze::Profile profile;
  for (const char* assignment :
       {"linger", "linger=", "linger=1", "linger=-1s", "linger=1 s", "linger=1s1",
        "linger=99999999999h", "limit_wakes=1s", "limit_wakes=x", "limit_wakes=99999999999",
        "wake_on_end=1", "limit_action=maybe"}) {
    const auto done = override_profile(profile, assignment);
    ASSERT_FALSE(done) << assignment;
    EXPECT_EQ(done.error().error.code, ErrorCode::kInvalidArgument) << assignment;
  }
  EXPECT_EQ(profile, doze::Profile());
}

TEST(HostOptions, RefusesAProfileThatWouldNeverRest) {
  HostOptions options;
  EXPECT_TRUE(check(options));
  options.profile.sample_interval = 0s;
  ASSERT_FALSE(check(options));
  EXPECT_EQ(to_string(check(options).error()),
            "profile.sample_interval: profile.value: a value is outside its range");
}

}  // namespace
}  // namespace wakeline::host
