// SPDX-License-Identifier: Apache-2.0
#include "core/session/session_testing.h"

/// A device that asks for quiet.
namespace wakeline::session {
namespace {

using wire::Urgency;

mqtt::Subscribe quiet_subscribe(std::string urgency) {
  mqtt::Subscribe packet = subscribe(kInbox);
  packet.properties.user = {{"urgency", std::move(urgency)}};
  return packet;
}

List set(Bench& bench, Urgency lowest, Sequence through) {
  bench.session.on_urgency_set(lowest, through, bench.out);
  return bench.take();
}

/// In the CONNACK that the list begins with.
std::optional<std::string> urgency_told(const List& list) {
  const auto& packet = std::get<Write>(list.at(0)).packet;
  const auto told = std::get<mqtt::Connack>(packet).properties.user_value("urgency");
  return told ? std::optional(std::string(*told)) : std::nullopt;
}

TEST(SessionUrgency, IsAskedForBySubscribeAndNothingGoesOutBeforeItIsDurable) {
  Bench bench = Bench::ready();
  EXPECT_EQ(bench.stored(1), (List{Publish{1, 1, false}}));
  EXPECT_EQ(bench.packet(quiet_subscribe("high")),
            (List{Write{suback(Reason::kGrantedQos1)}, SetUrgency{Urgency::kHigh, 1}}));
  EXPECT_EQ(bench.session.lowest_urgency(), Urgency::kHigh);
  EXPECT_EQ(bench.stored(2), List{});
  EXPECT_EQ(set(bench, Urgency::kHigh, 2), (List{FetchPending{2, 1, 2}}));
  EXPECT_EQ(bench.pending(2, {2}), (List{Publish{2, 2, false}}));
}

TEST(SessionUrgency, GivesWhatWasWithheldWhenItIsAskedForAgain) {
  Bench bench = Bench::ready();
  bench.packet(quiet_subscribe("high"));
  set(bench, Urgency::kHigh, 0);
  bench.pending(2, {});
  // 1 and 2 were withheld: the store makes them 4 and 5, beyond the urgent 3.
  EXPECT_EQ(bench.stored(3), (List{Publish{3, 1, false}}));
  EXPECT_EQ(bench.packet(subscribe(kInbox)),
            (List{Write{suback(Reason::kGrantedQos1)}, SetUrgency{Urgency::kVeryLow, 3}}));
  EXPECT_EQ(set(bench, Urgency::kVeryLow, 5), (List{FetchPending{3, 3, 2}}));
  EXPECT_EQ(bench.pending(3, {4, 5}), (List{Publish{4, 2, false}, Publish{5, 3, false}}));
}

TEST(SessionUrgency, IsAskedForByConnectAndOutlivesTheConnection) {
  Bench bench;
  auto connect = connect_v5(false);
  connect.properties.user = {{"attempt", "1"}, {"urgency", "high"}};
  const List first = bench.connect(connect);
  ASSERT_EQ(first.size(), 2U);
  // No session knows what was sent before: nothing of it is withheld.
  EXPECT_EQ(first[1], Action(SetUrgency{Urgency::kHigh, SetUrgency::kNone}));
  EXPECT_EQ(set(bench, Urgency::kHigh, 0), (List{FetchPending{1, 0, 3}}));
  bench.pending(1, {});
  bench.session.on_closed(at(seconds(2)));
  // The same again is nothing new.
  bench.session.on_connect(at(seconds(3)), bench.config, kDevice, connect, bench.out, kAllRights,
                           Urgency::kHigh);
  const List again = bench.take();
  ASSERT_EQ(again.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<FetchPending>(again[1]));
  EXPECT_EQ(urgency_told(first), std::nullopt);
  EXPECT_EQ(urgency_told(again), "high");
}

TEST(SessionUrgency, IsToldToADeviceThatSaysAnotherOrHasForgotten) {
  for (const char* asked : {"", "very-low"}) {
    Bench bench;
    auto connect = connect_v5(false);
    if (*asked != '\0') connect.properties.user = {{"urgency", asked}};
    bench.session.on_connect(at(seconds(0)), bench.config, kDevice, connect, bench.out, kAllRights,
                             Urgency::kNormal);
    EXPECT_EQ(urgency_told(bench.take()), "normal") << asked;
  }
}

TEST(SessionUrgency, EndsWithACleanStart) {
  Bench bench;
  bench.session.on_connect(at(seconds(0)), bench.config, kDevice, connect_v5(true), bench.out,
                           kAllRights, Urgency::kHigh);
  List list = bench.take();
  std::erase(list, Action(LeaveGroups{}));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1], Action(SetUrgency{Urgency::kVeryLow, 0}));
}

TEST(SessionUrgency, ThatIsNoneIsRefused) {
  Bench bench = Bench::ready();
  EXPECT_EQ(bench.packet(quiet_subscribe("loud")),
            (List{Write{suback(Reason::kImplementationSpecific)}}));
  EXPECT_EQ(bench.session.lowest_urgency(), Urgency::kVeryLow);
  Bench other;
  auto connect = connect_v5();
  connect.properties.user = {{"urgency", ""}};
  const List refused = other.connect(connect);
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[1], Action(CloseLink{Reason::kImplementationSpecific}));
}

TEST(SessionUrgency, PassesOverAnAnswerThatMayHoldWhatIsWithheldByNow) {
  Bench bench;
  bench.connect(connect_v5());
  EXPECT_EQ(bench.packet(subscribe(kInbox)).back(), Action(FetchPending{1, 0, 3}));
  bench.packet(quiet_subscribe("high"));
  EXPECT_EQ(bench.pending(1, {1, 2}), List{});
  EXPECT_EQ(set(bench, Urgency::kHigh, 2), (List{FetchPending{2, 0, 3}}));
}

TEST(SessionUrgency, IsKeptWhenTheServerIsReplaced) {
  Bench bench = Bench::ready();
  bench.packet(quiet_subscribe("normal"));
  set(bench, Urgency::kNormal, 0);
  bench.pending(2, {});
  base::Bytes frozen;
  bench.session.freeze(frozen);
  const auto thawed = Session::thaw(frozen);
  ASSERT_TRUE(thawed);
  EXPECT_EQ(*thawed, bench.session);
  EXPECT_EQ(thawed->lowest_urgency(), Urgency::kNormal);
}

}  // namespace
}  // namespace wakeline::session
