// SPDX-License-Identifier: Apache-2.0
// An app that means ill: the host and its other apps go on.
#include <algorithm>
#include <filesystem>

#include "host/app_record.h"
#include "host/ledger.h"
#include "host_fixture.h"
#include "io/clock.h"
#include "linux/proc.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;
using wire::host::Command;

/// "bad" does what a test says, "good" sleeps and is rung meanwhile.
class HostileApp : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped()) return;
    write_manifest("good");
    start_host();
    good.emplace(accept_app());
    tag_of(*good);
    wait_ledger("good", "suspend");
    write_manifest("bad");
    command(Command::kForeground, "bad");
    bad.emplace(accept_app());
    tag_of(*bad);
  }
  /// The other app is rung and answers; so long it took.
  base::Duration ring_good() {
    const base::Instant start = io::now();
    good->line.command("ping " + std::to_string(++rings));
    EXPECT_EQ(good->line.expect("pong"), "pong " + std::to_string(rings));
    return io::now() - start;
  }
  void expect_all_well() {
    ring_good();
    EXPECT_TRUE(control->list());
    EXPECT_TRUE(std::filesystem::exists("/proc/" + std::to_string(daemon->pid())));
  }
  std::size_t descriptors() const {
    std::size_t count = 0;
    const std::string path = "/proc/" + std::to_string(daemon->pid()) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(path)) count += entry.exists();
    return count;
  }

  std::optional<TestApp> good, bad;
  int rings = 0;
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostileApp, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(HostileApp, ThatFloodsTheHostWithRequestsIsReadLaterAndNobodyElseWaits) {
  // Who follows the ledger and does not read it would be disconnected.
  control.reset();
  bad->report.command("flood 20000");
  bad->report.expect("flooding");
  const base::Instant start = io::now();
  for (int i = 0; i < 20; ++i) EXPECT_LT(ring_good(), 5s);
  // What it may send at once is dealt with by now, and a line for each of these is in the ledger;
  // the rest of the 20,000 waits, and would give no more lines than one a second.
  auto reader = LedgerReader::open(folder + "/state");
  ASSERT_TRUE(reader);
  const auto refused = [&] {
    const auto lines = reader->newest(kLedgerReadMax);
    return lines ? std::ranges::count_if(
                       *lines,
                       [](const auto& line) { return line.app == "bad" && line.event == "refuse"; })
                 : -1;
  };
  const base::Instant end = io::now() + kPatience;
  while (refused() < 3'000 && io::now() < end) ring_good();
  EXPECT_GE(refused(), 3'000);
  const auto seconds = (io::now() - start) / 1s + 1;
  EXPECT_LE(refused(), kRequestLinesBurst + seconds);
  // At 200 a second it would go on for more than a minute.
  EXPECT_TRUE(std::filesystem::exists("/proc/" + std::to_string(daemon->pid())));
  EXPECT_EQ(wakeline({"apps", "list", "--runtime-folder", folder + "/run"}).code, 0);
  ring_good();
}

TEST_P(HostileApp, ThatFloodsTheHostIsSuspendedWhenItsWindowEndsAllTheSame) {  // C8, C9
  bad->report.command("flood 100000 time");
  bad->report.expect("flooding");
  command(Command::kBackground, "bad");
  // A request of it always lies unread, so it is never found quiet.
  for (int round = 0; round < 2; ++round) {
    wait_ledger("bad", "suspend", "window_over");
    EXPECT_TRUE(wait_frozen(bad->pid, true));
    // Nothing that it has said before wakes it, and nobody else waits.
    EXPECT_LT(ring_good(), 5s);
    EXPECT_EQ(next_line("bad", 500ms), std::nullopt);
    EXPECT_TRUE(is_frozen(bad->pid));
    if (round == 1) break;
    bad->line.command("ping x");
    wait_ledger("bad", "wake", "socket_data");
    EXPECT_EQ(bad->line.expect("pong"), "pong x");
  }
  expect_all_well();
}

TEST_P(HostileApp, ThatSaysHalfMessagesIsDisconnectedAndMayComeBack) {
  for (int round = 0; round < 3; ++round) {
    bad->report.command("garbage");
    bad->report.expect("host gone");
    // The library of a good app would come back as well.
    EXPECT_EQ(bad->report.expect("welcome"), "welcome bad user foreground");
  }
  expect_all_well();
}

TEST_P(HostileApp, ThatSendsManyOrForeignDescriptorsLeavesNoneOfThemInTheHost) {
  const std::size_t before = descriptors();
  // More than one message may carry; then ones of files, pipes and the host's own socket.
  for (const char* kind : {"descriptors 250", "descriptors 4", "descriptors 2"}) {
    bad->report.command(kind);
    bad->report.expect("sent");
    const std::string answer = bad->report.expect("");
    EXPECT_TRUE(answer == "host gone" || answer.starts_with("reply invalid_argument")) << answer;
    if (answer == "host gone") bad->report.expect("welcome");
  }
  // The number of another process's socket, and of one that was closed.
  bad->report.command("tag other");
  EXPECT_TRUE(bad->report.expect("reply not_owned").starts_with("reply not_owned"));
  expect_all_well();
  EXPECT_LE(descriptors(), before + 1);
}

TEST_P(HostileApp, ThatTagsThousandsOfSocketsGetsSoManyAndIsWokenByThem) {  // C4, C6
  bad->report.command("tags 1100");
  // The line is one of 1,024.
  EXPECT_EQ(bad->report.expect("tagged"), "tagged 1023 refused 77 too_large");
  EXPECT_EQ(info("bad").tags, 1'024U);
  command(Command::kBackground, "bad");
  wait_ledger("bad", "suspend");
  ring_good();
  bad->line.command("ping x");
  EXPECT_EQ(bad->line.expect("pong"), "pong x");
  expect_all_well();
}

TEST_P(HostileApp, ThatOpensConnectionAfterConnectionLocksNobodyOut) {
  bad->report.command("connections 400");
  EXPECT_EQ(bad->report.expect("connections"), "connections 7");  // beside the one that it has
  // Another app, and the user, still get theirs.
  write_manifest("late");
  command(Command::kLaunch, "late");
  TestApp late = accept_app();
  EXPECT_EQ(late.report.expect("welcome"), "welcome late user background");
  EXPECT_EQ(wakeline({"apps", "list", "--runtime-folder", folder + "/run"}).code, 0);
  expect_all_well();
}

TEST_P(HostileApp, ThatForksAsFastAsItCanIsSuspendedWokenAndEndedWhole) {  // C8, C24
  // Some processes, each of which ends when it has begun the next: nobody who looks at a list of
  // processes finds one of them still there. How many an app may have is a limit of the service's
  // unit (TasksMax) or of its user.
  bad->report.command("bomb 6");
  bad->report.expect("bomb");
  command(Command::kBackground, "bad");
  wait_ledger("bad", "suspend");
  EXPECT_TRUE(wait_frozen(bad->pid, true));
  for (int i = 0; i < 5; ++i) EXPECT_LT(ring_good(), 10s);
  if (GetParam() == "cgroup") {
    // All of it stands still; stop signals run after such a tree in vain, and hold its parent
    // alone.
    const auto before = info("bad").cpu_us;
    ring_good();
    EXPECT_EQ(info("bad").cpu_us, before);
  }
  command(Command::kClose, "bad");
  wait_ledger("bad", "exit");
  EXPECT_TRUE(bad->line.ended());
  expect_all_well();
}

}  // namespace
}  // namespace wakeline::host
