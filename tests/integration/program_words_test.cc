// SPDX-License-Identifier: Apache-2.0
// A command line that is wrong: what the program says about it.
#include "program_fixture.h"

namespace wakeline::cli {
namespace {

using ProgramWords = ProgramTest;

TEST_F(ProgramWords, ThatAreNoCommandAreNamedWithTheNearestOne) {
  const struct {
    std::vector<std::string> words;
    const char* told;
  } cases[] = {
      {{"sever"}, "wakeline: sever: there is no such command; did you mean 'server'?\n"},
      {{"--log-level", "debug", "sever", "--data-folder", "x"}, "did you mean 'server'?"},
      {{"apps", "lunch", "bell"}, "wakeline: apps lunch: "},
      {{"apps", "lunch", "bell"}, "did you mean 'apps launch'?"},
      {{"server", "bakcup", "file"}, "did you mean 'server backup'?"},
      {{"frobnicate"}, "wakeline: frobnicate: there is no such command\n"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(testing::PrintToString(one.words));
    const Result result = wakeline(one.words);
    EXPECT_EQ(result.code, 2);
    EXPECT_NE(result.errors.find(one.told), std::string::npos) << result.errors;
    EXPECT_EQ(result.output, "");
  }
}

TEST_F(ProgramWords, OfHelpAndVersionAreNoError) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--help"}, {"--version"}, {"run", "--help"}, {"server", "backup", "--help"}}) {
    const Result result = wakeline(words);
    EXPECT_EQ(result.code, 0) << testing::PrintToString(words);
    EXPECT_NE(result.output, "");
  }
}

}  // namespace
}  // namespace wakeline::cli
