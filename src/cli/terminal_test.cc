// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <gtest/gtest.h>

#include "cli/exit_code.h"

namespace wakeline::cli {
namespace {

TEST(SpanText, TakesTheUnitThatFits) {
  EXPECT_EQ(span_text(14'400), "14 µs");
  EXPECT_EQ(span_text(3'210'000), "3.2 ms");
  EXPECT_EQ(span_text(1'504'000'000), "1.50 s");
}

TEST(Width, CountsCharactersAndNotBytes) { EXPECT_EQ(width("14 µs"), 5U); }

TEST(Table, AlignsItsColumnsAndPaintsNothingOnAPipe) {
  testing::internal::CaptureStdout();
  Table table({{"app"}, {"wakes", Table::Align::kRight}});
  table.add({"doorbell", "3"}, Colour::kCyan);
  table.add({"é", "12"});
  table.print();
  std::fflush(stdout);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "app       wakes\ndoorbell      3\né            12\n");
}

TEST(Table, LetsNoCellSteerTheTerminalOrForgeARow) {
  Table table({{"app"}, {"name"}});
  table.add({"a\x1b[2J", "Bank\nbell  ringing"});
  EXPECT_EQ(table.lines(80),
            (std::vector<std::string>{"app       name", "a\\x1b[2J  Bank\\nbell  ringing"}));
}

TEST(PrintableLines, KeepTheirEndsAlone) {
  EXPECT_EQ(printable_lines("one\x1b\n\ntwo\r\n"), "one\\x1b\n\ntwo\\r\n");
  EXPECT_EQ(printable_lines("no end"), "no end");
  EXPECT_EQ(printable_lines(""), "");
}

TEST(Report, LetsNoForeignTextSteerTheTerminal) {
  testing::internal::CaptureStderr();
  report("bell\x1b[2J", base::ErrorCode::kUnreachable,
         "the \xC2\x9B"
         "31mhost said:\n\x07");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "wakeline: bell\\x1b[2J: the \\u009b31mhost said:\n\\x07\n");
}

TEST(ExitCode, IsTheDocumentedOneForEachKindOfError) {
  EXPECT_EQ(exit_code_of(base::ErrorCode::kOk), 0);
  EXPECT_EQ(exit_code_of(base::ErrorCode::kMalformed), 3);
  EXPECT_EQ(exit_code_of(base::ErrorCode::kAddressInUse), 4);
  EXPECT_EQ(exit_code_of(base::ErrorCode::kPermission), 5);
  EXPECT_EQ(exit_code_of(base::ErrorCode::kUnreachable), 6);
  EXPECT_EQ(exit_code_of(base::ErrorCode::kUnauthorized), 7);
  EXPECT_EQ(exit_code_of(base::ErrorCode::kStorageFull), 8);
}

TEST(Terminal, CutsTextAtWholeCharacters) {
  EXPECT_EQ(front("abc", 5), "abc");
  EXPECT_EQ(front("abc", 2), "ab");
  EXPECT_EQ(front("10 \u00b5s", 4), "10 \u00b5");
  EXPECT_EQ(front("", 0), "");
}

TEST(Table, GivesLinesThatFitTheTerminal) {
  Table table({{"app"}, {"wakes", Table::Align::kRight}});
  table.add({"doorbell", "7"});
  EXPECT_EQ(table.lines(80), (std::vector<std::string>{"app       wakes", "doorbell      7"}));
  EXPECT_EQ(table.lines(4), (std::vector<std::string>{"app ", "door"}));
}

}  // namespace
}  // namespace wakeline::cli
