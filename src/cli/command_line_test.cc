// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace wakeline::cli {
namespace {

using Words = std::vector<std::string>;

/// A program with a command that starts another program, and one with commands of its own.
class CommandLines : public testing::Test {
 protected:
  CommandLines() {
    root_.add_option("--level", text_);
    CLI::App* run = root_.add_subcommand("run");
    run->positionals_at_end();
    run->add_option("--name", text_);
    run->add_flag("--background", flag_);
    run->add_option("program", text_);
    CLI::App* apps = root_.add_subcommand("apps");
    apps->add_option("--folder", text_);
    apps->add_option("--user", list_);
    apps->add_subcommand("launch")->add_option("app", text_);
    apps->add_subcommand("list");
    apps->add_subcommand("secret")->group("");
    for (CLI::App* sub : apps->get_subcommands({})) sub->fallthrough();
  }

  CLI::App root_{"", "wakeline"};

 private:
  std::string text_;
  Words list_;
  bool flag_ = false;
};

TEST_F(CommandLines, TakeTheWordsOfTheProgramOffWhateverTheyLookLike) {
  const Words own = {"--name", "x", "--", "[a,b]", "{}", "--help", "", "--background"};
  for (Words front : {Words{"run", "sh"}, Words{"run", "--", "sh"}}) {
    front.insert(front.end(), own.begin(), own.end());
    const CommandLine line = split_command_line(root_, front);
    EXPECT_EQ(line.words, (Words{"run", "--", "sh"}));
    EXPECT_EQ(line.arguments, own);
  }
}

TEST_F(CommandLines, LeaveOurOptionsInFrontOfTheProgramWithTheirValues) {
  const CommandLine line = split_command_line(
      root_,
      {"--level", "run", "run", "--name", "apps", "--name=x", "--background", "sh", "-c", "true"});
  EXPECT_EQ(line.words, (Words{"--level", "run", "run", "--name", "apps", "--name=x",
                               "--background", "--", "sh"}));
  EXPECT_EQ(line.arguments, (Words{"-c", "true"}));
}

TEST_F(CommandLines, StayWholeWhereNoProgramIsNamed) {
  for (const Words& words : {Words{}, Words{"run"}, Words{"run", "--"}, Words{"run", "--name"},
                             Words{"run", "--help"}, Words{"apps", "launch", "bell", "--x"}}) {
    const CommandLine line = split_command_line(root_, words);
    EXPECT_EQ(line.words, words);
    EXPECT_TRUE(line.arguments.empty());
  }
}

TEST_F(CommandLines, NameAWordThatIsNoCommandAndTheNearestOne) {
  const struct {
    Words words;
    const char* path;
    const char* near;
  } cases[] = {
      {{"rum"}, "rum", "run"},
      {{"--level", "run", "asp"}, "asp", ""},
      {{"apps", "lunch", "bell"}, "apps lunch", "apps launch"},
      {{"apps", "--folder", "list", "lits", "--help"}, "apps lits", "apps list"},
      {{"apps", "--user", "ada", "bob", "--folder", "f", "lau"}, "apps lau", "apps launch"},
      {{"apps", "secre"}, "apps secre", ""},
      {{"frobnicate"}, "frobnicate", ""}};
  for (const auto& one : cases) {
    const auto unknown = unknown_command(root_, one.words);
    ASSERT_TRUE(unknown) << one.path;
    EXPECT_EQ(unknown->path, one.path);
    EXPECT_EQ(unknown->near, one.near);
  }
}

TEST_F(CommandLines, HaveNoUnknownCommandWhereAnotherWordMayStand) {
  for (const Words& words : {Words{}, Words{"apps"}, Words{"apps", "launch", "lunch"},
                             Words{"apps", "secret"}, Words{"run", "rum"}, Words{"--wrong"},
                             Words{"--"}, Words{"apps", "--user", "ada", "list"}}) {
    EXPECT_FALSE(unknown_command(root_, words)) << testing::PrintToString(words);
  }
}

TEST(Nearest, AllowsAWrongLetterOrTwoByTheLengthOfTheWord) {
  const Words known = {"server", "stats", "log", "top", "devices"};
  EXPECT_EQ(nearest("sever", known), "server");
  EXPECT_EQ(nearest("sttas", known), "stats");
  EXPECT_EQ(nearest("lgo", known), "log");
  EXPECT_EQ(nearest("dev", known), "devices");
  EXPECT_EQ(nearest("foo", known), "");
  EXPECT_EQ(nearest("", known), "");
}

}  // namespace
}  // namespace wakeline::cli
