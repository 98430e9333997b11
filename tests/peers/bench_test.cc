// SPDX-License-Identifier: Apache-2.0
// The benchmark of programs that nobody here wrote, as people run it.
#include <gtest/gtest.h>

#include <map>

#include <boost/json.hpp>

#include "io/testing.h"
#include "peer_program.h"

namespace wakeline::peers {
namespace {

namespace json = boost::json;

TEST(BenchPeers, SeesThatProgramsDoNothingInTheirSleepAndRingFromIt) {
  const io::TestFolder folder;
  PeerProgram bench({WAKELINE_PROGRAM, "bench", "peers", "--quick", "--seconds", "5", "--only",
                     "mosquitto_sub", "--only", "asyncio", "--json"},
                    folder.file("log"));
  EXPECT_EQ(bench.wait(base::Duration(std::chrono::minutes(3))), 0) << bench.output();
  const json::value report = json::parse(bench.wait_line("{\"benchmark\""));
  EXPECT_TRUE(report.at("missing").as_array().empty()) << bench.output();
  std::map<std::string, double> figures;
  for (const json::value& one : report.at("figures").as_array())
    figures[one.at("name").as_string().c_str()] = one.at("value").to_number<double>();
  // It looks once a second whether there is something to do.
  EXPECT_GT(figures.at("mosquitto_sub, as usual: wake-ups an hour"), 0);
  for (const std::string name : {"mosquitto_sub", "asyncio"}) {
    EXPECT_EQ(figures.at(name + ", suspended: wake-ups an hour"), 0) << name;
    EXPECT_EQ(figures.at(name + ", suspended: CPU time an hour"), 0) << name;
    EXPECT_GT(figures.at(name + ", suspended: ring, p50"), 0) << name;
  }
}

TEST(BenchPeers, RefusesAProgramThatItDoesNotKnow) {
  const io::TestFolder folder;
  PeerProgram bench({WAKELINE_PROGRAM, "bench", "peers", "--only", "nobody"}, folder.file("log"));
  EXPECT_EQ(bench.wait(), 2) << bench.output();
}

}  // namespace
}  // namespace wakeline::peers
