// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/session/session.h"
#include "core/session/session_testing.h"

namespace wakeline::session {

namespace {

TEST(Connect, IsAnsweredWithWhatTheServerGrants) {
  Bench bench;
  EXPECT_EQ(bench.connect(connect_v5()), List{Write{connack_v5()}});
  EXPECT_TRUE(bench.session.online());
  EXPECT_EQ(bench.session.next_deadline(), at(seconds(900)));
}

TEST(Connect, AnsweredInVersion311HasNoProperties) {
  Bench bench;
  EXPECT_EQ(bench.connect(connect_v311()), List{Write{mqtt::Connack{}}});
  EXPECT_EQ(bench.session.next_deadline(), at(seconds(90)));
}

TEST(Connect, ReplacesAnAbsentOrLongKeepAliveByTheServersOwn) {
  for (const std::uint16_t asked : {0, 7'200}) {
    Bench bench;
    auto packet = connect_v5();
    packet.keep_alive_s = asked;
    auto expected = connack_v5();
    expected.properties.server_keep_alive_s = 3'600;
    EXPECT_EQ(bench.connect(packet), List{Write{expected}});
    EXPECT_EQ(bench.session.next_deadline(), at(seconds(5'400)));
  }
}

TEST(Connect, HasNoDeadlineWhere311AsksForNone) {
  Bench bench;
  auto packet = connect_v311();
  packet.keep_alive_s = 0;
  bench.connect(packet);
  EXPECT_EQ(bench.session.next_deadline(), base::kNever);
}

TEST(Connect, NamesTheDeviceThatGaveNoClientId) {
  Bench bench;
  auto packet = connect_v5();
  packet.client_id.clear();
  auto expected = connack_v5();
  expected.properties.assigned_client_id = kDevice;
  EXPECT_EQ(bench.connect(packet), List{Write{expected}});
}

TEST(Connect, TellsAShortenedSessionExpiry) {
  Bench bench;
  bench.config.session_expiry_max_s = 60;
  auto expected = connack_v5();
  expected.properties.session_expiry_s = 60;
  EXPECT_EQ(bench.connect(connect_v5()), List{Write{expected}});
}

TEST(Connect, IsRefusedWithTheStandardsReason) {
  struct Row {
    mqtt::Connect packet;
    Reason reason;
  };
  std::vector<Row> rows(6, {connect_v5(), Reason::kSuccess});
  rows[0].packet.client_id = "window";
  rows[0].reason = Reason::kClientIdNotValid;
  rows[1].packet.properties.auth_method = "SCRAM-SHA-1";
  rows[1].reason = Reason::kBadAuthMethod;
  rows[2].packet.will = mqtt::Will{.topic = "bye"};
  rows[2].reason = Reason::kNotAuthorized;
  rows[3].packet.properties.receive_maximum = 0;
  rows[3].reason = Reason::kProtocolError;
  rows[4].packet.properties.maximum_packet_size = 0;
  rows[4].reason = Reason::kProtocolError;
  rows[5].packet = connect_v311(false);
  rows[5].packet.client_id.clear();
  rows[5].reason = Reason::kClientIdNotValid;
  for (const Row& row : rows) {
    Bench bench;
    const List list = bench.connect(row.packet);
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(std::get<mqtt::Connack>(std::get<Write>(list[0]).packet).reason, row.reason);
    EXPECT_EQ(list[1], Action(CloseLink{row.reason}));
    EXPECT_FALSE(bench.session.online());
    EXPECT_TRUE(bench.session.forgettable());
    EXPECT_EQ(bench.session.version(), row.packet.version);
  }
}

TEST(Connect, DeletesWhatTheAppHasAcceptedInTheSameEpoch) {
  Bench bench;
  auto packet = connect_v5();
  packet.properties.user = {{"epoch", "abcdef"}, {"received", "7"}};
  EXPECT_EQ(bench.connect(packet), (List{RemoveThrough{7}, Write{connack_v5()}}));
  EXPECT_EQ(bench.packet(subscribe(kInbox)),
            (List{Write{suback(Reason::kGrantedQos1)}, FetchPending{1, 7, 3}}));
}

TEST(Connect, IgnoresAReceivedCountOfAnotherEpochOrOfNone) {
  for (const char* epoch : {"abcdee", "", "abcdef ", "0xabcdef"}) {
    Bench bench;
    auto packet = connect_v5();
    packet.properties.user = {{"epoch", epoch}, {"received", "7"}};
    EXPECT_EQ(bench.connect(packet), List{Write{connack_v5()}}) << epoch;
  }
  Bench bench;
  auto packet = connect_v5();
  packet.properties.user = {{"received", "7"}};
  EXPECT_EQ(bench.connect(packet), List{Write{connack_v5()}});
}

TEST(Connect, OfOurOwnClientSubscribesItsInbox) {
  Bench bench;
  auto packet = connect_v5();
  packet.properties.user = {{"attempt", "1"}};
  EXPECT_EQ(bench.connect(packet), (List{Write{connack_v5()}, FetchPending{1, 0, 3}}));
}

TEST(Subscribe, OpensTheQueueOfTheOwnInboxAlone) {
  Bench bench;
  bench.connect(connect_v5());
  EXPECT_EQ(bench.stored(1), List{});  // not subscribed yet
  EXPECT_EQ(bench.packet(subscribe("wakeline/inbox/window")),
            List{Write{suback(Reason::kNotAuthorized)}});
  EXPECT_EQ(bench.packet(subscribe("#")), List{Write{suback(Reason::kNotAuthorized)}});
  EXPECT_EQ(bench.packet(subscribe("a/#/b")), List{Write{suback(Reason::kTopicFilterInvalid)}});
  EXPECT_EQ(bench.packet(subscribe(kInbox)),
            (List{Write{suback(Reason::kGrantedQos1)}, FetchPending{1, 0, 3}}));
  EXPECT_EQ(bench.packet(subscribe(kInbox)), List{Write{suback(Reason::kGrantedQos1)}});
}

TEST(Subscribe, FailsIn311WithItsOneCode) {
  Bench bench;
  bench.connect(connect_v311());
  EXPECT_EQ(bench.packet(subscribe("#")), List{Write{suback(Reason::kUnspecified)}});
}

TEST(Subscribe, WithWhatConnackDeniedEndsTheConnection) {
  Bench bench;
  bench.connect(connect_v5());
  auto packet = subscribe(kInbox);
  packet.properties.subscription_id = 1;
  EXPECT_EQ(bench.packet(packet),
            (List{disconnect(Reason::kSubscriptionIdsNotSupported, "subscription identifiers"),
                  CloseLink{Reason::kSubscriptionIdsNotSupported}}));
  bench.connect(connect_v5());
  EXPECT_EQ(bench.packet(subscribe("$share/g/wakeline/inbox/door")),
            (List{disconnect(Reason::kSharedNotSupported, "shared subscriptions"),
                  CloseLink{Reason::kSharedNotSupported}}));
}

TEST(Unsubscribe, StopsTheFlowAndSaysWhetherThereWasOne) {
  Bench bench = Bench::ready();
  const mqtt::Unsubscribe packet{.packet_id = 4, .filters = {kInbox, "other"}};
  const mqtt::Unsuback answer{.packet_id = 4,
                              .reasons = {Reason::kSuccess, Reason::kNoSubscriptionExisted}};
  EXPECT_EQ(bench.packet(packet), List{Write{answer}});
  EXPECT_EQ(bench.stored(1), List{});
  EXPECT_EQ(bench.packet(subscribe(kInbox)),
            (List{Write{suback(Reason::kGrantedQos1)}, FetchPending{2, 0, 3}}));
}

TEST(KeepAlive, AnswersAPingAndWaitsOneAndAHalfTimes) {
  Bench bench = Bench::ready(connect_v311());
  EXPECT_EQ(bench.packet(mqtt::Pingreq{}, at(seconds(50))), List{Write{mqtt::Pingresp{}}});
  EXPECT_EQ(bench.session.next_deadline(), at(seconds(140)));
  EXPECT_EQ(bench.deadline(at(seconds(139))), List{});
  EXPECT_EQ(bench.deadline(at(seconds(140))), (List{CloseLink{Reason::kKeepAliveTimeout}}));
  EXPECT_FALSE(bench.session.online());
}

TEST(KeepAlive, TellsASilentVersion5DeviceWhyItIsClosed) {
  Bench bench = Bench::ready();
  EXPECT_EQ(bench.deadline(bench.session.next_deadline()),
            (List{disconnect(Reason::kKeepAliveTimeout), CloseLink{Reason::kKeepAliveTimeout}}));
}

}  // namespace
}  // namespace wakeline::session
