// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/demo/parts.h"
#include "cli/demo/timeline.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "host/control_client.h"
#include "host/options.h"
#include "io/clock.h"

namespace wakeline::cli::demo {
namespace {

using namespace std::chrono_literals;
using wire::host::LedgerLine;

constexpr const char* kApp = "doorbell";
constexpr base::Duration kStepTimeout = 15s;
/// The app counts as asleep when so long after a suspension nothing else was written down.
constexpr base::Duration kSettled = 200ms;
/// How long it is left asleep before each push, with an eye on its CPU time.
constexpr base::Duration kSleepWatched = 1s;

constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGHUP};
volatile std::sig_atomic_t stop_wanted = 0;  // the signal

/// Whether we were told to end, or nobody sees any more what happens.
bool stopped() { return stop_wanted != 0 || output_lost(); }

struct Options {
  std::string doorbell;
  bool keep = false;
};

/// Plays the steps and keeps the timeline. Each step is true when everything in it happened.
class Demo {
 public:
  explicit Demo(Parts parts) : parts_(std::move(parts)) {}

  bool run();
  const Timeline& timeline() const { return timeline_; }
  void print_figures() const;
  Parts& parts() { return parts_; }

 private:
  bool start();
  bool ring(const std::string& title, const std::string& body);
  bool restart_server();
  bool crash_app();

  bool fail(const std::string& text);
  bool check(const Outcome<void>& outcome) { return outcome ? true : fail(outcome.error()); }
  void say(const std::string& text);
  /// Reads the ledger up to the line that `wanted` takes; `what` names it when it does not come.
  bool await(const std::string& what, const std::function<bool(const LedgerLine&)>& wanted);
  bool await_event(const std::string& event);
  bool await_sleep();
  /// Lets the app sleep a while and reads its CPU time before and after.
  bool watch_sleep();
  std::optional<std::uint64_t> cpu_us();
  /// Takes the next line, if one comes in time.
  bool next(base::Duration timeout, LedgerLine& line);

  Parts parts_;
  Timeline timeline_;
  std::optional<host::ControlClient> host_;
  LedgerLine last_;
  int step_ = 0;
  std::int64_t slept_ns_ = 0;
  std::uint64_t slept_cpu_us_ = 0;
};

bool Demo::fail(const std::string& text) {
  if (stopped()) return false;
  timeline_.note("demo", "failed", text);
  fmt::print("   {}\n", paint(Colour::kRed, "It did not happen: " + printable_lines(text)));
  return false;
}

void Demo::say(const std::string& text) {
  fmt::print("{} {}\n", paint(Colour::kBold, fmt::format("{}.", ++step_)), text);
  std::fflush(stdout);
}

bool Demo::next(base::Duration timeout, LedgerLine& line) {
  auto read = host_->next_line(timeout);
  if (!read || !read->has_value()) return false;
  line = std::move(**read);
  timeline_.add(line);
  return true;
}

bool Demo::await(const std::string& what, const std::function<bool(const LedgerLine&)>& wanted) {
  const base::Instant end = io::now() + kStepTimeout;
  while (io::now() < end && !stopped()) {
    if (next(std::min<base::Duration>(end - io::now(), 1s), last_) && wanted(last_)) return true;
  }
  return fail("waited for " + what + "; the host's log is in " + parts_.folder() + "/host.log");
}

bool Demo::await_event(const std::string& event) {
  return await("'" + event + "' of the " + kApp + " in the ledger",
               [&](const LedgerLine& line) { return line.app == kApp && line.event == event; });
}

bool Demo::await_sleep() {
  const base::Instant end = io::now() + kStepTimeout;
  while (io::now() < end) {
    if (last_.event != "suspend" && !await_event("suspend")) return false;
    LedgerLine line;
    if (!next(kSettled, line)) {
      fmt::print(
          "   {}\n",
          paint(Colour::kDim,
                "The app sleeps: every thread stopped, no CPU, its socket held by the kernel."));
      return true;
    }
    last_ = line;
  }
  return fail("the app did not stay asleep");
}

std::optional<std::uint64_t> Demo::cpu_us() {
  const auto apps = host_->list();
  if (!apps) return std::nullopt;
  const auto app =
      std::find_if(apps->begin(), apps->end(), [](const auto& info) { return info.app == kApp; });
  if (app == apps->end()) return std::nullopt;
  return app->cpu_us;
}

bool Demo::watch_sleep() {
  const base::Instant start = io::now();
  const auto before = cpu_us();
  LedgerLine line;
  while (io::now() - start < kSleepWatched && !stopped()) {
    if (next(kSleepWatched - (io::now() - start), line))
      return fail("the app did not stay asleep: " + line.event);
  }
  const auto after = cpu_us();
  if (!before || !after) return fail("the host does not tell the app's CPU time");
  slept_ns_ += (io::now() - start).count();
  slept_cpu_us_ += *after - *before;
  return true;
}

bool Demo::start() {
  say("A server, a host and an app, all on loopback. Nothing else is needed.");
  if (!check(parts_.start_server())) return false;
  timeline_.note("server", "started", "data folder, certificate and token made");
  if (!check(parts_.add_device())) return false;
  timeline_.note("server", "device added", kApp);
  if (!check(parts_.start_host())) return false;
  timeline_.note("host", "started", "");
  auto client = host::ControlClient::connect(host::socket_path(parts_.runtime_folder()));
  if (!client) return fail("the host does not answer: " + client.error().message);
  host_.emplace(std::move(*client));
  if (!host_->follow(wire::host::kBacklogMax)) return fail("the host gives no ledger");
  return await_event("launch") && await_event("tag") && await_sleep();
}

bool Demo::ring(const std::string& title, const std::string& body) {
  if (!watch_sleep()) return false;
  const base::WallTime sent = io::wall_now();
  timeline_.note("app server", "push", "POST /v1/push: " + title);
  const auto answer = parts_.push(title, body);
  if (!answer) return fail(answer.error());
  timeline_.note("server", "answered " + std::to_string(answer->status), "the push is on disk");
  if (answer->status != 201)
    return fail(fmt::format("the server answered {} {}", answer->status, answer->body));
  if (!await("a wake by the socket", [](const LedgerLine& line) {
        return line.app == kApp && line.event == "wake" && line.reason == "socket_data";
      })) {
    return false;
  }
  if (!await_event("notify")) return false;
  const auto total = last_.wall_ns - sent.time_since_epoch().count();
  fmt::print(
      "   {}  {}\n", paint(Colour::kGreen, "🔔 " + title),
      paint(Colour::kDim, fmt::format("{} after the app server began to send", span_text(total))));
  return await_sleep();
}

bool Demo::restart_server() {
  say("The server dies without a word (SIGKILL) and comes back. The app is woken by the end of its "
      "connection and repairs it.");
  parts_.crash_server();
  timeline_.note("server", "killed", "SIGKILL");
  if (!check(parts_.start_server())) return false;
  timeline_.note("server", "started", "the same data folder");
  return await_event("wake") && await_event("tag") && await_sleep();
}

bool Demo::crash_app() {
  say("The app crashes. The host starts it again, in the background.");
  const auto apps = host_->list();
  if (!apps) return fail("the host does not list its apps");
  const auto app =
      std::find_if(apps->begin(), apps->end(), [](const auto& info) { return info.app == kApp; });
  if (app == apps->end() || app->pid <= 0) return fail("the host does not know the app's process");
  ::kill(static_cast<pid_t>(app->pid), SIGKILL);
  timeline_.note("demo", "app killed", "SIGKILL");
  return await_event("exit") && await_event("launch") && await_event("tag") && await_sleep();
}

bool Demo::run() {
  if (!start()) return false;
  say("An app server pushes. The bytes reach the sleeping app's socket; it runs, rings, and sleeps "
      "again.");
  if (!ring("Someone is at the door", "They rang once.")) return false;
  if (!restart_server() || !ring("Someone is at the door", "The server was gone for a moment."))
    return false;
  if (!crash_app() || !ring("Someone is at the door", "The app had crashed.")) return false;
  return true;
}

void Demo::print_figures() const {
  std::vector<std::int64_t> latencies = timeline_.wake_latencies();
  if (latencies.empty()) return;
  std::sort(latencies.begin(), latencies.end());
  fmt::print(
      "\nWake:  the host saw the event, and the app ran again after {} (median of {}; the slowest "
      "{}).\n",
      paint(Colour::kBold, span_text(latencies[(latencies.size() - 1) / 2])), latencies.size(),
      span_text(latencies.back()));
  fmt::print("Sleep: watched for {}, in which the app used {} of CPU time.\n", span_text(slept_ns_),
             paint(Colour::kBold, fmt::format("{} µs", slept_cpu_us_)));
}

/// However we end, what we started has to end too: the handlers only say so.
void take_signals() {
  struct sigaction action{};
  action.sa_handler = [](int number) { stop_wanted = number; };
  for (const int number : kStopSignals) ::sigaction(number, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // the write fails as well
}

/// Returns at a signal, and when the terminal or the reader of a pipe has gone.
void wait_for_end() {
  sigset_t stops;
  sigset_t before;
  ::sigemptyset(&stops);
  for (const int number : kStopSignals) ::sigaddset(&stops, number);
  ::sigprocmask(SIG_BLOCK, &stops, &before);
  pollfd output{STDOUT_FILENO, 0, 0};
  while (!stopped() && output.revents == 0) ::ppoll(&output, 1, nullptr, &before);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

int run_demo(const Options& options) {
  take_signals();
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return report("/proc/self/exe", base::os_error("readlink", error.value()));
  std::string doorbell = options.doorbell;
  if (doorbell.empty()) {
    const std::array candidates = {
        program.parent_path() / "doorbell",
        program.parent_path().parent_path() / "libexec/wakeline/doorbell"};
    for (const auto& candidate : candidates) {
      if (doorbell.empty() && ::access(candidate.c_str(), X_OK) == 0) doorbell = candidate;
    }
  }
  if (doorbell.empty()) {
    return report("doorbell", base::ErrorCode::kNotFound,
                  "the example app is not beside this program",
                  "Build it (target doorbell), or name it: --doorbell PATH");
  }
  auto parts = Parts::create(program, doorbell);
  if (!parts) return report("demo", base::ErrorCode::kOs, parts.error());

  Demo demo(std::move(*parts));
  const bool all = demo.run();
  if (stop_wanted != 0) return kExitRunSignal + stop_wanted;
  if (output_lost()) return kExitStorage;
  fmt::print("\n");
  demo.timeline().print();
  demo.print_figures();
  if (!all) {
    demo.parts().keep_folder();
    fmt::print("\nNot everything happened. The logs are in {}\n", demo.parts().folder());
    return kExitFailed;
  }
  if (options.keep) {
    fmt::print(
        "\nEverything goes on running. Ring it yourself:\n\n  {}\n\nWatch it:\n\n  {} log --follow "
        "--runtime-folder {}\n"
        "\nCtrl-C ends it all.\n",
        demo.parts().curl_line(), program.string(), demo.parts().runtime_folder());
    std::fflush(stdout);
    wait_for_end();
  }
  return kExitOk;
}

}  // namespace
}  // namespace wakeline::cli::demo

namespace wakeline::cli {

void add_demo(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<demo::Options>();
  CLI::App* command = root.add_subcommand("demo",
                                          "The whole path in under half a minute: suspend an app, "
                                          "ring it, crash the server and the app, ring it again");
  command->add_flag("--keep", options->keep,
                    "Leave everything running, with a curl line to try by hand");
  command
      ->add_option("--doorbell", options->doorbell, "The example app; default: beside this program")
      ->type_name("FILE");
  command->footer("Exit code 0 only if every step happened.");
  command->callback([options, &exit_code] { exit_code = demo::run_demo(*options); });
}

}  // namespace wakeline::cli
