// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario_file.h"

#include <gtest/gtest.h>

namespace wakeline::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kSmall = R"toml(lasts = "1h30min"
[[network]]
name = "cell"
radio = "lte"
delay = ["25ms", "70ms"]
nat = "10min"
nat_answers = "reset"
[[device]]
name = "phone"
count = 2
network = "cell"
[[device.app]]
name = "chat"
[[device.move]]
at = "5min"
to = "none"
[[push]]
every = "10min"
)toml";

std::string with(std::string_view line) { return std::string(kSmall) + std::string(line); }

TEST(ScenarioFile, IsReadWithUnitsAndNames) {
  const auto s = read_scenario(kSmall, "small");
  ASSERT_TRUE(s) << to_string(s.error(), "small");
  EXPECT_EQ(s->lasts, hours(1) + minutes(30));
  ASSERT_EQ(s->networks.size(), 1U);
  EXPECT_EQ(s->networks[0].radio.name, "lte");
  EXPECT_EQ(s->networks[0].delay_max, milliseconds(70));
  EXPECT_TRUE(s->networks[0].nat_resets);
  ASSERT_EQ(s->devices.size(), 1U);
  EXPECT_EQ(s->devices[0].count, 2U);
  EXPECT_EQ(s->devices[0].moves[0].at, minutes(5));
  EXPECT_EQ(s->pushes[0].every, minutes(10));
  EXPECT_EQ(places_of(*s).apps.size(), 2U);
}

TEST(ScenarioFile, NamesTheKeyAndTheLineOfWhatItDoesNotKnow) {
  const auto s = read_scenario(with("[faults]\ncut_evry = \"6min\"\n"), "small");
  ASSERT_FALSE(s);
  const std::string text = to_string(s.error(), "small.toml");
  EXPECT_EQ(text.find("small.toml:20: there is no key 'cut_evry' in [faults]"), 0U) << text;
  EXPECT_NE(text.find("cut_every"), std::string::npos) << "it says what there is: " << text;
}

struct BadLine {
  const char* line;
  const char* part;  ///< of the sentence
};

class BadScenario : public ::testing::TestWithParam<BadLine> {};
TEST_P(BadScenario, IsRefusedWithASentence) {
  const auto s = read_scenario(with(GetParam().line), "bad");
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().what.find(GetParam().part), std::string::npos) << s.error().what;
  EXPECT_GT(s.error().line, 0U);
}
INSTANTIATE_TEST_SUITE_P(
    Lines, BadScenario,
    ::testing::Values(
        BadLine{"[server]\nspread = 5\n", "a time such as"},
        BadLine{"[server]\nspread = \"5 weeks\"\n", "a time such as"},
        BadLine{"[server]\nspread = \"-5s\"\n", "a time such as"},
        BadLine{"[server]\nadmits_per_s = -1\n", "a whole number from 0"},
        BadLine{"[[push]]\ncount = 3\nevery = \"5s\"\n", "either 'count' or 'every'"},
        BadLine{"[[push]]\ncount = 3\nto = \"tablet\"\n", "no [[device]] 'tablet'"},
        BadLine{"[[push]]\ncount = 3\napp = \"mail\"\n", "no app 'mail'"},
        BadLine{"[[push]]\nevery = \"1ms\"\n", "too many pushes"},
        BadLine{"[[event]]\nat = \"5s\"\nwhat = \"earthquake\"\n", "one of: cut, reset"},
        BadLine{"[[event]]\nat = \"2h\"\nwhat = \"cut\"\n", "after the end"},
        BadLine{"[[event]]\nat = \"5s\"\nwhat = \"cut\"\ntarget = \"chat\"\n", "no target 'chat'"},
        BadLine{"[[device]]\nnetwork = \"wifi\"\n", "no [[network]] 'wifi'"},
        BadLine{"[[device]]\ncount = 5000\n", "a whole number from 1"},
        BadLine{"[[device]]\n[[device.app]]\nkeep_alive = \"60s\"\n", "600 s at the least"},
        BadLine{"[[network]]\nname = \"cell\"\n", "the name 'cell' is taken"},
        BadLine{"[[network]]\nname = \"x\"\ndelay = [\"9ms\", \"5ms\"]\n", "two times"},
        BadLine{"[[network]]\nname = \"x\"\nradio = \"5g\"\n", "one of: lte, wifi, wired"},
        BadLine{"[faults]\ncut_every = \"5ms\"\n", "1 s at the least"},
        BadLine{"[storm]\nclients = 5\n", "either [[device]] or [storm]"},
        BadLine{"push = 3\n[", "rror"}));

TEST(ScenarioFile, NamesTheKeyAndTheLineOfAValueThatFitsNothing) {
  const struct {
    const char* lines;  ///< the first is line 19
    const char* told;
  } cases[] = {
      {"[[push]]\ncount = 3\nfrom = \"1h30min\"\n", "f:21: 'from' in [push]: "},
      {"[[push]]\nfrom = \"2h\"\ncount = 3\nuntil = \"3h\"\n", "f:20: 'from' in [push]: "},
      {"[[push]]\ncount = 3\nuntil = \"5min\"\nfrom = \"5min\"\n", "f:22: 'from' in [push]: "},
      {"[[push]]\ncount = 3\nuntil = \"0s\"\n", "f:21: 'until' in [push]: "},
      {"[[push]]\nto = \"phone\"\n", "f:19: 'count' in [push]: "},
      {"[[push]]\ncount = 3\nevery = \"5s\"\n", "f:21: 'every' in [push]: "},
      {"[[push]]\ncount = 3\nto = \"tablet\"\n", "f:21: 'to' in [push]: "},
      {"[[event]]\nwhat = \"cut\"\nat = \"2h\"\n", "f:21: 'at' in [event]: "},
      {"[[event]]\nat = \"5s\"\n", "f:19: 'what' in [event]: "},
      {"[[device]]\nname = \"a\"\nnetwork = \"wifi\"\n", "f:21: 'network' in [device]: "},
      {"[[device]]\n[[device.app]]\nname = \"a\"\nkeep_alive = \"60s\"\n",
       "f:22: 'keep_alive' in [device.app]: "},
      {"[faults]\nreset_every = \"5s\"\ncut_every = \"5ms\"\n", "f:21: 'cut_every' in [faults]: "},
  };
  for (const auto& one : cases) {
    const auto s = read_scenario(with(one.lines), "f");
    ASSERT_FALSE(s) << one.lines;
    EXPECT_EQ(to_string(s.error(), "f").find(one.told), 0U)
        << to_string(s.error(), "f") << " and not " << one.told;
  }
  const auto whole = read_scenario("title = \"t\"\nlasts = \"32d\"\n", "f");
  ASSERT_FALSE(whole);
  EXPECT_EQ(to_string(whole.error(), "f").find("f:2: 'lasts': "), 0U)
      << to_string(whole.error(), "f");
}

TEST(ScenarioFile, PushesBeforeItsEndWhereverUntilLies) {
  EXPECT_TRUE(
      read_scenario(with("[[push]]\ncount = 3\nfrom = \"1h29min\"\nuntil = \"9h\"\n"), "f"));
}

TEST(ScenarioFile, OfNothingOrTooMuchIsRefused) {
  EXPECT_FALSE(read_scenario("", "empty"));
  EXPECT_FALSE(read_scenario(std::string(kScenarioBytesMax + 1, '#'), "large"));
  EXPECT_FALSE(read_scenario("lasts = \"400d\"\n[[network]]\n[[device]]\n", "long"));
}

TEST(ScenarioFile, OfEveryScenarioThatWeBringIsGood) {
  EXPECT_GE(scenario_texts().size(), 12U);
  for (const auto& [name, text] : scenario_texts()) {
    const auto s = read_scenario(text, name);
    ASSERT_TRUE(s) << to_string(s.error(), name);
    EXPECT_FALSE(s->title.empty()) << name;
    EXPECT_FALSE(s->about.empty()) << name;
  }
  ASSERT_NE(find_scenario("crashing"), nullptr);
  EXPECT_EQ(find_scenario("crashing")->name, "crashing");
  EXPECT_EQ(find_scenario("quiet"), nullptr);
}

}  // namespace
}  // namespace wakeline::sim
