// SPDX-License-Identifier: Apache-2.0
// What the ledger says of each wake, and the commands that show it.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include <boost/json.hpp>

#include "host/ledger.h"
#include "host_fixture.h"
#include "io/clock.h"
#include "io/unique_fd.h"
#include "linux/process.h"

namespace wakeline::host {
namespace {

namespace json = boost::json;

class LedgerCommands : public HostTest {
 protected:
  std::string state() const { return folder + "/state"; }
  /// One app that was rung `wakes` times, and sleeps.
  TestApp rung(const std::string& id, int wakes) {
    write_manifest(id);
    start_host();
    TestApp app = accept_app();
    wait_ledger(id, "suspend");
    for (int i = 0; i < wakes; ++i) {
      app.line.command("ping " + std::to_string(i));
      app.line.expect("pong");
      woken = wait_ledger(id, "wake", "socket_data");
      slept = wait_ledger(id, "suspend");
    }
    EXPECT_TRUE(wait_written(slept.id));
    return app;
  }
  /// Lines are told at once and committed a moment later. Whether that one is in the file in time.
  bool wait_written(std::uint64_t id) const {
    const base::Instant end = io::now() + kPatience;
    while (io::now() < end) {
      auto reader = LedgerReader::open(state());
      if (reader) {
        const auto newest = reader->newest(1);
        if (newest && !newest->empty() && newest->front().id >= id) return true;
      }
      ::poll(nullptr, 0, 5);
    }
    return false;
  }
  json::value parsed(const CliResult& result) {
    EXPECT_EQ(result.code, 0) << result.output;
    json::error_code error;
    auto value = json::parse(result.output, error);
    EXPECT_FALSE(error) << result.output;
    return value;
  }

  wire::host::LedgerLine woken, slept;
};
INSTANTIATE_TEST_SUITE_P(Freezer, LedgerCommands, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(LedgerCommands, HoldTheSocketOfAWakeAndWhatItCost) {
  const TestApp app = rung("bell", 1);
  EXPECT_EQ(woken.socket, "127.0.0.1:" + std::to_string(port()));
  EXPECT_GT(woken.latency_ns, 0);
  EXPECT_EQ(woken.awake_us, 0U);
  // Awake at least for the linger of this host, 150 ms.
  EXPECT_GE(slept.awake_us, 150'000U);
  EXPECT_GT(slept.used_us, 0U);
  EXPECT_LT(slept.used_us, slept.awake_us);
}

TEST_P(LedgerCommands, PrintTheLogOfOneAppSinceSomeTime) {
  const TestApp app = rung("bell", 2);
  const auto whole = wakeline({"log", "--state-folder", state(), "--app", "bell", "--json"});
  EXPECT_EQ(whole.code, 0);
  EXPECT_EQ(
      std::ranges::count(whole.output, '\n'),
      std::ranges::count(
          wakeline({"log", "--state-folder", state(), "--app", "bell", "--since", "1h"}).output,
          '\n'));
  const auto newest = wakeline({"log", "--state-folder", state(), "--app", "bell", "-n", "2"});
  EXPECT_EQ(std::ranges::count(newest.output, '\n'), 2) << newest.output;
  EXPECT_NE(whole.output.find("\"socket\":\"127.0.0.1:"), std::string::npos) << whole.output;
  EXPECT_EQ(wakeline({"log", "--state-folder", state(), "--since", "0s", "--app", "bell"}).output,
            "");
  const auto text = wakeline({"log", "--state-folder", state(), "--since", "1d"});
  EXPECT_NE(text.output.find("started"), std::string::npos);
  EXPECT_NE(text.output.find("of CPU time"), std::string::npos) << text.output;
  const auto wrong = wakeline({"log", "--state-folder", state(), "--since", "yesterday"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.output.find("'yesterday'"), std::string::npos) << wrong.output;
}

TEST_P(LedgerCommands, FollowOneAppUntilTheyAreInterrupted) {
  TestApp app = rung("bell", 1);
  const std::string path = folder + "/follow.log";
  const io::UniqueFd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  sys::SpawnOptions options;
  options.command = {
      WAKELINE_PROGRAM,   "log",          "--follow", "--app", "bell", "--json", "-n", "5",
      "--runtime-folder", folder + "/run"};
  options.environment = sys::inherit_environment({});
  options.output = out.get();
  const auto follower = sys::spawn(options);
  ASSERT_TRUE(follower);
  const auto told = [&] {
    std::ifstream file(path);
    std::vector<json::object> lines;
    for (std::string line; std::getline(file, line) && !file.eof();) {
      lines.push_back(json::parse(line).as_object());
    }
    return lines;
  };
  const auto await_lines = [&](std::size_t count) {
    const base::Instant end = io::now() + kPatience;
    while (told().size() < count && io::now() < end) ::poll(nullptr, 0, 5);
    return told();
  };
  // The newest of before, and then what comes, as it comes; of the host itself nothing.
  const std::size_t before = await_lines(1).size();
  ASSERT_GE(before, 1U);
  app.line.command("ping again");
  app.line.expect("pong");
  woken = wait_ledger("bell", "wake", "socket_data");
  slept = wait_ledger("bell", "suspend");
  const auto lines = await_lines(before + 2);
  ASSERT_GE(lines.size(), before + 2);
  for (const json::object& line : lines) EXPECT_EQ(line.at("app"), "bell");
  EXPECT_EQ(lines.at(lines.size() - 2).at("id").to_number<std::uint64_t>(), woken.id);
  EXPECT_EQ(lines.back().at("event"), "suspend");
  ::kill(follower->pid, SIGINT);
  int status = -1;
  ::waitpid(follower->pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_P(LedgerCommands, ShowEveryAppAtOneLook) {
  const TestApp app = rung("bell", 3);
  const auto rows = parsed(wakeline({"top", "--runtime-folder", folder + "/run", "--json"}));
  const json::object& row = rows.as_array().at(0).as_object();
  EXPECT_EQ(row.at("app"), "bell");
  EXPECT_EQ(row.at("state"), "suspended");
  EXPECT_EQ(row.at("wakes_last_hour"), 3);
  EXPECT_EQ(row.at("limiter"), 3);
  EXPECT_EQ(row.at("tags"), 1);
  EXPECT_GT(row.at("awake_last_hour_us").to_number<std::uint64_t>(), 3 * 150'000U);
  EXPECT_GT(row.at("memory_kib").to_number<std::uint64_t>(), 100U);
  const auto table = wakeline({"top", "--runtime-folder", folder + "/run", "--once"});
  EXPECT_EQ(table.code, 0);
  EXPECT_TRUE(table.output.starts_with("app ")) << table.output;
  EXPECT_NE(table.output.find("\nbell "), std::string::npos) << table.output;
  EXPECT_EQ(wakeline({"top", "--runtime-folder", folder + "/none", "--once"}).code, 6);
}

TEST_P(LedgerCommands, AddUpTheLedgerByAppAndDay) {
  TestApp app = rung("bell", 2);
  app.line.command("crash");
  wait_ledger("bell", "exit", "signal");
  TestApp again = accept_app();
  EXPECT_TRUE(wait_written(wait_ledger("bell", "suspend").id));
  const auto days = parsed(wakeline({"stats", "--state-folder", state(), "--json"})).as_array();
  // Around midnight there are two.
  std::uint64_t wakes = 0, launches = 0, bad_exits = 0, awake = 0;
  for (const auto& one : days) {
    const json::object& day = one.as_object();
    EXPECT_EQ(day.at("app"), "bell");
    wakes += day.at("wakes").to_number<std::uint64_t>();
    launches += day.at("launches").to_number<std::uint64_t>();
    bad_exits += day.at("bad_exits").to_number<std::uint64_t>();
    awake += day.at("awake_us").to_number<std::uint64_t>();
  }
  EXPECT_EQ(wakes, 3U);  // the last one crashed it
  EXPECT_EQ(launches, 2U);
  EXPECT_EQ(bad_exits, 1U);
  EXPECT_GT(awake, 3 * 150'000U);
  const auto table = wakeline({"stats", "--state-folder", state(), "--app", "bell"});
  EXPECT_EQ(table.code, 0);
  EXPECT_NE(table.output.find("socket_data"), std::string::npos) << table.output;
  EXPECT_EQ(wakeline({"stats", "--state-folder", folder}).code, 3);
}

}  // namespace
}  // namespace wakeline::host
