// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

// Pings of a server that wait for another wake (docs/decisions/0014).
namespace wakeline::doze::testing {
namespace {

using enum LedgerEvent;

struct Pings : ::testing::Test {
  Pings() {
    app = bed.doze.add_app({.name = "phone", .voip = true, .merge_pings = 25s}).value();
    bed.launch(app);
    line = bed.tag(app);
    bed.sleep(app);
  }
  List ping() {
    bed.doze.on_pings(bed.now, app, line, bed.out);
    return bed.take();
  }
  List woken(WakeCause cause, TagId tag, int pings) const {
    return {Unwatch{app}, ledger(app, LedgerEvent::kPings, "merged", pings),
            Resume{app, cause, tag, 10s}, ledger(app, kWake, std::string(name(cause)), 1)};
  }
  Bed bed;
  AppId app;
  TagId line;
};

TEST_F(Pings, WaitFromTheFirstOneOnAndAreOneWakeThen) {
  const Instant first = bed.now;
  EXPECT_EQ(ping(), List{});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(bed.pass(5s), List{});
    EXPECT_EQ(ping(), List{});
  }
  EXPECT_EQ(bed.doze.next_deadline(), first + 25s);
  EXPECT_EQ(bed.next(), woken(WakeCause::kSocketData, line, 5));
  bed.sleep(app);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST_F(Pings, AreReadAtAnEarlierWakeForSomethingElse) {
  EXPECT_EQ(ping(), List{});
  bed.now += 7s;
  EXPECT_EQ(bed.data(app, line), woken(WakeCause::kSocketData, line, 1));
  bed.sleep(app);
  // The next ones wait anew.
  EXPECT_EQ(ping(), List{});
  EXPECT_EQ(bed.doze.next_deadline(), bed.now + 25s);
}

TEST_F(Pings, OfARunThatEndedWaitNoMore) {
  EXPECT_EQ(ping(), List{});
  bed.exited(app, {.code = 0});
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST_F(Pings, AreOrdinaryDataOfAnAppThatDidNotAskForIt) {
  const AppId other = bed.doze.add_app({.name = "other", .voip = true}).value();
  bed.launch(other);
  const TagId tag = bed.tag(other);
  bed.sleep(other);
  bed.doze.on_pings(bed.now, other, tag, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{other}, Resume{other, WakeCause::kSocketData, tag, 10s},
                              ledger(other, kWake, "socket_data", 1)}));
}

}  // namespace
}  // namespace wakeline::doze::testing
