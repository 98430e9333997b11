// SPDX-License-Identifier: Apache-2.0
#include "host/upgrade.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "core/doze/types.h"
#include "io/file.h"
#include "io/signals.h"
#include "linux/proc.h"
#include "wire/manifest.h"

namespace wakeline::host {
namespace {

using base::LogLevel;

/// In the environment of the next program: our own process number, as after an exec nobody else has
/// it. So neither an app that inherits the variable nor a file of a dead host is taken for it.
constexpr const char* kVariable = "WAKELINE_HOST_UPGRADED";
constexpr int kGuardianBoundMs = 1'000;
/// The file: a number, and names of at most 4,096 apps.
constexpr std::size_t kLeftMax = 8 + doze::kAppsMax * (wire::kAppNameMax + 1);

std::string path_in(const std::string& folder) { return folder + "/upgrade"; }

std::string to_text(const Predecessor& left) {
  return fmt::format("{}\n{}", left.guardian, fmt::join(left.resting, "\n"));
}

Predecessor from_text(std::string_view text) {
  Predecessor left;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), left.guardian);
  if (error != std::errc()) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (!text.empty()) {
    text.remove_prefix(1);
    const auto line = text.substr(0, text.find('\n'));
    if (wire::is_app_id(line)) left.resting.emplace(line);
    text.remove_prefix(line.size());
  }
  return left;
}

void await_guardian(pid_t guardian) {
  const auto stat = sys::read_proc_stat(guardian);
  if (!stat || stat->parent != ::getpid()) return;
  const auto pidfd = sys::open_pidfd(stat->key);
  if (!pidfd) return;
  pollfd wait{pidfd->get(), POLLIN, 0};
  if (::poll(&wait, 1, kGuardianBoundMs) == 1) {
    ::waitpid(guardian, nullptr, WNOHANG);
    return;
  }
  base::log(LogLevel::kError, "host", "the guardian {} of the program before does not end; killed",
            guardian);
  ::kill(guardian, SIGKILL);
}

}  // namespace

std::vector<int> host_signals() { return {SIGTERM, SIGINT, SIGHUP}; }

Predecessor take_over(const std::string& runtime_folder) {
  const char* const number = std::getenv(kVariable);
  const bool ours = number != nullptr && std::to_string(::getpid()) == number;
  ::unsetenv(kVariable);
  const std::string path = path_in(runtime_folder);
  const auto text = io::read_file(path, kLeftMax);
  std::remove(path.c_str());
  if (!ours || !text) return {};
  Predecessor left = from_text(*text);
  if (left.guardian > 0) await_guardian(left.guardian);
  return left;
}

void Upgrade::begin() {
  if (check_watch_) return;
  if (options_.successor.empty()) return fail("this host was not told what to become");
  if (options_.check.empty()) return become();
  sys::SpawnOptions spawn;
  spawn.command = options_.check;
  spawn.environment = sys::inherit_environment({});
  spawn.limits = options_.limits;
  auto check = sys::spawn(spawn);
  if (!check) return fail(options_.check.front() + ": " + base::to_string(check.error()));
  check_ = std::move(*check);
  auto watch = sys::ExitWatch::create(loop_, check_.pidfd.get(), [this](sys::ExitInfo info) {
    check_watch_.reset();
    check_ = {};
    if (info.known && !info.signaled && info.code == 0) return become();
    fail(fmt::format("{} ended with {} {}", fmt::join(options_.check, " "),
                     info.signaled ? "signal" : "status", info.code));
  });
  if (!watch) return fail(base::to_string(watch.error()));
  check_watch_ = std::move(*watch);
}

void Upgrade::become() {
  const Predecessor left = options_.hand_over();
  if (const auto done = execute(left); !done) {
    fail(options_.successor.front() + ": " + base::to_string(done.error()));
  }
}

/// Returns only when it fails.
base::Result<void> Upgrade::execute(const Predecessor& left) {
  const std::string path = path_in(options_.runtime_folder);
  if (auto written = io::write_file(path, to_text(left)); !written) return written;
  std::vector<char*> words;
  for (std::string& word : options_.successor) words.push_back(word.data());
  words.push_back(nullptr);
  ::setenv(kVariable, std::to_string(::getpid()).c_str(), 1);
  // The next program raises them anew, and gives its apps what it was started with.
  const sys::Limits raised = sys::current_limits();
  sys::set_limits(options_.limits);
  // What comes before the next program has its handlers must not end it: its apps would stay.
  io::hold_signals(host_signals());
  ::execv(words.front(), words.data());
  const int error = errno;
  io::release_signals(host_signals());
  sys::set_limits(raised);
  ::unsetenv(kVariable);
  std::remove(path.c_str());
  return base::fail(base::os_error("exec", error));
}

void Upgrade::fail(const std::string& why) {
  base::log(LogLevel::kError, "host", "no upgrade, this host goes on: {}", why);
  options_.on_failed(why);
}

}  // namespace wakeline::host
