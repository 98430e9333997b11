// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/session/session.h"
#include "core/session/session_testing.h"

namespace wakeline::session {

namespace {

TEST(Delivery, PublishesAStoredPushAtOnceAndDeletesItWhenAcknowledged) {
  Bench bench = Bench::ready();
  EXPECT_EQ(bench.stored(1), (List{Publish{1, 1, false}}));
  EXPECT_EQ(bench.puback(1), (List{Remove{1}}));
  EXPECT_EQ(bench.puback(1), List{});
  EXPECT_EQ(bench.session.in_flight(), 0U);
}

TEST(Delivery, TakesARefusalForAnAcknowledgement) {
  Bench bench = Bench::ready();
  bench.stored(1);
  EXPECT_EQ(bench.puback(1, Reason::kQuotaExceeded), (List{Remove{1}}));
}

TEST(Delivery, KeepsToTheWindowAndFetchesTheRestWhenItOpens) {
  Bench bench = Bench::ready();
  for (Sequence sequence = 1; sequence <= 3; ++sequence) bench.stored(sequence);
  EXPECT_EQ(bench.stored(4), List{});
  EXPECT_EQ(bench.stored(5), List{});
  EXPECT_EQ(bench.puback(2), (List{Remove{2}, FetchPending{2, 3, 1}}));
  EXPECT_EQ(bench.puback(1), (List{Remove{1}}));  // one question at a time
  EXPECT_EQ(bench.pending(2, {4}, true), (List{Publish{4, 4, false}, FetchPending{3, 4, 1}}));
  EXPECT_EQ(bench.pending(3, {5}), (List{Publish{5, 5, false}}));
}

TEST(Delivery, TakesTheSmallerReceiveMaximum) {
  auto packet = connect_v5();
  packet.properties.receive_maximum = 1;
  Bench bench = Bench::ready(packet);
  EXPECT_EQ(bench.stored(1), (List{Publish{1, 1, false}}));
  EXPECT_EQ(bench.stored(2), List{});
}

TEST(Delivery, AsksAgainForWhatWasStoredWhileTheStoreWasReading) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe(kInbox));
  EXPECT_EQ(bench.stored(5), List{});
  EXPECT_EQ(bench.pending(1, {4}), (List{Publish{4, 1, false}, FetchPending{2, 4, 2}}));
  EXPECT_EQ(bench.pending(2, {5}), (List{Publish{5, 2, false}}));
}

TEST(Delivery, AsksForTheRestOfAQueueThatWasNeverAnnounced) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe(kInbox));
  EXPECT_EQ(bench.pending(1, {1, 2, 3}, true).size(), 3U);
  EXPECT_EQ(bench.puback(1), (List{Remove{1}, FetchPending{2, 3, 1}}));
  EXPECT_EQ(bench.pending(2, {4}), (List{Publish{4, 4, false}}));
  EXPECT_EQ(bench.puback(2), (List{Remove{2}}));
}

TEST(Delivery, SendsAPushOnceThatAnAnswerHeldBeforeItWasAnnounced) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe(kInbox));
  EXPECT_EQ(bench.pending(1, {4, 5}), (List{Publish{4, 1, false}, Publish{5, 2, false}}));
  EXPECT_EQ(bench.stored(4), List{});
  EXPECT_EQ(bench.stored(5), List{});
  EXPECT_EQ(bench.stored(6), (List{Publish{6, 3, false}}));
}

TEST(Delivery, DoesNotAskTwiceForPushesThatAreGone) {
  Bench bench = Bench::ready();
  for (Sequence sequence = 1; sequence <= 4; ++sequence) bench.stored(sequence);
  EXPECT_EQ(bench.puback(1), (List{Remove{1}, FetchPending{2, 3, 1}}));
  EXPECT_EQ(bench.pending(2, {}), List{});  // 4 has expired
  EXPECT_EQ(bench.puback(2), (List{Remove{2}}));
}

TEST(Delivery, GivesThePlaceOfAGonePushToTheNext) {
  Bench bench = Bench::ready();
  for (Sequence sequence = 1; sequence <= 4; ++sequence) bench.stored(sequence);
  EXPECT_EQ(bench.gone(3), (List{FetchPending{2, 3, 1}}));
}

TEST(Delivery, IgnoresTheAnswerToAnOlderQuestion) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe(kInbox));
  bench.session.on_closed(at(seconds(2)));
  EXPECT_EQ(bench.connect(connect_v5(false)),
            (List{Write{connack_v5(true)}, FetchPending{2, 0, 3}}));
  EXPECT_EQ(bench.pending(1, {1}), List{});
  EXPECT_EQ(bench.pending(2, {1}), (List{Publish{1, 1, false}}));
}

TEST(Resume, SendsTheUnacknowledgedAgainUnderTheirOldPacketIds) {
  Bench bench = Bench::ready();
  for (Sequence sequence = 1; sequence <= 3; ++sequence) bench.stored(sequence);
  bench.puback(2);
  bench.session.on_closed(at(seconds(2)));
  bench.stored(4);
  EXPECT_EQ(bench.connect(connect_v5(false)), (List{Write{connack_v5(true)}, Publish{1, 1, true},
                                                    Publish{3, 3, true}, FetchPending{2, 3, 1}}));
  EXPECT_EQ(bench.pending(2, {4}), (List{Publish{4, 4, false}}));
}

TEST(Resume, KeepsToANarrowerWindow) {
  Bench bench = Bench::ready();
  for (Sequence sequence = 1; sequence <= 2; ++sequence) bench.stored(sequence);
  bench.session.on_closed(at(seconds(2)));
  auto packet = connect_v5(false);
  packet.properties.receive_maximum = 1;
  EXPECT_EQ(bench.connect(packet), (List{Write{connack_v5(true)}, Publish{1, 1, true}}));
  EXPECT_EQ(bench.puback(1), (List{Remove{1}, Publish{2, 2, true}}));
  EXPECT_EQ(bench.puback(2), (List{Remove{2}, FetchPending{2, 2, 1}}));
}

TEST(Resume, LeavesOutWhatTheAppHasAccepted) {
  Bench bench = Bench::ready();
  for (Sequence sequence = 1; sequence <= 3; ++sequence) bench.stored(sequence);
  bench.session.on_closed(at(seconds(2)));
  auto packet = connect_v5(false);
  packet.properties.user = {{"epoch", "abcdef"}, {"received", "2"}};
  EXPECT_EQ(bench.connect(packet), (List{RemoveThrough{2}, Write{connack_v5(true)},
                                         Publish{3, 3, true}, FetchPending{2, 3, 2}}));
}

TEST(Resume, OfACleanStartForgetsTheSubscriptionAndNoPush) {
  Bench bench = Bench::ready();
  bench.stored(1);
  bench.session.on_closed(at(seconds(2)));
  EXPECT_EQ(bench.connect(connect_v5(true)), List{Write{connack_v5(false)}});
  EXPECT_EQ(bench.packet(subscribe(kInbox)),
            (List{Write{suback(Reason::kGrantedQos1)}, FetchPending{2, 0, 3}}));
}

TEST(Resume, EndsWhenTheSessionExpires) {
  Bench bench = Bench::ready(connect_v5(true, 30));
  bench.stored(1);
  bench.session.on_closed(at(seconds(10)));
  EXPECT_EQ(bench.session.next_deadline(), at(seconds(40)));
  EXPECT_FALSE(bench.session.forgettable());
  EXPECT_EQ(bench.deadline(at(seconds(39))), List{});
  EXPECT_FALSE(bench.session.forgettable());
  EXPECT_EQ(bench.deadline(at(seconds(40))), List{});
  EXPECT_TRUE(bench.session.forgettable());
  EXPECT_EQ(bench.connect(connect_v5(false)), List{Write{connack_v5(false)}});
}

TEST(Resume, SeesAnExpiryWhoseTimerIsLate) {
  Bench bench = Bench::ready(connect_v5(true, 30));
  bench.session.on_closed(at(seconds(10)));
  EXPECT_EQ(bench.connect(connect_v5(false), at(seconds(41))), List{Write{connack_v5(false)}});
}

TEST(Resume, IsNotOfferedAfterASessionWithoutExpiry) {
  Bench bench = Bench::ready(connect_v5(true, 0));
  bench.session.on_closed(at(seconds(10)));
  EXPECT_TRUE(bench.session.forgettable());
  EXPECT_EQ(bench.session.next_deadline(), base::kNever);
}

TEST(Resume, Of311LastsWithoutACleanSession) {
  Bench bench = Bench::ready(connect_v311(false));
  bench.stored(1);
  bench.session.on_closed(at(seconds(2)));
  EXPECT_EQ(bench.connect(connect_v311(false)), (List{Write{mqtt::Connack{.session_present = true}},
                                                      Publish{1, 1, true}, FetchPending{2, 1, 2}}));
}

mqtt::Subscribe subscribe_once(std::string filter) {
  return {.packet_id = 9, .topics = {{.filter = std::move(filter), .qos = mqtt::Qos::kAtMostOnce}}};
}

TEST(Session, GrantsQos0AsAskedAndIsDoneWithAPushWhenItIsWritten) {
  Bench bench;
  bench.connect(connect_v5());
  EXPECT_EQ(bench.packet(subscribe_once(kInbox)),
            (List{Write{suback(Reason::kSuccess)}, FetchPending{1, 0, 3}}));
  EXPECT_EQ(bench.pending(1, {}), List{});
  EXPECT_EQ(bench.stored(1), (List{Publish{1, 1, false}}));
  EXPECT_TRUE(bench.session.sends_once(Session::Subscription::kInbox, ""));
  EXPECT_FALSE(bench.session.awaits_writing());
  bench.session.on_sent_once(1);
  EXPECT_TRUE(bench.session.awaits_writing());
  bench.session.on_written(bench.out);
  EXPECT_EQ(bench.take(), (List{Remove{1}}));
  EXPECT_EQ(bench.session.in_flight(), 0U);
}

TEST(Session, ReadsAgainWhatWasToGoWithQos0WhenTheLineBreaksBeforeItIsWritten) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe_once(kInbox));
  bench.pending(1, {});
  ASSERT_EQ(bench.stored(1), (List{Publish{1, 1, false}}));
  bench.session.on_sent_once(1);
  bench.session.on_closed(at(seconds(2)));
  EXPECT_EQ(bench.session.in_flight(), 0U);
  EXPECT_EQ(bench.connect(connect_v5(false), at(seconds(3))),
            (List{Write{connack_v5(true)}, FetchPending{2, 0, 3}}));
  EXPECT_EQ(bench.pending(2, {1}), (List{Publish{1, 2, false}}));
}

TEST(Session, CarriesQos0OverAHandoverAndReadsTheLayoutBefore) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe_once(kInbox));
  bench.pending(1, {});
  bench.stored(1);
  bench.session.on_sent_once(1);
  base::Bytes frozen;
  bench.session.freeze(frozen);
  EXPECT_EQ(Session::thaw(frozen), bench.session);

  frozen[0] = 4;  // of a session without more than this it is the same
  EXPECT_EQ(Session::thaw(frozen), bench.session);
}

}  // namespace
}  // namespace wakeline::session
