// SPDX-License-Identifier: Apache-2.0
// The host, its guardian and its app are killed at random moments: the app is never left suspended
// without a host, it answers as soon as there is one, and no keep-alive is later than the time
// without a host makes it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/random.h"
#include "bench/bed.h"
#include "cli/program.h"
#include "io/clock.h"
#include "linux/cgroup.h"
#include "linux/proc.h"

namespace wakeline {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration kPatience = 30s;
constexpr base::Duration kKeepAlive = 2s;
/// What a keep-alive may be late beside the time without a host, on a loaded machine.
constexpr base::Duration kSlack = 5s;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool eventually(const std::function<bool()>& done) {
  const base::Instant end = io::now() + kPatience;
  while (io::now() < end) {
    if (done()) return true;
    ::poll(nullptr, 0, 2);
  }
  return done();
}

/// Whether `pid` lives and is suspended: in a frozen cgroup, or stopped.
bool suspended(pid_t pid) {
  const auto stat = sys::read_proc_stat(pid);
  if (!stat || stat->state == 'Z') return false;
  if (stat->state == 'T') return true;
  const auto mount = sys::find_cgroup_mount();
  const auto path = sys::cgroup_path_of(pid);
  return mount && path &&
         text_of(mount->path + *path + "/cgroup.events").find("frozen 1") != std::string::npos;
}

/// One host with one `keeper`.
class Killing {
 public:
  explicit Killing(std::string freezer, std::string wake_window = "10s")
      : freezer_(std::move(freezer)), wake_window_(std::move(wake_window)), random_(7) {}
  Killing(const Killing&) = delete;
  Killing& operator=(const Killing&) = delete;
  ~Killing() {
    host_.stop();
    if (testing::Test::HasFailure()) {
      std::fprintf(stderr, "--- the host's log:\n%s---\n", text_of(folder_ + "/log").c_str());
    }
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  void start() {
    std::string pattern = testing::TempDir() + "wakeline-killing-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto door = bench::Door::open();
    ASSERT_TRUE(door) << door.error();
    door_.emplace(std::move(*door));
    std::filesystem::create_directory(folder_ + "/apps");
    std::ofstream(folder_ + "/apps/keeper.desktop")
        << "[Desktop Entry]\nType=Application\nName=Keeper\nExec=\"" << bench::beside("keeper")
        << "\" " << door_->port() << " " << kKeepAlive / 1s
        << "\nX-Wakeline-BackgroundModes=voip;\n";
    start_host();
    if (!testing::Test::HasFatalFailure()) accept_app();
  }

  void play(int rounds) {
    for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
      SCOPED_TRACE(fmt::format("round {}", round));
      ::poll(nullptr, 0, static_cast<int>(random_.below(120)));
      kill_something();
      if (!testing::Test::HasFatalFailure()) ping(round);
    }
    // Nothing kills any more: the handler still runs.
    if (!testing::Test::HasFailure()) expect_line("alive", kKeepAlive + kPatience);
  }

  /// The app has long ceased to look for the host in short steps when it comes back, and nothing
  /// but the host itself wakes it then.
  void outlive_a_long_absence() {
    const base::Instant begin = io::now();
    host_.crash();
    ::poll(nullptr, 0, 3'400);  // the absence itself: between the tries after 3.1 and 6.3 s
    start_host();
    if (testing::Test::HasFatalFailure()) return;
    hostless_ += io::now() - begin;
    // Without a host the handler ran by the app's own timer; those runs, the one that such a timer
    // may still have made, and then one that the host asked for.
    const int before = runs_;
    while (runs_ < before + 4 && !testing::Test::HasFailure())
      expect_line("alive", kKeepAlive + kPatience);
  }

 private:
  void kill_something() {
    // The app's own death is rare: it begins its keep-alive anew.
    const auto dice = random_.below(20);
    if (dice < 5) return kill_host(false);
    if (dice < 8) return kill_host(true);
    if (dice < 12) return kill_guardian();
    if (dice == 12) return kill_app();
    // A round in which it may fall asleep.
  }

  void start_host() {
    const std::string ready = folder_ + "/ready";
    ::unlink(ready.c_str());
    std::vector<std::string> command = {bench::beside("wakeline"),
                                        "host",
                                        "--runtime-folder",
                                        folder_ + "/run",
                                        "--state-folder",
                                        folder_ + "/state",
                                        "--apps",
                                        folder_ + "/apps",
                                        "--freezer",
                                        freezer_,
                                        "--notifier",
                                        "terminal",
                                        "--ready-file",
                                        ready};
    for (const std::string& setting :
         {std::string("linger=20ms"), std::string("sample_interval=10ms"),
          std::string("keep_alive_min=1s"), std::string("relaunch_quick=0s"),
          std::string("limit_action=none"), "wake_window=" + wake_window_}) {
      command.insert(command.end(), {"--set", setting});
    }
    auto host = cli::Program::start(command, folder_ + "/log");
    ASSERT_TRUE(host) << host.error();
    host_ = std::move(*host);
    const auto text = cli::await_ready_file(ready, host_, folder_ + "/log", kPatience);
    ASSERT_TRUE(text) << text.error();
  }

  void kill_host(bool with_guardian) {
    const base::Instant begin = io::now();
    const pid_t old = with_guardian ? wait_guardian(0) : 0;
    if (old > 0) ::kill(old, SIGKILL);
    host_.crash();
    if (!with_guardian) {
      EXPECT_TRUE(eventually([&] { return !suspended(app_); })) << "left suspended";
    }
    start_host();
    hostless_ += io::now() - begin;
  }

  void kill_guardian() {
    const pid_t old = wait_guardian(0);
    if (old <= 0) return;
    ::kill(old, SIGKILL);
    wait_guardian(old);
  }

  /// The guardian, once there is one (it names itself a moment after its start) other than `old`.
  pid_t wait_guardian(pid_t old) const {
    pid_t now = 0;
    EXPECT_TRUE(eventually([&] {
      now = guardian();
      return now > 0 && now != old;
    })) << "no guardian";
    return now;
  }

  void kill_app() {
    ::kill(app_, SIGKILL);
    accept_app();
  }

  /// The host's child that watches over it.
  pid_t guardian() const {
    std::istringstream children(text_of(fmt::format("/proc/{0}/task/{0}/children", host_.pid())));
    for (pid_t pid = 0; children >> pid;) {
      if (text_of(fmt::format("/proc/{}/comm", pid)) == "wakeline-guard\n") return pid;
    }
    return 0;
  }

  void accept_app() {
    auto socket = door_->accept(static_cast<int>(kPatience / 1ms));
    ASSERT_TRUE(socket) << socket.error();
    line_ = std::move(*socket);
    buffer_.clear();
    heard();
    const std::string hello = expect_line("pid ", kPatience);
    ASSERT_FALSE(hello.empty());
    app_ = std::stoi(hello.substr(4));
  }

  void ping(int number) {
    const std::string text = fmt::format("ping {}\n", number);
    ASSERT_EQ(::send(line_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    expect_line(fmt::format("pong {}", number), kPatience);
  }

  /// Reads lines until one begins with `prefix`.
  std::string expect_line(const std::string& prefix, base::Duration timeout) {
    const base::Instant end = io::now() + timeout;
    for (;;) {
      for (std::size_t at; (at = buffer_.find('\n')) != std::string::npos;) {
        const std::string line = buffer_.substr(0, at);
        buffer_.erase(0, at + 1);
        if (line == "alive") on_keep_alive();
        if (line.starts_with(prefix)) return line;
      }
      pollfd wanted{line_.get(), POLLIN, 0};
      const auto left = std::max<std::int64_t>(0, (end - io::now()) / 1ms);
      char bytes[256];
      const bool came = ::poll(&wanted, 1, static_cast<int>(left)) == 1;
      const ssize_t size = came ? ::recv(line_.get(), bytes, sizeof bytes, 0) : 0;
      if (size <= 0) {
        ADD_FAILURE() << (came ? "the connection ended" : "nothing came") << " before '" << prefix
                      << "'; suspended: " << suspended(app_);
        return {};
      }
      buffer_.append(bytes, static_cast<std::size_t>(size));
    }
  }

  void on_keep_alive() {
    const base::Duration since = io::now() - heard_;
    EXPECT_LE(since, kKeepAlive + hostless_ + kSlack)
        << "a keep-alive was " << (since - kKeepAlive) / 1ms << " ms late, and " << hostless_ / 1ms
        << " ms of it without a host";
    ++runs_;
    heard();
  }
  void heard() {
    heard_ = io::now();
    hostless_ = base::Duration::zero();
  }

  std::string freezer_;
  std::string wake_window_;
  base::Random random_;
  std::string folder_;
  std::optional<bench::Door> door_;
  cli::Program host_;
  io::UniqueFd line_;
  std::string buffer_;
  pid_t app_ = 0;
  base::Instant heard_{};      ///< when the handler ran last, or the app began
  base::Duration hostless_{};  ///< since then
  int runs_ = 0;
};

TEST(Killing, TwoHundredDeathsLeaveNoAppSuspendedAndNoKeepAliveLate) {  // C18, C22, C23
  if (const auto tree = sys::CgroupTree::choose("killing"); !tree)
    GTEST_SKIP() << "no cgroup to write: " << base::to_string(tree.error());
  Killing killing("cgroup");
  killing.start();
  if (!HasFatalFailure()) killing.play(200);
}

TEST(Killing, AHostThatWasAwayForLongerThanAWindowFindsItsAppAwake) {  // C5, C18
  Killing killing("sigstop", "1s");
  killing.start();
  if (!HasFatalFailure()) killing.outlive_a_long_absence();
}

TEST(Killing, DeathsWithSigstopLeaveNoAppSuspendedAndNoKeepAliveLate) {  // C18, C22, C23
  Killing killing("sigstop");
  killing.start();
  if (!HasFatalFailure()) killing.play(60);
}

}  // namespace
}  // namespace wakeline
