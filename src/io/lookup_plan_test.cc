// SPDX-License-Identifier: Apache-2.0
#include "io/lookup_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wakeline::io {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Step = LookupPlan::Step;
using Addresses = LookupPlan::Addresses;

constexpr base::Instant kBegin{seconds(1'000)};
const Lookup::Found kFour{false, "192.0.2.1"};
const Lookup::Found kSix{true, "2001:db8::1"};
const Lookup::Found kBehindNat{true, "64:ff9b::c000:201"};

Step tell(Addresses found, bool whole) { return {false, Lookup::Answer{std::move(found), whole}}; }
const Step kNothing{};
const Step kAskNat64{true, {}};

TEST(LookupPlan, TellsIpv6AtOnceAndTheRestWhenItComes) {
  LookupPlan plan;
  plan.on_ipv6({kSix}, true);
  EXPECT_EQ(plan.next(kBegin), tell({kSix}, false));
  EXPECT_EQ(plan.next(kBegin), kNothing);
  EXPECT_EQ(plan.next_deadline(), base::kNever);
  plan.on_ipv4(kBegin + milliseconds(9), {kFour}, true);
  EXPECT_EQ(plan.next(kBegin + milliseconds(9)), tell({kSix, kFour}, true));
  EXPECT_EQ(plan.next(kBegin + milliseconds(9)), kNothing);
}

TEST(LookupPlan, LetsIpv4WaitForIpv6AndNoLongerThanTheResolutionDelay) {
  LookupPlan plan;
  plan.on_ipv4(kBegin, {kFour}, true);
  EXPECT_EQ(plan.next(kBegin), kNothing);
  EXPECT_EQ(plan.next_deadline(), kBegin + milliseconds(50));
  EXPECT_EQ(plan.next(kBegin + milliseconds(49)), kNothing);
  LookupPlan quick = plan;
  quick.on_ipv6({kSix}, true);
  EXPECT_EQ(quick.next(kBegin + milliseconds(49)), tell({kSix, kFour}, true));
  EXPECT_EQ(plan.next(kBegin + milliseconds(50)), tell({kFour}, false));
  EXPECT_EQ(plan.next_deadline(), base::kNever);
  plan.on_ipv6({kSix}, true);
  EXPECT_EQ(plan.next(kBegin + seconds(5)), tell({kSix, kFour}, true));
}

TEST(LookupPlan, WaitsForNobodyWhenBothAnswered) {
  LookupPlan plan;
  plan.on_ipv6({}, false);
  EXPECT_EQ(plan.next(kBegin), kNothing);
  plan.on_ipv4(kBegin, {kFour}, true);
  EXPECT_EQ(plan.next(kBegin), tell({kFour}, true));
  LookupPlan none;
  none.on_ipv4(kBegin, {}, false);
  EXPECT_EQ(none.next(kBegin + seconds(1)), kNothing) << "IPv6 may come";
  none.on_ipv6({}, false);
  EXPECT_EQ(none.next(kBegin + seconds(1)), tell({}, true)) << "no such name";
}

TEST(LookupPlan, PutsIpv6ThatLeadsNowhereLast) {
  LookupPlan plan;
  plan.on_ipv4(kBegin, {kFour}, true);
  plan.on_ipv6({kSix}, false);
  EXPECT_EQ(plan.next(kBegin), tell({kFour, kSix}, true));
}

TEST(LookupPlan, AsksForNat64WhereIpv4HasNoWayAndTheNameNoIpv6) {
  LookupPlan plan;
  plan.on_ipv4(kBegin, {kFour}, false);
  plan.on_ipv6({}, false);
  EXPECT_EQ(plan.next(kBegin), kAskNat64);
  EXPECT_EQ(plan.next(kBegin + seconds(9)), kNothing);
  LookupPlan without = plan;
  plan.on_nat64({kBehindNat});
  EXPECT_EQ(plan.next(kBegin), tell({kBehindNat, kFour}, true));
  without.on_nat64({});
  EXPECT_EQ(without.next(kBegin), tell({kFour}, true)) << "it fails, and says how";
}

TEST(LookupPlan, WaitsTwoSecondsForIpv6BeforeItAsksForNat64) {
  LookupPlan plan;
  plan.on_ipv4(kBegin, {kFour}, false);
  EXPECT_EQ(plan.next(kBegin + milliseconds(1'999)), kNothing);
  EXPECT_EQ(plan.next_deadline(), kBegin + seconds(2));
  LookupPlan slow = plan;
  slow.on_ipv6({kSix}, true);
  EXPECT_EQ(slow.next(kBegin + milliseconds(1'999)), tell({kSix, kFour}, true));
  EXPECT_EQ(plan.next(kBegin + seconds(2)), kAskNat64);
  EXPECT_EQ(plan.next_deadline(), base::kNever);
  plan.on_nat64({kBehindNat});
  EXPECT_EQ(plan.next(kBegin + seconds(3)), tell({kBehindNat, kFour}, false));
  plan.on_ipv6({}, false);
  EXPECT_EQ(plan.next(kBegin + seconds(10)), tell({kBehindNat, kFour}, true));
}

}  // namespace
}  // namespace wakeline::io
