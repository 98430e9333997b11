// SPDX-License-Identifier: Apache-2.0
#include "wire/toml_text.h"

#include <gtest/gtest.h>

namespace wakeline::wire {
namespace {

TEST(TomlText, AllowsAnyCharacterInStringsAndComments) {
  for (const char* text : {"", "a = 1\n", "# é\n", "a = \"é\"\n", "a = 'é' # é",
                           "\xEF\xBB\xBF"
                           "a = 1",
                           "a = \"\"\"\né \" é\\\"\"\"\"\"\n", "a = '''\né '' é'''\n",
                           "\"é\" = \"\\\\\"\n", "a = \"\" # é\n", "a = ''\nb = 'é'"})
    EXPECT_EQ(stray_toml_line(text), std::nullopt) << text;
}

TEST(TomlText, NamesTheLineOfAStrayCharacter) {
  EXPECT_EQ(stray_toml_line("é = 1"), 1U);
  EXPECT_EQ(stray_toml_line("a = 1\nb = é"), 2U);
  EXPECT_EQ(stray_toml_line("# é\n\na = \"x\"é\n"), 3U);
  EXPECT_EQ(stray_toml_line("a = \"\"\"x\"\"\"\"é"), 1U) << "a quote before the closing ones";
  EXPECT_EQ(stray_toml_line("a = \"unfinished\né"), 2U);
  EXPECT_EQ(stray_toml_line("a = \"unfinished\\\né"), 2U);
  EXPECT_EQ(stray_toml_line("a = 'back\\'é"), 1U) << "no escapes there";
  EXPECT_EQ(stray_toml_line("a = 1 \xEF\xBB\xBF"), 1U);
}

}  // namespace
}  // namespace wakeline::wire
