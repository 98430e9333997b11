// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

TEST(ToLine, SaysEveryActionInOneLine) {
  const AppId app{3};
  const TagId tag{7};
  const std::vector<std::pair<Action, std::string>> lines = {
      {Launch{app, LaunchReason::kBoot}, "launch app=3 reason=boot"},
      {Sample{app}, "sample app=3"},
      {Suspend{app}, "suspend app=3"},
      {Watch{app, tag, WatchMode::kEdge, 12}, "watch app=3 tag=7 mode=edge bytes=12"},
      {Unwatch{app}, "unwatch app=3"},
      {Resume{app, WakeCause::kSocketData, tag, 10s},
       "resume app=3 cause=socket_data tag=7 window=10s"},
      {RunKeepAlive{app, 1'500ms}, "run_keep_alive app=3 budget=1500ms"},
      {ExpireTask{app, TaskId{9}, 3us}, "expire_task app=3 task=9 left=3us"},
      {RunWake{app, WakeId{5}}, "run_wake app=3 wake=5"},
      {Reclaim{app}, "reclaim app=3"},
      {SleepReady{}, "sleep_ready"},
      {TellState{app, AppState::kForeground}, "tell_state app=3 state=foreground"},
      {Kill{app, KillReason::kWakeLimit, false}, "kill app=3 reason=wake_limit politely=false"},
      {SetAlarm{Instant{5ns}, base::kNever}, "set_alarm earliest=5ns latest=never"},
      {Ledger{app, LedgerEvent::kWake, "socket_data", 4},
       "ledger app=3 event=wake reason=socket_data value=4"},
  };
  EXPECT_EQ(lines.size(), std::variant_size_v<Action>);
  for (const auto& [action, line] : lines) EXPECT_EQ(to_line(action), line);
}

TEST(Names, EveryLedgerEventHasItsOwnWord) {
  std::set<std::string_view> words;
  for (int i = 0; i < static_cast<int>(LedgerEvent::kCount); ++i)
    words.insert(name(static_cast<LedgerEvent>(i)));
  EXPECT_EQ(words.size(), static_cast<std::size_t>(LedgerEvent::kCount));
  EXPECT_FALSE(words.contains(""));
}

TEST(Profiles, AreThoseOfTheContract) {
  for (const char* name : {"linux", "ios", "ios-classic"}) {
    ASSERT_TRUE(profile_of_name(name)) << name;
    EXPECT_EQ(profile_of_name(name)->name, name);
  }
  EXPECT_EQ(profile_of_name("android"), std::nullopt);
}

}  // namespace
}  // namespace wakeline::doze::testing
