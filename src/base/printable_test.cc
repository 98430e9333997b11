// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace wakeline::base {
namespace {

TEST(Printable, LeavesTextOfEveryScriptAsItIs) {
  for (const char* text : {"", "plain", "a\\b \"c\"", "é €", "\xC2\xA0", "日本 \xF0\x9F\x94\x94"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, EscapesWhatSteersATerminalOrEndsALine) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(printable("one\r\ntwo\tthree"), "one\\r\\ntwo\\tthree");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable(std::string_view("\0x", 2)), "\\x00x");
  // U+009B is the control sequence introducer in one character.
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m \xC2\x80"),
            "\\u009b31m \\u0080");
}

TEST(Printable, EscapesBytesThatAreNoCharacterAndGoesOnBehindThem) {
  EXPECT_EQ(printable("\xFF\xC3\xA9"), "\\xff\xC3\xA9");
  EXPECT_EQ(printable("\xE2\x82"), "\\xe2\\x82");           // cut off
  EXPECT_EQ(printable("\xC0\x9B"), "\\xc0\\x9b");           // longer than it need be
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");  // half of a pair
  EXPECT_EQ(printable("\x9B"
                      "31m"),
            "\\x9b31m");  // C1 of a terminal with 8 bits
}

TEST(Printable, IsOneLineOfUtf8WhateverTheBytes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second), 'm'};
      const std::string printed = printable(text);
      EXPECT_TRUE(is_utf8(printed));
      EXPECT_EQ(printed, printable(printed));
    }
  }
}

TEST(PrintableJson, MeansTheSame) {
  EXPECT_EQ(printable_json(R"({"a":"\u001bé"})"), R"({"a":"\u001bé"})");
  EXPECT_EQ(printable_json("[\"\x7f\xC2\x9B\"]"), R"(["\u007f\u009b"])");
  EXPECT_EQ(printable_json("{\n}\n"), "{\n}\n");
  EXPECT_EQ(printable_json("[\"\xFF\"]"), "[\"\xEF\xBF\xBD\"]");
}

}  // namespace
}  // namespace wakeline::base
