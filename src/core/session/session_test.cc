// SPDX-License-Identifier: Apache-2.0
#include "core/session/session.h"

#include <gtest/gtest.h>

#include "core/session/session_testing.h"

namespace wakeline::session {

namespace {

// Bar: 300 B for an idle device in all (measures.md); the rest is the driver's.
static_assert(sizeof(Session) <= 128);

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

TEST(Refusal, OfAPacketThatOnlyAServerSends) {
  const std::vector<mqtt::Packet> packets = {mqtt::Connack{},  mqtt::Suback{}, mqtt::Unsuback{},
                                             mqtt::Pingresp{}, mqtt::Auth{},   connect_v5()};
  for (const mqtt::Packet& packet : packets) {
    Bench bench = Bench::ready();
    const List list = bench.packet(packet);
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(std::get<mqtt::Disconnect>(std::get<Write>(list[0]).packet).reason,
              Reason::kProtocolError);
    EXPECT_EQ(list[1], Action(CloseLink{Reason::kProtocolError}));
    EXPECT_EQ(bench.packet(mqtt::Pingreq{}), List{});  // closed: nothing more is answered
  }
}

TEST(Refusal, OfAPublishNamesWhatIsWrongWithIt) {
  struct Row {
    mqtt::Publish packet;
    Reason reason;
  };
  std::vector<Row> rows = {
      {{.topic = "a"}, Reason::kNotAuthorized},
      {{.topic = "a", .qos = mqtt::Qos::kExactlyOnce, .packet_id = 1}, Reason::kQosNotSupported},
      {{.topic = "a", .retain = true}, Reason::kRetainNotSupported},
      {{}, Reason::kTopicAliasInvalid}};
  rows[3].packet.properties.topic_alias = kTopicAliasMax + 1;
  for (const Row& row : rows) {
    Bench bench = Bench::ready();
    const List list = bench.packet(row.packet);
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[1], Action(CloseLink{row.reason}));
  }
  Bench v5 = Bench::ready();
  const mqtt::Publish publish{.topic = "a", .qos = mqtt::Qos::kAtLeastOnce, .packet_id = 3};
  EXPECT_EQ(v5.packet(publish),
            (List{Write{mqtt::Ack{.packet_id = 3, .reason = Reason::kNotAuthorized}}}));
  Bench v311 = Bench::ready(connect_v311());
  EXPECT_EQ(v311.packet(publish), (List{CloseLink{Reason::kNotAuthorized}}));
}

TEST(Refusal, OfQos2AnswersTellsThatThereIsNoSuchPacket) {
  using mqtt::AckKind;
  Bench bench = Bench::ready();
  EXPECT_EQ(bench.packet(mqtt::Ack{.kind = AckKind::kPubrec, .packet_id = 5}),
            (List{Write{mqtt::Ack{
                .kind = AckKind::kPubrel, .packet_id = 5, .reason = Reason::kPacketIdNotFound}}}));
  EXPECT_EQ(bench.packet(mqtt::Ack{.kind = AckKind::kPubrel, .packet_id = 5}),
            (List{Write{mqtt::Ack{
                .kind = AckKind::kPubcomp, .packet_id = 5, .reason = Reason::kPacketIdNotFound}}}));
  bench.stored(1);
  const List list = bench.packet(mqtt::Ack{.kind = AckKind::kPubrec, .packet_id = 1});
  EXPECT_EQ(list.back(), Action(CloseLink{Reason::kProtocolError}));
  Bench v311 = Bench::ready(connect_v311());
  EXPECT_EQ(v311.packet(mqtt::Ack{.kind = AckKind::kPubrel, .packet_id = 5}),
            (List{Write{mqtt::Ack{.kind = AckKind::kPubcomp, .packet_id = 5}}}));
  EXPECT_EQ(v311.packet(mqtt::Ack{.kind = AckKind::kPubcomp, .packet_id = 5}),
            (List{CloseLink{Reason::kProtocolError}}));
}

TEST(Refusal, OfBytesThatAreNoPacket) {
  Bench bench = Bench::ready();
  bench.session.on_malformed(at(seconds(2)), base::ErrorCode::kTooLarge, bench.out);
  EXPECT_EQ(bench.take(), (List{disconnect(Reason::kPacketTooLarge, "the packet is too large"),
                                CloseLink{Reason::kPacketTooLarge}}));
  Bench v311 = Bench::ready(connect_v311());
  v311.session.on_malformed(at(seconds(2)), base::ErrorCode::kMalformed, v311.out);
  EXPECT_EQ(v311.take(), (List{CloseLink{Reason::kMalformedPacket}}));
}

TEST(Refusal, LeavesOutTextForADeviceThatTakesSmallPackets) {
  auto packet = connect_v5();
  packet.properties.maximum_packet_size = 100;
  Bench bench = Bench::ready(packet);
  EXPECT_EQ(bench.session.packet_max(), 100U);
  bench.session.on_malformed(at(seconds(2)), base::ErrorCode::kMalformed, bench.out);
  EXPECT_EQ(bench.take(),
            (List{disconnect(Reason::kMalformedPacket), CloseLink{Reason::kMalformedPacket}}));
}

TEST(End, ByTheDeviceIsNotAnswered) {
  Bench bench = Bench::ready();
  mqtt::Disconnect packet;
  packet.properties.session_expiry_s = 0;
  EXPECT_EQ(bench.packet(packet), (List{CloseLink{Reason::kSuccess}}));
  EXPECT_TRUE(bench.session.forgettable());
}

TEST(End, ByTheDeviceMayNotGiveASessionThatHadNoneALife) {
  Bench bench = Bench::ready(connect_v5(true, 0));
  mqtt::Disconnect packet;
  packet.properties.session_expiry_s = 10;
  EXPECT_EQ(bench.packet(packet).back(), Action(CloseLink{Reason::kProtocolError}));
}

TEST(End, ByAStoppingServerSaysHowLongTheMoveMayTake) {
  Bench bench = Bench::ready();
  bench.session.on_server_stopping(at(seconds(2)), milliseconds(1'500), bench.out);
  mqtt::Disconnect packet{.reason = Reason::kAdministrativeAction};
  packet.properties.user = {{"drain", "1500"}};
  EXPECT_EQ(bench.take(), (List{Write{packet}, CloseLink{Reason::kAdministrativeAction}}));
  Bench at_once = Bench::ready();
  at_once.session.on_server_stopping(at(seconds(2)), Duration::zero(), at_once.out);
  EXPECT_EQ(at_once.take(), (List{disconnect(Reason::kServerShuttingDown),
                                  CloseLink{Reason::kServerShuttingDown}}));
}

TEST(End, ByTakeOverIsSaidInVersion5) {
  Bench bench = Bench::ready();
  bench.session.on_expelled(at(seconds(2)), Reason::kSessionTakenOver, bench.out);
  EXPECT_EQ(bench.take(),
            (List{disconnect(Reason::kSessionTakenOver), CloseLink{Reason::kSessionTakenOver}}));
}

TEST(ToLine, NamesEachActionInOneLine) {
  EXPECT_EQ(to_line(Publish{7, 3, true}), "PUBLISH seq=7 id=3 dup");
  EXPECT_EQ(to_line(FetchPending{2, 7, 3}), "FETCH id=2 after=7 limit=3");
  EXPECT_EQ(to_line(Remove{7}), "REMOVE seq=7");
  EXPECT_EQ(to_line(RemoveThrough{7}), "REMOVE through=7");
  EXPECT_EQ(to_line(CloseLink{Reason::kSessionTakenOver}), "CLOSE reason=0x8e");
  EXPECT_EQ(to_line(Write{mqtt::Pingresp{}}), "WRITE " + mqtt::to_line(mqtt::Pingresp{}));
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
