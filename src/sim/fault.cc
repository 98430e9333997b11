// SPDX-License-Identifier: Apache-2.0
#include "sim/fault.h"

#include <fmt/format.h>

#include "sim/bug.h"
#include "sim/kernel.h"

namespace wakeline::sim {

std::string_view name(Stop how) {
  constexpr std::string_view kNames[] = {"graceful", "killed", "power"};
  return kNames[static_cast<std::size_t>(how)];
}

std::string_view name(Fault::Kind kind) {
  constexpr std::string_view kNames[] = {
      "cut",        "reset",        "forget",         "offline",    "server_stop",    "app_crash",
      "foreground", "host_restart", "device_restart", "clock_jump", "server_upgrade", "move",
      "sign_in"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Fault::Kind::kCount));
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name(Bug bug) {
  constexpr std::string_view kNames[] = {"none",
                                         "answers_before_commit",
                                         "forgets_acceptance",
                                         "skips_sync",
                                         "loses_readiness",
                                         "never_freezes",
                                         "runs_late",
                                         "keeps_old_session",
                                         "forgets_window",
                                         "expires_early",
                                         "hands_over_nothing",
                                         "mixes_inboxes",
                                         "delivers_late",
                                         "delivers_twice",
                                         "ignores_expiry",
                                         "forgets_unwatch",
                                         "floods",
                                         "stays_down",
                                         "rings_nobody",
                                         "never_keeps",
                                         "turns_on_the_spot"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Bug::kCount));
  return kNames[static_cast<std::size_t>(bug)];
}

FaultTarget target_of(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::kAppCrash:
    case Fault::Kind::kForeground:
      return FaultTarget::kApp;
    case Fault::Kind::kServerStop:
    case Fault::Kind::kServerUpgrade:
    case Fault::Kind::kClockJump:
      return FaultTarget::kServer;
    default:
      return FaultTarget::kMachine;
  }
}

std::string to_line(const Fault& f) {
  constexpr std::string_view kTargets[] = {" machine", " app", " of the server"};
  std::string line = fmt::format("{}  {}{}", time_text(f.at.time_since_epoch()), name(f.kind),
                                 kTargets[static_cast<std::size_t>(target_of(f.kind))]);
  if (target_of(f.kind) != FaultTarget::kServer) line += fmt::format(" {}", f.target);
  const auto seconds = [](Duration span) {
    return fmt::format("{:.3f} s", std::chrono::duration<double>(span).count());
  };
  if (f.lasts > Duration::zero()) line += " for " + seconds(f.lasts);
  if (f.kind == Fault::Kind::kServerStop) line += fmt::format(", {}", name(f.how));
  if (f.kind == Fault::Kind::kClockJump) line += " by " + seconds(f.by);
  if (f.kind == Fault::Kind::kMove)
    line += f.network == kNoNetwork ? " to no network" : fmt::format(" to network {}", f.network);
  if (f.new_address) line += ", new address";
  return line;
}

}  // namespace wakeline::sim
