// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/session/session_testing.h"

namespace wakeline::session {
namespace {

mqtt::Publish publish(std::string topic, std::uint16_t id = 3) {
  return {.topic = std::move(topic),
          .payload = {'o', 'k'},
          .qos = id == 0 ? mqtt::Qos::kAtMostOnce : mqtt::Qos::kAtLeastOnce,
          .packet_id = id};
}

mqtt::Connect with_will(std::uint32_t delay_s = 0) {
  auto connect = connect_v5();
  connect.will = mqtt::Will{.topic = "wakeline/presence/door", .payload = {'b', 'y', 'e'}};
  if (delay_s > 0) connect.will->properties.will_delay_s = delay_s;
  return connect;
}

const Report kGone{wire::ReportKind::kPresence, 0, {'b', 'y', 'e'}, "", {}};

Action puback(std::uint16_t id, Reason reason = Reason::kSuccess) {
  return Write{mqtt::Ack{.packet_id = id, .reason = reason}};
}

TEST(ReportOfADevice, IsAcknowledgedWhenItIsStoredAndNotBefore) {
  Bench bench = Bench::ready();
  auto reply = publish("wakeline/reply/door");
  reply.properties.content_type = "text/plain";
  reply.properties.correlation_data = base::Bytes{7};
  reply.properties.user = {{"key", "k1"}};
  EXPECT_EQ(bench.packet(reply),
            List{(Report{wire::ReportKind::kReply, 3, {'o', 'k'}, "text/plain", {7}, "k1"})});
  EXPECT_EQ(bench.packet(reply), List{});  // the same again, while it is under way
  bench.session.on_report_stored(at(seconds(2)), 3, Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), List{puback(3)});
  bench.session.on_report_stored(at(seconds(2)), 3, Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), List{});
}

TEST(ReportOfADevice, WithQos0IsStoredAndNotAnswered) {
  Bench bench = Bench::ready(connect_v311());
  EXPECT_EQ(bench.packet(publish("wakeline/receipt/door", 0)),
            List{(Report{wire::ReportKind::kReceipt, 0, {'o', 'k'}, "", {}})});
}

TEST(ReportOfADevice, ThatCouldNotBeStoredIsRefusedInVersion5AndComesAgainIn311) {
  for (const bool v5 : {true, false}) {
    Bench bench = Bench::ready(v5 ? connect_v5() : connect_v311());
    bench.packet(publish("wakeline/reply/door"));
    bench.session.on_report_stored(at(seconds(2)), 3, Reason::kQuotaExceeded, bench.out);
    EXPECT_EQ(bench.take(), v5 ? List{puback(3, Reason::kQuotaExceeded)} : List{});
  }
}

TEST(ReportOfADevice, IsRefusedWithoutTheRightToIt) {
  for (const char* topic :
       {"wakeline/reply/door", "wakeline/reply/window", "wakeline/inbox/door"}) {
    Bench bench;
    bench.rights = 0;
    bench.connect(connect_v5());
    EXPECT_EQ(bench.packet(publish(topic)), List{puback(3, Reason::kNotAuthorized)}) << topic;
    EXPECT_EQ(bench.packet(publish(topic, 0)).back(), Action(CloseLink{Reason::kNotAuthorized}));
  }
}

TEST(ReportOfADevice, LargerThanAPushIsRefused) {
  Bench bench = Bench::ready();
  auto large = publish("wakeline/reply/door");
  large.payload.resize(wire::kPushBodyMax + 1);
  EXPECT_EQ(bench.packet(large), List{puback(3, Reason::kQuotaExceeded)});
}

TEST(ReportOfADevice, OverTheReceiveMaximumEndsTheConnection) {
  Bench bench = Bench::ready();
  for (std::uint16_t id = 1; id <= kReportsMax; ++id)
    EXPECT_EQ(bench.packet(publish("wakeline/reply/door", id)).size(), 1U);
  EXPECT_EQ(bench.packet(publish("wakeline/reply/door", kReportsMax + 1)).back(),
            Action(CloseLink{Reason::kReceiveMaximumExceeded}));
}

TEST(ReportOfADevice, OverWhatMayWaitForTheDiskEndsTheConnectionWhateverItsQosAndConnection) {
  Bench bench = Bench::ready();
  const auto say = [&] { return bench.packet(publish("wakeline/reply/door", 0)); };
  for (std::size_t i = 0; i < kWaitingMax; ++i) ASSERT_EQ(say().size(), 1U);
  EXPECT_EQ(say().back(), Action(CloseLink{Reason::kQuotaExceeded}));
  bench.connect(connect_v5(false), at(seconds(2)));
  EXPECT_EQ(say().back(), Action(CloseLink{Reason::kQuotaExceeded}));
  bench.connect(connect_v5(false), at(seconds(2)));
  const mqtt::Subscribe group = subscribe("wakeline/group/family");
  EXPECT_EQ(bench.packet(group).back(), Action(CloseLink{Reason::kQuotaExceeded}));
  bench.connect(connect_v5(false), at(seconds(3)));
  bench.session.on_report_stored(at(seconds(3)), 0, Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), List{});
  EXPECT_EQ(say().size(), 1U);
  EXPECT_EQ(bench.session.waiting(), kWaitingMax);
}

TEST(ReportOfADevice, OfAFormerConnectionAcknowledgesNothingOfThisOne) {
  Bench bench = Bench::ready();
  bench.packet(publish("wakeline/reply/door", 9));
  bench.session.on_closed(at(seconds(1)));
  bench.connect(connect_v5(false), at(seconds(2)));
  bench.packet(publish("wakeline/reply/door", 9));
  bench.session.on_report_stored(at(seconds(3)), 0, Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), List{});
  bench.session.on_report_stored(at(seconds(3)), 9, Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), List{puback(9)});
  EXPECT_EQ(bench.session.waiting(), 0U);
}

TEST(ReportOfADevice, IsWaitedForAlsoWhenItsSessionIsOver) {
  Bench bench = Bench::ready(connect_v5(true, 0));
  bench.packet(publish("wakeline/reply/door", 0));
  bench.packet(subscribe("wakeline/group/family"));
  bench.session.on_closed(at(seconds(1)));
  bench.session.on_report_stored(at(seconds(3)), 0, Reason::kSuccess, bench.out);
  EXPECT_FALSE(bench.session.forgettable());
  bench.session.on_group_done(at(seconds(3)), 0, 0, "family", Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), List{});
  EXPECT_TRUE(bench.session.forgettable());
  EXPECT_EQ(bench.session, [] {  // and nothing is left of it
    Bench other = Bench::ready(connect_v5(true, 0));
    other.session.on_closed(at(seconds(1)));
    return other.session;
  }());
}

TEST(TopicAlias, StandsForTheTopicOfThisConnection) {
  Bench bench = Bench::ready();
  auto first = publish("wakeline/reply/door", 0);
  first.properties.topic_alias = 2;
  EXPECT_EQ(bench.packet(first).size(), 1U);
  auto second = publish("", 0);
  second.properties.topic_alias = 2;
  const Report report{wire::ReportKind::kReply, 0, {'o', 'k'}, "", {}};
  EXPECT_EQ(bench.packet(second), List{report});
  auto never_set = publish("", 0);
  never_set.properties.topic_alias = 1;
  EXPECT_EQ(bench.packet(never_set).back(), Action(CloseLink{Reason::kProtocolError}));
  bench.connect(connect_v5(false));
  EXPECT_EQ(bench.packet(second).back(), Action(CloseLink{Reason::kProtocolError}));
}

TEST(ReportOfADevice, IsRefusedWithAKeyThatIsNone) {
  Bench bench = Bench::ready();
  auto reply = publish("wakeline/reply/door");
  reply.properties.user = {{"key", "two words"}};
  EXPECT_EQ(bench.packet(reply), List{puback(3, Reason::kImplementationSpecific)});
}

TEST(WillOfADevice, IsPublishedWhenItsLineBreaks) {
  Bench bench;
  bench.connect(with_will());
  bench.session.on_closed(at(seconds(5)));
  EXPECT_EQ(bench.session.next_deadline(), at(seconds(5)));
  EXPECT_EQ(bench.deadline(at(seconds(5))), List{kGone});
  EXPECT_EQ(bench.deadline(at(seconds(5))), List{});
}

TEST(WillOfADevice, IsTakenBackByAnOrderlyEndAlone) {
  Bench orderly;
  orderly.connect(with_will());
  orderly.packet(mqtt::Disconnect{});
  EXPECT_EQ(orderly.session.next_deadline(), base::kNever);
  Bench with;
  with.connect(with_will());
  with.packet(mqtt::Disconnect{.reason = Reason::kDisconnectWithWill});
  EXPECT_EQ(with.deadline(at(seconds(9))), List{kGone});
  Bench silent;
  silent.connect(with_will());
  EXPECT_EQ(silent.deadline(at(seconds(900))).back(), Action(CloseLink{Reason::kKeepAliveTimeout}));
  EXPECT_EQ(silent.deadline(at(seconds(900))), List{kGone});
}

TEST(WillOfADevice, WaitsItsDelayAndNotWhenTheDeviceIsBackInTime) {
  Bench bench;
  bench.connect(with_will(30));
  bench.session.on_closed(at(seconds(10)));
  EXPECT_EQ(bench.deadline(at(seconds(39))), List{});
  bench.connect(connect_v5(false), at(seconds(39)));
  EXPECT_EQ(bench.deadline(at(seconds(45))), List{});
  Bench clean;
  clean.connect(with_will(30));
  clean.session.on_closed(at(seconds(10)));
  EXPECT_EQ(clean.connect(connect_v5(true), at(seconds(12))), (List{kGone, Write{connack_v5()}}));
  Bench expired;
  auto short_lived = with_will(3'000);
  short_lived.properties.session_expiry_s = 60;
  expired.connect(short_lived);
  expired.session.on_closed(at(seconds(10)));
  EXPECT_EQ(expired.deadline(at(seconds(70))), List{kGone});
  EXPECT_FALSE(expired.session.forgettable());
  expired.session.on_report_stored(at(seconds(71)), 0, Reason::kSuccess, expired.out);
  EXPECT_TRUE(expired.session.forgettable());
}

TEST(WillOfADevice, IsNotSaidWhenTheServerGoes) {
  Bench bench;
  bench.connect(with_will());
  bench.session.on_server_stopping(at(seconds(2)), seconds(1), bench.out);
  bench.take();
  EXPECT_EQ(bench.deadline(at(seconds(3))), List{});
}

TEST(WillOfADevice, IsRefusedWhereItIsNotItsPresence) {
  struct Row {
    mqtt::Will will;
    Reason reason;
  };
  const std::vector<Row> rows = {
      {{.topic = "wakeline/reply/door"}, Reason::kNotAuthorized},
      {{.topic = "wakeline/presence/window"}, Reason::kNotAuthorized},
      {{.topic = "wakeline/presence/door", .qos = mqtt::Qos::kExactlyOnce},
       Reason::kQosNotSupported},
      {{.topic = "wakeline/presence/door", .retain = true}, Reason::kRetainNotSupported}};
  for (const Row& row : rows) {
    Bench bench;
    auto connect = connect_v5();
    connect.will = row.will;
    EXPECT_EQ(bench.connect(connect).back(), Action(CloseLink{row.reason}));
  }
}

TEST(Group, IsGrantedWhenTheStoreHasItDown) {
  Bench bench;
  bench.connect(connect_v5());
  auto both = subscribe("wakeline/group/family");
  both.topics.push_back({.filter = kInbox});  // with QoS 0
  both.topics.push_back({.filter = "wakeline/group/others"});
  EXPECT_EQ(bench.packet(both), (List{ChangeGroup{9, 0, true, "family"},
                                      ChangeGroup{9, 2, true, "others"}, FetchPending{1, 0, 3}}));
  bench.session.on_group_done(at(seconds(2)), 9, 2, "others", Reason::kNotAuthorized, bench.out);
  EXPECT_EQ(bench.take(), List{});
  bench.session.on_group_done(at(seconds(2)), 9, 0, "family", Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(),
            (List{Write{mqtt::Suback{
                .packet_id = 9,
                .reasons = {Reason::kGrantedQos1, Reason::kSuccess, Reason::kNotAuthorized}}}}));
}

TEST(Group, AloneLetsPushesFlowUntilItIsLeft) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe("wakeline/group/family"));
  EXPECT_FALSE(bench.session.receiving());
  bench.session.on_group_done(at(seconds(2)), 9, 0, "family", Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), (List{Write{suback(Reason::kGrantedQos1)}, FetchPending{1, 0, 3}}));
  EXPECT_TRUE(bench.session.receiving());
  bench.pending(1, {});
  EXPECT_EQ(bench.packet(mqtt::Unsubscribe{.packet_id = 4, .filters = {"wakeline/group/family"}}),
            (List{ChangeGroup{4, 0, false, "family"}}));
  bench.session.on_group_done(at(seconds(3)), 4, 0, "family", Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(),
            (List{Write{mqtt::Unsuback{.packet_id = 4, .reasons = {Reason::kSuccess}}}}));
  EXPECT_FALSE(bench.session.receiving());
}

TEST(Group, AloneLetsWhatIsForTheInboxWaitUntilThatIsSubscribed) {
  using Subscription = Session::Subscription;
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe("wakeline/group/family"));
  bench.session.on_group_done(at(seconds(2)), 9, 0, "family", Reason::kSuccess, bench.out);
  bench.take();
  EXPECT_EQ(bench.session.subscription_for("family"), Subscription::kGroup);
  EXPECT_EQ(bench.session.subscription_for("others"), Subscription::kNone);
  EXPECT_EQ(bench.session.subscription_for(""), Subscription::kNone);
  // 1 is for the inbox, 2 for the group.
  EXPECT_EQ(bench.pending(1, {1, 2}), (List{Publish{1, 1, false}, Publish{2, 2, false}}));
  bench.session.on_unwanted(at(seconds(2)), bench.config, 1, bench.out);
  EXPECT_EQ(bench.take(), List{});
  EXPECT_EQ(bench.session.in_flight(), 1U);
  // 1 is there again, and 2 is not sent twice: it is under way until it is acknowledged.
  EXPECT_EQ(bench.packet(subscribe(kInbox)), List{Write{suback(Reason::kGrantedQos1)}});
  EXPECT_EQ(bench.session.subscription_for("others"), Subscription::kInbox);
  EXPECT_EQ(bench.stored(3), List{});
  EXPECT_EQ(bench.puback(2), (List{Remove{2}, FetchPending{2, 0, 3}}));
  EXPECT_EQ(bench.pending(2, {1, 3}), (List{Publish{1, 3, false}, Publish{3, 4, false}}));
  EXPECT_EQ(bench.stored(4), List{(Publish{4, 5, false})});
}

TEST(Group, IsOfTheSessionAndGoesWithIt) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe("wakeline/group/family"));
  bench.session.on_group_done(at(seconds(2)), 9, 0, "family", Reason::kSuccess, bench.out);
  bench.take();
  base::Bytes frozen;
  bench.session.freeze(frozen);
  EXPECT_EQ(Session::thaw(frozen)->subscription_for("family"), Session::Subscription::kGroup);
  bench.session.on_closed(at(seconds(3)));
  bench.connect(connect_v5(false), at(seconds(4)));
  EXPECT_TRUE(bench.session.receiving());
  bench.session.on_closed(at(seconds(5)));
  bench.connect(connect_v5(true), at(seconds(6)));
  EXPECT_FALSE(bench.session.receiving());
  EXPECT_EQ(bench.session.subscription_for("family"), Session::Subscription::kNone);
}

TEST(Group, ChangesOfAConnectionThatIsGoneAreNotAnswered) {
  Bench bench;
  bench.connect(connect_v5());
  bench.packet(subscribe("wakeline/group/family"));
  bench.session.on_closed(at(seconds(2)));
  bench.connect(connect_v5(false));
  bench.session.on_group_done(at(seconds(3)), 9, 0, "family", Reason::kSuccess, bench.out);
  EXPECT_EQ(bench.take(), List{});
}

TEST(Group, RequestsThatWaitAreBounded) {
  Bench bench;
  bench.connect(connect_v5());
  for (std::uint16_t id = 1; id <= kGroupRequestsMax; ++id) {
    auto packet = subscribe("wakeline/group/family");
    packet.packet_id = id;
    EXPECT_EQ(bench.packet(packet).size(), 1U);
  }
  EXPECT_EQ(bench.packet(subscribe("wakeline/group/family")).back(),
            Action(CloseLink{Reason::kQuotaExceeded}));
}

TEST(Group, IsLeftByACleanStart) {
  Bench bench;
  bench.connect(connect_v5(true));
  EXPECT_TRUE(bench.left_groups);
  bench.session.on_closed(at(seconds(1)));
  bench.connect(connect_v5(false));
  EXPECT_FALSE(bench.left_groups);
}

TEST(Frozen, IsTheSameSessionWhenItIsThawed) {
  Bench bench;
  auto connect = with_will(30);
  connect.properties.user = {{"attempt", "7"}};
  connect.properties.topic_alias_maximum = 3;
  bench.connect(connect);
  bench.pending(1, {});
  bench.stored(1);
  bench.stored(2);
  auto reply = publish("wakeline/reply/door");
  reply.properties.topic_alias = 2;
  bench.packet(reply);
  base::Bytes bytes;
  bench.session.freeze(bytes);
  const auto thawed = Session::thaw(bytes);
  ASSERT_TRUE(thawed);
  EXPECT_EQ(*thawed, bench.session);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(Session::thaw(base::BytesView(bytes).first(size))) << size;
  bytes.front() ^= 0xFF;
  EXPECT_FALSE(Session::thaw(bytes));
}

TEST(Frozen, AsksAgainWhatTheStoreHadNotAnswered) {
  Bench bench;
  auto connect = connect_v5();
  connect.properties.user = {{"attempt", "1"}};
  bench.connect(connect);  // FetchPending 1 is under way
  base::Bytes bytes;
  bench.session.freeze(bytes);
  auto thawed = Session::thaw(bytes);
  ASSERT_TRUE(thawed);
  Actions out;
  thawed->on_thawed(at(seconds(1)), bench.config, out);
  EXPECT_EQ(out.items(), (List{FetchPending{2, 0, 3}}));
}

TEST(TakeOver, IsRefusedToAnOlderAttemptOfTheSameClient) {
  Bench bench;
  auto packet = connect_v5(false);
  packet.properties.user = {{"attempt", "7"}, {"epoch", "abcdef"}};
  bench.connect(packet);
  const auto outdated = [&](const char* attempt, const char* epoch, bool clean) {
    auto other = connect_v5(clean);
    other.properties.user = {{"attempt", attempt}, {"epoch", epoch}};
    return bench.session.outdates(bench.config, other);
  };
  EXPECT_TRUE(outdated("6", "abcdef", false));
  EXPECT_FALSE(outdated("7", "abcdef", false));  // the same again, over another route
  EXPECT_FALSE(outdated("8", "abcdef", false));
  EXPECT_FALSE(outdated("1", "abcdee", false));
  EXPECT_FALSE(outdated("1", "abcdef", true));  // a new installation
  EXPECT_FALSE(bench.session.outdates(bench.config, connect_v5(false)));
  bench.session.on_closed(at(seconds(1)));
  EXPECT_FALSE(outdated("6", "abcdef", false));
}

}  // namespace
}  // namespace wakeline::session
