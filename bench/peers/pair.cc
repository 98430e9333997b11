// SPDX-License-Identifier: Apache-2.0
#include "peers/pair.h"

#include <fmt/format.h>
#include <poll.h>

#include <utility>

#include "clients.h"
#include "io/clock.h"
#include "io/file.h"
#include "linux/proc.h"
#include "loopback.h"

namespace wakeline::bench {
namespace {

using namespace std::chrono_literals;
using wire::host::AppState;
using wire::host::Command;

constexpr const char* kPeerApp = "peer";
constexpr auto kScreenPatience = 30s;
/// A program that has not connected is given its launch window, a minute.
constexpr auto kAsleepPatience = 120s;
/// Between the suspension and the bytes: the host has armed its watch and sleeps itself.
constexpr int kRestMs = 200;

/// What starts the program with `screen` as its terminal; the same for both sides.
Outcome<std::string> write_script(const std::string& path, const std::string& command,
                                  const Screen& screen) {
  const std::string text =
      fmt::format("#!/bin/sh\nexec <{0} >{0} 2>&1\n{1}\n", screen.path(), command);
  if (!io::write_file(path, text)) return std::unexpected(path + ": cannot be written");
  return path;
}

/// As a user would write it for such a program.
std::string manifest_of(const Subject& subject, const std::string& script) {
  std::string text = fmt::format("[Desktop Entry]\nType=Application\nName={}\nExec=/bin/sh {}\n",
                                 subject.name(), script);
  if (subject.port() != 0)
    text += fmt::format("X-Wakeline-Voip=tcp:{}\nX-Wakeline-KeepAlive=600\n", subject.port());
  return text;
}

Outcome<void> started(Subject& subject, Side side, Screen& screen) {
  if (!subject.greeting().empty()) {
    if (auto seen = screen.await(kScreenPatience); !seen) return std::unexpected(seen.error());
  }
  return subject.on_started(side, screen);
}

}  // namespace

Outcome<std::unique_ptr<Pair>> Pair::start(std::unique_ptr<Subject> subject,
                                           const std::string& folder) {
  std::unique_ptr<Pair> pair(new Pair);
  pair->subject_ = std::move(subject);
  if (!io::make_folder(folder)) return std::unexpected(folder + ": cannot be made");
  if (auto server = pair->subject_->start_server(folder); !server)
    return std::unexpected(server.error());
  for (auto& screen : pair->screens_) {
    auto opened = Screen::open();
    if (!opened) return std::unexpected(opened.error());
    screen = std::move(*opened);
  }
  if (auto usual = pair->start_usual(folder); !usual)
    return std::unexpected("as usual: " + usual.error());
  if (auto suspended = pair->start_suspended(folder); !suspended)
    return std::unexpected("under the host: " + suspended.error());
  return pair;
}

Outcome<void> Pair::start_usual(const std::string& folder) {
  Screen& screen = *screens_[kUsual];
  const auto command = subject_->command(kUsual, folder);
  if (!command) return std::unexpected(command.error());
  const auto script = write_script(folder + "/usual.sh", *command, screen);
  if (!script) return std::unexpected(script.error());
  screen.expect(subject_->greeting());
  auto program = cli::Program::start(ends_with_us({"/bin/sh", *script}), folder + "/usual.log");
  if (!program) return std::unexpected(program.error());
  usual_ = std::move(*program);
  return started(*subject_, kUsual, screen);
}

Outcome<void> Pair::start_suspended(const std::string& folder) {
  Screen& screen = *screens_[kSuspended];
  const auto command = subject_->command(kSuspended, folder);
  if (!command) return std::unexpected(command.error());
  const auto script = write_script(folder + "/suspended.sh", *command, screen);
  if (!script) return std::unexpected(script.error());
  screen.expect(subject_->greeting());
  auto bed = Bed::make({.name = subject_->name(),
                        .freezer = "auto",
                        .profile = {},
                        .manifests = {{kPeerApp, manifest_of(*subject_, *script)}}},
                       Door());
  if (!bed) return std::unexpected(bed.error());
  bed_ = std::move(*bed);
  // Without a connection it is a program that the user starts, and leaves.
  const bool by_hand = subject_->port() == 0;
  if (by_hand) {
    if (auto told = bed_->control().command(Command::kLaunch, kPeerApp); !told)
      return std::unexpected(told.error().message);
  }
  if (auto ready = started(*subject_, kSuspended, screen); !ready) return ready;
  if (by_hand) {
    if (auto told = bed_->control().command(Command::kBackground, kPeerApp); !told)
      return std::unexpected(told.error().message);
  }
  if (auto asleep = await_asleep(); !asleep) return asleep;
  const auto now = info();
  if (!now) return std::unexpected(now.error());
  suspended_ = static_cast<pid_t>(now->pid);
  return {};
}

Outcome<wire::host::AppInfo> Pair::info() {
  const auto apps = bed_->control().list();
  if (!apps) return std::unexpected("the host does not answer: " + apps.error().message);
  if (apps->size() != 1) return std::unexpected("the host does not know its app");
  return apps->front();
}

Outcome<void> Pair::await_asleep() { return bench::await_asleep(*bed_, kPeerApp, kAsleepPatience); }

Outcome<std::uint64_t> Pair::wakes() {
  const auto now = info();
  if (!now) return std::unexpected(now.error());
  if (!usual_.alive()) return std::unexpected("as usual: it has ended");
  if (now->pid != suspended_) return std::unexpected("under the host: it has ended");
  return now->wakes;
}

PairUsage Pair::usage() const {
  return PairUsage{bench::usage(process_tree(usual_.pid())), bench::usage(process_tree(suspended_)),
                   bench::usage(process_tree(bed_->host_pid(), suspended_))};
}

bool Pair::by_signals() const {
  const auto stat = sys::read_proc_stat(suspended_);
  return stat && stat->state == 'T';
}

Outcome<void> Pair::ring() {
  const auto usual = subject_->ring(kUsual, *screens_[kUsual]);
  if (!usual) return std::unexpected("ring as usual: " + usual.error());
  if (auto asleep = await_asleep(); !asleep) return asleep;
  ::poll(nullptr, 0, kRestMs);
  const auto before = info();
  if (!before) return std::unexpected(before.error());
  if (before->state != AppState::kSuspended) return std::unexpected("it does not stay asleep");
  const auto woken = subject_->ring(kSuspended, *screens_[kSuspended]);
  if (!woken) return std::unexpected("ring in its sleep: " + woken.error());
  const auto after = info();
  if (!after) return std::unexpected(after.error());
  if (after->wakes == before->wakes) return std::unexpected("it was rung, and no wake is counted");
  rings_[kUsual].add(*usual);
  rings_[kSuspended].add(*woken);
  return {};
}

}  // namespace wakeline::bench
