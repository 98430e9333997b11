// SPDX-License-Identifier: Apache-2.0
#include "wire/toml_text.h"

#include <gtest/gtest.h>

namespace wakeline::wire {
namespace {

TEST(TomlText, WritesCharactersOfStringsAsEscapesAndOfCommentsAsMarks) {
  const struct {
    std::string text;
    std::string ascii;
  } rows[] = {
      {"", ""},
      {"a = 'x\\' # y\n", "a = 'x\\' # y\n"},
      {"# é\n", "# ??\n"},
      {"a = \"é\"\n", "a = \"\\U000000E9\"\n"},
      {"a = 'é' # x", "a = \"\\U000000E9\" # x"},
      {"a = 'é\"\\n'", "a = \"\\U000000E9\\\"\\\\n\""},
      {"\xEF\xBB\xBF"
       "a = 1",
       "a = 1"},
      {"a = \"\"\"\né \" é\\\"\"\"\"\"\n", "a = \"\"\"\n\\U000000E9 \" \\U000000E9\\\"\"\"\"\"\n"},
      {"a = '''\né '' \\'''\n", "a = \"\"\"\n\\U000000E9 '' \\\\\"\"\"\n"},
      {"\"é\" = \"\\\\\"\n", "\"\\U000000E9\" = \"\\\\\"\n"},
      {"a = ''\nb = '€𝄞'", "a = ''\nb = \"\\U000020AC\\U0001D11E\""},
      {"a = +[\"aʚx\"", "a = +[\"a\\U0000029Ax\""},
      {"a = 'unfinished é\nb", "a = \"unfinished \\U000000E9\nb"},
      {"a = \"unfinished é\\\nb", "a = \"unfinished \\U000000E9\\\nb"},
  };
  for (const auto& row : rows) {
    const auto ascii = ascii_toml(row.text);
    ASSERT_TRUE(ascii) << row.text;
    EXPECT_EQ(*ascii, row.ascii);
  }
}

TEST(TomlText, NamesTheLineOfWhatNoTomlHas) {
  const auto line_of = [](std::string_view text) {
    const auto ascii = ascii_toml(text);
    return ascii ? 0 : ascii.error().line;
  };
  EXPECT_EQ(line_of("é = 1"), 1U);
  EXPECT_EQ(line_of("a = 1\nb = é"), 2U);
  EXPECT_EQ(line_of("# é\n\na = \"x\"é\n"), 3U);
  EXPECT_EQ(line_of("a = \"\"\"x\"\"\"\"é"), 1U) << "a quote before the closing ones";
  EXPECT_EQ(line_of("a = \"unfinished\né"), 2U);
  EXPECT_EQ(line_of("a = \"unfinished\\\né"), 2U);
  EXPECT_EQ(line_of("a = 'back\\'é"), 1U) << "no escapes there";
  EXPECT_EQ(line_of("a = 1 \xEF\xBB\xBF"), 1U);
  EXPECT_EQ(line_of("a = 1\nb = \"\\é\""), 2U);
  EXPECT_EQ(line_of("a = 1\nb = \"\xFF\"\n"), 2U);
  EXPECT_EQ(ascii_toml("a = \"\xC3").error().what, "the text is not UTF-8");
}

}  // namespace
}  // namespace wakeline::wire
