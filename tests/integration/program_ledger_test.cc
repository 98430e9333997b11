// SPDX-License-Identifier: Apache-2.0
// What others wrote, on the user's terminal.
#include <boost/json.hpp>

#include "host/ledger.h"
#include "io/file.h"
#include "program_fixture.h"

namespace wakeline::cli {
namespace {

class ProgramLedger : public ProgramTest {
 protected:
  /// A ledger with one line, whose detail is of an app that wants to steer the terminal.
  void write_ledger() {
    ASSERT_TRUE(io::make_folder(file("host")));
    auto ledger = host::Ledger::open(file("host"));
    ASSERT_TRUE(ledger);
    host::LedgerLine line;
    line.wall_ns = 1'700'000'000'000'000'000;
    line.app = "bell";
    line.event = "notify";
    line.detail = kHostile;
    ledger->add(line);
    ASSERT_TRUE(ledger->flush());
  }

  const std::string kHostile =
      "\x1b]0;mine\x07\x1b[2J\xC2\x9B"
      "8m\x7f\nfake  wake";
};

TEST_F(ProgramLedger, IsPrintedWithoutWhatSteersATerminal) {
  write_ledger();
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"log", "--state-folder", file("host")},
           {"log", "--json", "--state-folder", file("host")},
           {"log", "--since", "2020-01-01", "--state-folder", file("host")}}) {
    const Result result = wakeline(words);
    EXPECT_EQ(result.code, 0) << result.errors;
    EXPECT_NE(result.output.find("]0;mine"), std::string::npos) << result.output;
    for (const std::string control : {"\x1b", "\x07", "\x7f", "\xC2\x9B", "\nfake"}) {
      EXPECT_EQ(result.output.find(control), std::string::npos) << result.output;
    }
  }
}

TEST_F(ProgramLedger, MeansTheSameAsJson) {
  write_ledger();
  const Result result = wakeline({"log", "--json", "--state-folder", file("host")});
  EXPECT_EQ(boost::json::parse(result.output).at("detail").as_string(), kHostile);
}

}  // namespace
}  // namespace wakeline::cli
