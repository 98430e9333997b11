// SPDX-License-Identifier: Apache-2.0
#include "core/session/session.h"

#include <gtest/gtest.h>

#include "core/session/session_testing.h"

namespace wakeline::session {

namespace {

// Bar: 300 B for an idle device in all (measures.md); the rest is the driver's.
static_assert(sizeof(Session) <= 128);

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
  Bench many = Bench::ready();
  many.session.on_malformed(at(seconds(2)), base::ErrorCode::kUnsupported, many.out);
  EXPECT_EQ(many.take(), (List{disconnect(Reason::kQuotaExceeded, "too many topics in one packet"),
                               CloseLink{Reason::kQuotaExceeded}}));
  Bench v311 = Bench::ready(connect_v311());
  v311.session.on_malformed(at(seconds(2)), base::ErrorCode::kMalformed, v311.out);
  EXPECT_EQ(v311.take(), (List{CloseLink{Reason::kMalformedPacket}}));
}

TEST(Refusal, OfMoreUserPropertiesThanAreKept) {
  Bench bench = Bench::ready();
  mqtt::Publish publish{.topic = "a"};
  publish.properties.more_user = true;
  EXPECT_EQ(bench.packet(publish),
            (List{disconnect(Reason::kQuotaExceeded, "too many user properties"),
                  CloseLink{Reason::kQuotaExceeded}}));
  mqtt::Connect connect = connect_v5();
  connect.properties.more_user = true;
  const auto refused = refusal_of("door", connect, {});
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, Reason::kQuotaExceeded);
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

TEST(End, ByKeepAliveIsNotNearAfterTheServerWasReplaced) {
  Bench bench = Bench::ready();
  base::Bytes frozen;
  bench.session.freeze(frozen);
  auto thawed = Session::thaw(frozen);
  ASSERT_TRUE(thawed);
  // What the device said since then is in its socket.
  const Instant late = at(std::chrono::hours(1));
  thawed->on_thawed(late, bench.config, bench.out);
  EXPECT_EQ(thawed->next_deadline(), late + seconds(900));
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

}  // namespace
}  // namespace wakeline::session
