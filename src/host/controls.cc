// SPDX-License-Identifier: Apache-2.0
#include "host/controls.h"

#include <algorithm>

#include "base/log.h"
#include "host/requests.h"
#include "host/text.h"
#include "io/clock.h"
#include "linux/proc.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using base::LogLevel;
using wire::host::AppInfo;
using wire::host::AppList;
using wire::host::Command;
using wire::host::Reply;

/// 0: there is none. One that is due now is a millisecond away.
std::uint64_t milliseconds_until(base::Instant now, base::Instant deadline) {
  if (deadline == base::kNever) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(left, 1));
}

}  // namespace

ManifestScan Controls::scan() {
  if (auto settings = load_settings(state_folder_)) {
    settings_ = std::move(*settings);
  } else {
    base::log(LogLevel::kError, "host", "{}; the settings before it hold", settings.error());
  }
  ManifestScan found = scan_manifests(manifest_folders_);
  for (const std::string& fault : found.faults) {
    base::log(LogLevel::kError, "host", "{}", fault);
  }
  for (const std::string& warning : found.warnings) {
    base::log(LogLevel::kWarning, "host", "{}", warning);
  }
  for (const wire::Manifest& manifest : found.manifests) {
    const auto installed =
        driver_.install(as_granted(manifest, settings_), found.files.at(manifest.id));
    if (installed) continue;
    base::log(LogLevel::kError, "host", "{}: not installed: {}", manifest.id,
              base::to_string(installed.error()));
  }
  return found;
}

void Controls::take_over(const ManifestScan& found, const std::vector<std::string>& living) {
  for (const std::string& id : living) {
    if (driver_.find(id) != nullptr) continue;
    const auto launched = driver_.launched_manifests().find(id);
    if (!launched || !found.may_hold(launched->file)) continue;
    if (!driver_.install(as_granted(launched->manifest, settings_), launched->file)) continue;
    base::log(LogLevel::kWarning, "host",
              "{}: its manifest cannot be read; it runs on by the one that it was launched by", id);
  }
}

Reply Controls::handle(const wire::host::Reload& reload) {
  const ManifestScan found = scan();
  std::vector<std::string> gone;
  for (const auto& [id, app] : driver_.apps()) {
    const bool stays =
        found.files.contains(id) || found.may_hold(app->manifest_file) || runs_.contains(id);
    if (!stays) gone.push_back(id);
  }
  for (const std::string& id : gone) {
    AppRecord& app = *driver_.find(id);
    if (!app.process->running()) {
      driver_.uninstall(id);
      continue;
    }
    app.uninstalled = true;
    driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_close_wanted(now, app.id, out);
    });
  }
  return {reload.request, ErrorCode::kOk, {}, 0};
}

Reply Controls::handle(const wire::host::Control& control) {
  const bool starts =
      control.command == Command::kLaunch || control.command == Command::kForeground;
  AppRecord* app = driver_.find(control.app);
  if (starts && (app == nullptr || !app->process->running())) {
    std::ignore = scan();
    app = driver_.find(control.app);
  }
  if (app == nullptr) {
    return {control.request, ErrorCode::kNotFound,
            "there is no app '" + control.app + "'; its manifest is missing or faulty, see the log",
            0};
  }
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    switch (control.command) {
      case Command::kLaunch:
        doze.on_launch_wanted(now, app->id, wire::host::LaunchReason::kUser, out);
        break;
      case Command::kForeground:
        doze.on_foreground(now, app->id, out);
        break;
      case Command::kBackground:
        doze.on_background(now, app->id, out);
        break;
      case Command::kClose:
        doze.on_close_wanted(now, app->id, out);
        break;
    }
  });
  if (starts && !app->process->running() && app->launch_error.code != ErrorCode::kOk) {
    return {control.request, app->launch_error.code,
            app->manifest.command.front() + ": " + base::to_string(app->launch_error), 0};
  }
  return {control.request, ErrorCode::kOk, {}, 0};
}

AppInfo Controls::info(AppRecord& app) const {
  AppInfo info;
  info.app = app.manifest.id;
  info.name = shortened(app.manifest.name, wire::host::kNameMax);
  info.state = driver_.machine().state(app.id);
  info.pid = app.process->pid();
  info.tags = static_cast<std::uint32_t>(app.tags.size());
  info.wakes = app.wakes;
  if (app.process->running()) {
    if (const auto cpu = app.process->group().cpu_time()) app.cpu = *cpu;
  }
  info.cpu_us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(app.cpu).count());
  const base::Instant now = io::now();
  const doze::Profile& profile = driver_.machine().profile();
  info.limit = profile.limit_action == doze::LimitAction::kNone
                   ? 0
                   : static_cast<std::uint32_t>(profile.limit_wakes);
  if (const doze::App* state = driver_.machine().find(app.id)) {
    info.limiter = static_cast<std::uint32_t>(state->run.limiter.count(now, profile));
    info.deadline_ms = milliseconds_until(now, state->timers.next());
  }
  info.given_back_ns = app.given_back.wall_ns;
  info.given_back_kib = app.given_back.kib;
  info.give_back_error = app.given_back.error;
  if (!app.process->running()) return info;
  info.memory_kib = sys::resident_kib(app.process->group().processes());
  if (!app.suspended) {
    info.awake_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now - app.awake_since).count());
  }
  return info;
}

std::vector<AppList> Controls::handle(const wire::host::List& list) {
  std::vector<AppList> parts(1);
  parts.back().request = list.request;
  for (const auto& [id, app] : driver_.apps()) {
    if (parts.back().apps.size() == wire::host::kAppsMax) {
      parts.back().more = true;
      parts.emplace_back().request = list.request;
    }
    parts.back().apps.push_back(info(*app));
  }
  return parts;
}

}  // namespace wakeline::host
