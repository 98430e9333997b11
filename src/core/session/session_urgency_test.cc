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

List set(Bench& bench, Urgency lowest, Sequence highest, Sequence through = 0) {
  bench.session.on_urgency_set({lowest, through}, highest, bench.out);
  return bench.take();
}

/// In the CONNACK, before which no other packet goes out.
std::optional<std::string> told(const List& list, std::string_view property) {
  const auto write = std::ranges::find_if(
      list, [](const Action& action) { return std::holds_alternative<Write>(action); });
  const auto& packet = std::get<Write>(*write).packet;
  const auto value = std::get<mqtt::Connack>(packet).properties.user_value(property);
  return value ? std::optional(std::string(*value)) : std::nullopt;
}
std::optional<std::string> urgency_told(const List& list) { return told(list, "urgency"); }

List connect_as(Bench& bench, const mqtt::Connect& packet, const Quiet& quiet) {
  bench.session.on_connect(at(seconds(3)), bench.config, kDevice, packet, bench.out, kAllRights,
                           quiet);
  return bench.take();
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
  EXPECT_EQ(set(bench, Urgency::kVeryLow, 5, 3), (List{FetchPending{3, 3, 2}}));
  EXPECT_EQ(bench.pending(3, {4, 5}), (List{Publish{4, 2, false, 3}, Publish{5, 3, false, 3}}));
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
  const List again = connect_as(bench, connect, {Urgency::kHigh});
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
    EXPECT_EQ(urgency_told(connect_as(bench, connect, {Urgency::kNormal, 7})), "normal") << asked;
  }
}

TEST(SessionUrgency, SaysWhereQuietWasOverUntilAPushThatSaidItIsAcknowledged) {
  Bench bench;
  auto packet = connect_v5(false);
  packet.properties.user = {{"attempt", "1"}, {"urgency", "very-low"}};
  // 2 and 4 are urgent, 1 and 3 were withheld and come as 5 and 6.
  const List list = connect_as(bench, packet, {Urgency::kHigh});
  EXPECT_EQ(urgency_told(list), "high");
  EXPECT_EQ(list.back(), Action(SetUrgency{Urgency::kVeryLow, SetUrgency::kNone}));
  EXPECT_EQ(set(bench, Urgency::kVeryLow, 6, 4), (List{FetchPending{1, 0, 3}}));
  EXPECT_EQ(bench.pending(1, {2, 4, 5}, true),
            (List{Publish{2, 1, false, 4}, Publish{4, 2, false, 4}, Publish{5, 3, false, 4}}));
  EXPECT_EQ(bench.puback(2), (List{Remove{4}, FetchPending{2, 5, 1}}));
  EXPECT_EQ(bench.pending(2, {6}), (List{Publish{6, 4, false}}));
}

TEST(SessionUrgency, SaysWhereQuietWasOverInConnackToADeviceThatHasNotAllUpToThere) {
  const Quiet over{Urgency::kVeryLow, 4};
  Bench bench;
  auto packet = connect_v5(false);
  packet.properties.user = {{"attempt", "1"}, {"epoch", "abcdef"}, {"received", "3"}};
  const List list = connect_as(bench, packet, over);
  EXPECT_EQ(told(list, "withheld"), "4");
  EXPECT_EQ(urgency_told(list), std::nullopt);
  EXPECT_EQ(bench.pending(1, {5}), (List{Publish{5, 1, false}}));
  packet.properties.user.back().second = "4";
  Bench other;
  EXPECT_EQ(told(connect_as(other, packet, over), "withheld"), std::nullopt);
}

TEST(SessionUrgency, IsToldAsOneWhoseEndIsUnknownWhileThatIsWrittenDown) {
  Bench bench;
  auto packet = connect_v5(false);
  packet.properties.user = {{"attempt", "1"}, {"urgency", "very-low"}};
  connect_as(bench, packet, {Urgency::kHigh});
  bench.session.on_closed(at(seconds(2)));
  const List again = connect_as(bench, packet, {Urgency::kHigh});
  EXPECT_EQ(urgency_told(again), "very-low");
  EXPECT_EQ(told(again, "withheld"), std::nullopt);
  set(bench, Urgency::kVeryLow, 2, 2);
  EXPECT_EQ(bench.pending(1, {2}), (List{Publish{2, 1, false, 2}}));
  // What is sent again says nothing more on the next connection: CONNACK does.
  bench.session.on_closed(at(seconds(4)));
  EXPECT_EQ(told(connect_as(bench, packet, {Urgency::kVeryLow, 2}), "withheld"), "2");
}

TEST(SessionUrgency, EndsWithACleanStart) {
  Bench bench;
  List list = connect_as(bench, connect_v5(true), {Urgency::kHigh});
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

/// What the store did with it; then the device is served, or knows that it is not.
List fail(Bench& bench) {
  bench.session.on_urgency_failed(at(seconds(2)), bench.out);
  return bench.take();
}

TEST(SessionUrgency, ThatCannotBeStoredEndsTheConnectionAndTheNextOneIsServed) {
  Bench bench = Bench::ready();
  bench.packet(quiet_subscribe("high"));
  EXPECT_EQ(bench.stored(1), List{});
  EXPECT_EQ(fail(bench), (List{disconnect(Reason::kServerBusy, "the urgency could not be stored"),
                               CloseLink{Reason::kServerBusy}}));
  const List again = connect_as(bench, connect_v5(false), {});
  EXPECT_EQ(urgency_told(again), std::nullopt);  // what counts
  EXPECT_EQ(again.back(), Action(FetchPending{2, 0, 3}));
  EXPECT_EQ(bench.pending(2, {1}), (List{Publish{1, 1, false}}));
  EXPECT_EQ(bench.stored(2), (List{Publish{2, 2, false}}));
}

TEST(SessionUrgency, ThatCannotBeStoredWhileTheDeviceIsAwayIsToldWhenItComes) {
  Bench bench = Bench::ready();
  bench.packet(quiet_subscribe("high"));
  bench.session.on_closed(at(seconds(1)));
  EXPECT_EQ(fail(bench), List{});
  EXPECT_EQ(bench.session.lowest_urgency(), Urgency::kVeryLow);
  const List again = connect_as(bench, connect_v5(false), {Urgency::kNormal});
  EXPECT_EQ(urgency_told(again), "normal");
  EXPECT_EQ(again.back(), Action(FetchPending{2, 0, 3}));
  EXPECT_EQ(fail(bench), List{});  // nothing is under way
}

TEST(SessionUrgency, IsStoredOnceAtATimeAndTheLastWordCounts) {
  Bench bench = Bench::ready();
  EXPECT_EQ(bench.packet(quiet_subscribe("high")).back(), Action(SetUrgency{Urgency::kHigh, 0}));
  for (const char* urgency : {"low", "high", "normal"})
    EXPECT_EQ(bench.packet(quiet_subscribe(urgency)), (List{Write{suback(Reason::kGrantedQos1)}}));
  EXPECT_EQ(set(bench, Urgency::kHigh, 2), (List{SetUrgency{Urgency::kNormal, 0}}));
  EXPECT_EQ(bench.stored(3), List{});
  EXPECT_EQ(set(bench, Urgency::kNormal, 3), (List{FetchPending{2, 0, 3}}));
  // Back to what is under way: that answers both.
  bench.packet(quiet_subscribe("low"));
  bench.packet(quiet_subscribe("high"));
  bench.packet(quiet_subscribe("low"));
  EXPECT_EQ(set(bench, Urgency::kLow, 4), List{});  // a question is under way
  EXPECT_EQ(bench.pending(2, {}), (List{FetchPending{3, 3, 3}}));
}

TEST(SessionUrgency, OfAConnectWithoutASessionWithholdsNothingOfWhatIsThere) {
  Bench bench;
  auto packet = connect_v5(false, 0);
  packet.properties.user = {{"attempt", "1"}, {"urgency", "high"}};
  EXPECT_EQ(connect_as(bench, packet, {}).back(),
            Action(SetUrgency{Urgency::kHigh, SetUrgency::kNone}));
  bench.session.on_closed(at(seconds(4)));  // and its session is over
  EXPECT_FALSE(bench.session.forgettable());
  packet.properties.user.back().second = "low";
  EXPECT_TRUE(std::holds_alternative<Write>(connect_as(bench, packet, {}).back()));
  EXPECT_EQ(set(bench, Urgency::kHigh, 2), (List{SetUrgency{Urgency::kLow, SetUrgency::kNone}}));
  bench.session.on_closed(at(seconds(5)));
  EXPECT_FALSE(bench.session.forgettable());
  EXPECT_EQ(set(bench, Urgency::kLow, 2), List{});
  EXPECT_TRUE(bench.session.forgettable());
}

TEST(SessionUrgency, ThatIsUnderWayWhenTheServerIsReplacedLosesNoPush) {
  Bench bench = Bench::ready();
  bench.packet(quiet_subscribe("high"));
  EXPECT_EQ(bench.stored(1), List{});
  base::Bytes frozen;
  bench.session.freeze(frozen);
  auto thawed = Session::thaw(frozen);
  ASSERT_TRUE(thawed);
  thawed->on_thawed(at(seconds(2)), bench.config, bench.out);
  EXPECT_EQ(bench.take(), (List{FetchPending{2, 0, 3}}));
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

  bench.packet(subscribe(kInbox));
  set(bench, Urgency::kVeryLow, 3, 2);
  bench.pending(3, {3});
  frozen.clear();
  bench.session.freeze(frozen);
  auto told = Session::thaw(frozen);
  EXPECT_EQ(told, bench.session);
  told->on_push_stored(at(seconds(1)), bench.config, 4, bench.out);
  EXPECT_EQ(bench.take(), (List{Publish{4, 2, false, 2}}));
  // The layout before did not end with it.
  frozen[0] = 4;
  frozen.resize(frozen.size() - 8);
  auto untold = Session::thaw(frozen);
  ASSERT_TRUE(untold);
  untold->on_push_stored(at(seconds(1)), bench.config, 4, bench.out);
  EXPECT_EQ(bench.take(), (List{Publish{4, 2, false}}));
}

}  // namespace
}  // namespace wakeline::session
