// SPDX-License-Identifier: Apache-2.0
#include "host_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/ledger.h"
#include "host/options.h"
#include "io/clock.h"
#include "linux/cgroup.h"
#include "linux/proc.h"
#include "linux/process.h"

namespace wakeline::host {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(2);
constexpr std::size_t kSkippedShown = 50;

/// Waits for `events`. False: not in time.
bool wait_fd(int fd, short events, base::Instant deadline) {
  for (;;) {
    const auto left = std::max(deadline - io::now(), base::Duration::zero());
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    pollfd wait{fd, events, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(ms));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

template <class Condition>
bool eventually(Condition condition) {
  const base::Instant deadline = io::now() + kPatience;
  while (!condition()) {
    if (io::now() > deadline) return false;
    ::poll(nullptr, 0, static_cast<int>(kLookAgain.count()));
  }
  return true;
}

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

void PeerConnection::send(const std::string& text) {
  ASSERT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

bool PeerConnection::fill(base::Instant deadline) {
  if (ended_ || !wait_fd(fd_.get(), POLLIN, deadline)) return false;
  std::array<char, 4096> bytes;
  const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  if (size <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(bytes.data(), static_cast<std::size_t>(size));
  return true;
}

std::optional<std::string> PeerConnection::line(base::Duration timeout) {
  const base::Instant deadline = io::now() + timeout;
  std::size_t end = 0;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    if (!fill(deadline)) return std::nullopt;
  }
  std::string text = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return text;
}

std::string PeerConnection::expect(const std::string& prefix) {
  std::string skipped;
  while (const auto text = line()) {
    if (text->starts_with(prefix)) return *text;
    skipped += "\n  " + *text;
  }
  ADD_FAILURE() << "no line '" << prefix << "…'" << (ended_ ? ", the connection ended" : "")
                << "; skipped:" << skipped;
  return {};
}

bool PeerConnection::ended(base::Duration timeout) {
  const base::Instant deadline = io::now() + timeout;
  while (fill(deadline)) continue;
  return ended_;
}

void PeerConnection::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd_.reset();
}

HostProcess::HostProcess(std::vector<std::string> arguments, const std::string& log_path,
                         bool without_ptrace) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return;
  ready_.reset(ends[0]);
  const io::UniqueFd write_end(ends[1]);
  arguments.insert(arguments.begin(), WAKELINE_HOST_PROGRAM);
  arguments.push_back("ready_fd=" + std::to_string(ends[1]));
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (without_ptrace) ::prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0);
  ::fcntl(ends[1], F_SETFD, 0);
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (log < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) ::_exit(126);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

HostProcess::~HostProcess() {
  if (pid_ <= 0 || collected_) return;
  ::kill(pid_, SIGTERM);
  const io::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!wait_fd(pidfd.get(), POLLIN, io::now() + kPatience)) ::kill(pid_, SIGKILL);
  wait();
}

bool HostProcess::wait_ready() {
  // Its copy of the pipe's end is the only one: the end of the host is the end of the pipe.
  char byte = 0;
  return wait_fd(ready_.get(), POLLIN, io::now() + kPatience) &&
         ::read(ready_.get(), &byte, 1) == 1;
}

void HostProcess::signal(int number) const { ::kill(pid_, number); }

int HostProcess::wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  collected_ = true;
  return status;
}

std::uint64_t HostProcess::voluntary_switches() const {
  std::istringstream lines(read_all("/proc/" + std::to_string(pid_) + "/status"));
  const std::string key = "voluntary_ctxt_switches:";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size()));
  }
  ADD_FAILURE() << "no " << key;
  return 0;
}

std::string number_of(const std::string& reply) {
  std::istringstream words(reply);
  std::string word, error, number;
  words >> word >> error >> number;
  return number;
}

HostTest::HostTest() {
  std::string pattern = testing::TempDir() + "wakeline-host-XXXXXX";
  folder = ::mkdtemp(pattern.data());
  manifests = folder + "/apps";
  std::filesystem::create_directory(manifests);
}

PeerListener::PeerListener() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) std::abort();
  fd_.reset(listener);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(listener, 2'048), 0);
  EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
}

HostTest::~HostTest() {
  control.reset();
  daemon.reset();
  if (HasFailure()) std::fprintf(stderr, "--- the host's log:\n%s---\n", host_log().c_str());
  std::filesystem::remove_all(folder);
}

void HostTest::SetUp() {
  if (GetParam() != "cgroup") return;
  const auto chosen = sys::CgroupTree::choose("host-test");
  if (!chosen) GTEST_SKIP() << "no cgroup to write: " << base::to_string(chosen.error());
}

std::string HostTest::socket() const { return socket_path(folder + "/run"); }
std::string HostTest::host_log() const { return read_all(folder + "/host.log"); }

void HostTest::write_file(const std::string& name, const std::string& text) {
  std::ofstream(manifests + "/" + name) << text;
}

void HostTest::write_manifest(const std::string& id, const std::string& modes) {
  write_file(id + ".desktop",
             "[Desktop Entry]\nType=Application\nName=Test " + id +
                 "\nExec=" WAKELINE_TEST_APP "\nX-Wakeline-BackgroundModes=" + modes +
                 "\nX-Wakeline-Environment=WAKELINE_TEST_PORT=" + std::to_string(port()) + ";\n");
}

void HostTest::start_host(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {
      "runtime=" + folder + "/run", "state=" + folder + "/state", "manifests=" + manifests,
      "freezer=" + GetParam(), "notifier=terminal", "grace_ms=2000",
      // A shortened profile: the rules are the same, the numbers are not waited for.
      "set:linger=150ms", "set:sample_interval=30ms", "set:wake_window=1s", "set:launch_window=1s",
      "set:keep_alive_min=1s", "set:keep_alive_budget=500ms", "set:task_pool=1500ms",
      "set:task_warning=500ms", "set:relaunch_first=100ms", "set:relaunch_max=400ms",
      "set:limit_wakes=100000"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  if (auto reader = LedgerReader::open(folder + "/state")) {
    const auto newest = reader->newest(1);
    if (newest && !newest->empty()) known_line_ = newest->front().id;
  }
  daemon = std::make_unique<HostProcess>(arguments, folder + "/host.log", without_ptrace);
  ASSERT_TRUE(daemon->wait_ready()) << "the host did not start";
  connect_control();
}

void HostTest::upgrade_host() {
  const auto lines = control->list();  // whatever it had to do is done
  ASSERT_TRUE(lines) << lines.error().message;
  control.reset();
  if (auto reader = LedgerReader::open(folder + "/state")) {
    const auto newest = reader->newest(1);
    if (newest && !newest->empty()) known_line_ = newest->front().id;
  }
  daemon->signal(SIGHUP);
  ASSERT_TRUE(daemon->wait_ready()) << "the host did not come back";
  connect_control();
}

void HostTest::connect_control() {
  auto connected = ControlClient::connect(socket());
  ASSERT_TRUE(connected) << connected.error().message;
  control.emplace(std::move(*connected));
  const auto followed = control->follow(1'000);
  ASSERT_TRUE(followed) << followed.error().message;
}

void HostTest::kill_host() {
  control.reset();
  daemon->signal(SIGKILL);
  daemon->wait();
  daemon.reset();
}

void HostTest::change_host(Change how, const std::vector<std::string>& options) {
  if (how == Change::kUpgrade) return upgrade_host();
  kill_host();
  start_host(options);
}

io::UniqueFd PeerListener::accept() const {
  if (!wait_fd(fd_.get(), POLLIN, io::now() + kPatience)) {
    ADD_FAILURE() << "the app did not connect";
    return {};
  }
  return io::UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

TestApp HostTest::accept_app() {
  // Apps that start together connect in any order: both connections of one app say its pid.
  while (io::UniqueFd fd = accept_connection()) {
    PeerConnection connection(std::move(fd));
    std::istringstream hello(connection.line().value_or(""));
    std::string kind;
    pid_t pid = 0;
    if (!(hello >> kind >> pid)) {
      ADD_FAILURE() << "an app that does not say what it is: '" << hello.str() << "'";
      break;
    }
    HalfApp& app = half_accepted_[pid];
    (kind == "report" ? app.report : app.line).emplace(std::move(connection));
    if (!app.report || !app.line) continue;
    TestApp whole{pid, std::move(*app.report), std::move(*app.line)};
    half_accepted_.erase(pid);
    return whole;
  }
  return {0, PeerConnection(io::UniqueFd()), PeerConnection(io::UniqueFd())};
}

std::optional<wire::host::LedgerLine> HostTest::next_line(const std::string& app,
                                                          base::Duration timeout) {
  const base::Instant deadline = io::now() + timeout;
  for (;;) {
    const auto left = deadline - io::now();
    if (left <= base::Duration::zero()) return std::nullopt;
    auto line = control->next_line(left);
    if (!line) {
      ADD_FAILURE() << "ledger: " << line.error().message;
      return std::nullopt;
    }
    if (*line && (*line)->id > known_line_ && (*line)->app == app) return std::move(*line);
  }
}

wire::host::LedgerLine HostTest::wait_ledger(const std::string& app, const std::string& event,
                                             const std::string& reason) {
  const base::Instant end = io::now() + kLedgerPatience;
  std::deque<std::string> skipped;
  for (;;) {
    const auto line = next_line(app, std::min(kPatience, end - io::now()));
    if (!line) break;
    if (line->event == event && (reason.empty() || line->reason == reason)) return *line;
    skipped.push_back(line->event + " " + line->reason + " " + line->detail);
    if (skipped.size() > kSkippedShown) skipped.pop_front();
  }
  ADD_FAILURE() << "no ledger line '" << event << " " << reason << "' of " << app
                << "; skipped (the last ones):\n  "
                << fmt::format("{}", fmt::join(skipped, "\n  "));
  return {};
}

wire::host::AppInfo HostTest::info(const std::string& app) {
  const auto apps = control->list();
  if (!apps) {
    ADD_FAILURE() << apps.error().message;
    return {};
  }
  for (const auto& info : *apps) {
    if (info.app == app) return info;
  }
  ADD_FAILURE() << "no app " << app;
  return {};
}

void HostTest::command(wire::host::Command command, const std::string& app) {
  const auto done = control->command(command, app);
  ASSERT_TRUE(done) << done.error().message;
}

HostTest::CliResult HostTest::wakeline(const std::vector<std::string>& arguments) {
  const std::string path = folder + "/cli.log";
  sys::SpawnOptions options;
  options.command = {WAKELINE_PROGRAM};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = sys::inherit_environment({});
  const io::UniqueFd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  options.output = out.get();
  const auto process = sys::spawn(options);
  if (!process) {
    ADD_FAILURE() << base::to_string(process.error());
    return {};
  }
  if (!wait_fd(process->pidfd.get(), POLLIN, io::now() + kPatience)) {
    ADD_FAILURE() << "wakeline " << arguments.front() << " does not end";
    ::kill(process->pid, SIGKILL);
  }
  int status = 0;
  ::waitpid(process->pid, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_all(path)};
}

bool HostTest::is_frozen(pid_t pid) const {
  if (GetParam() == "sigstop") {
    const auto stat = sys::read_proc_stat(pid);
    return stat && stat->state == 'T';
  }
  const auto mount = sys::find_cgroup_mount();
  const auto path = sys::cgroup_path_of(pid);
  if (!mount || !path) return false;
  const std::string events = read_all(mount->path + *path + "/cgroup.events");
  return events.find("frozen 1") != std::string::npos;
}

bool HostTest::wait_frozen(pid_t pid, bool frozen) const {
  return eventually([&] { return is_frozen(pid) == frozen; });
}

}  // namespace wakeline::host
