// SPDX-License-Identifier: Apache-2.0
#include "host/driver.h"

#include <algorithm>
#include <tuple>

#include "base/log.h"
#include "host/app_sockets.h"
#include "host/media.h"
#include "host/pings.h"
#include "host/run_note.h"
#include "linux/doctor.h"

namespace wakeline::host {
namespace {

doze::AppConfig config_of(const wire::Manifest& manifest) {
  return {.name = manifest.id,
          .voip = manifest.voip,
          .audio = manifest.audio,
          .relaunch = manifest.relaunch,
          .exits_on_suspend = manifest.exits_on_suspend,
          .tags_itself = manifest.sockets.empty(),
          .reclaim = manifest.reclaim,
          .merge_pings = manifest.merge_pings};
}

/// The manifest with what the user can grant or take, and how notifications look, of `wanted`.
wire::Manifest with_grants(wire::Manifest manifest, const wire::Manifest& wanted) {
  manifest.voip = wanted.voip;
  manifest.audio = wanted.audio;
  manifest.sockets = wanted.sockets;
  manifest.keep_alive = wanted.keep_alive;
  manifest.tcp_keep_alive = wanted.tcp_keep_alive;
  manifest.media = wanted.media;
  manifest.merge_pings = wanted.merge_pings;
  manifest.style = wanted.style;
  return manifest;
}

using base::ErrorCode;
using base::LogLevel;

/// After the grace: what SIGKILL needs to reach an app in device I/O, or never does.
constexpr base::Duration kStopMargin = std::chrono::seconds(2);

}  // namespace

base::Result<std::unique_ptr<Driver>> Driver::create(io::Loop& loop, sys::Freezer& freezer,
                                                     LedgerLog& ledger, DriverOptions options) {
  std::unique_ptr<Driver> driver(new Driver(loop, freezer, ledger, std::move(options)));
  auto watch = sys::SocketWatch::create(
      loop, [driver = driver.get()](sys::WatchKey key, sys::SocketEvent event) {
        driver->on_socket_event(key, event);
      });
  if (!watch) return base::fail(watch.error());
  driver->watch_ = std::move(*watch);
  auto exits = sys::ExitSet::create(loop);
  if (!exits) return base::fail(exits.error());
  driver->exits_ = std::move(*exits);
  ledger.set_on_flush([driver = driver.get()] { driver->write_notes(); });
  if (auto made = driver->make_timers(); !made) return base::fail(made.error());
  return driver;
}

Driver::~Driver() { ledger_.set_on_flush(nullptr); }

base::Result<void> Driver::make_timers() {
  const auto due = [this] {
    feed([](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_deadline(now, out);
    });
  };
  auto deadline = io::DeadlineTimer::create(loop_, io::TimerKind::kBoottime, due);
  if (!deadline) return base::fail(deadline.error());
  deadline_timer_ = std::move(*deadline);
  auto stop = io::DeadlineTimer::create(loop_, io::TimerKind::kBoottime, [this] {
    base::log(LogLevel::kError, "host", "some apps do not end; leaving them");
    if (on_stopped_) std::exchange(on_stopped_, nullptr)();
  });
  if (!stop) return base::fail(stop.error());
  stop_timer_ = std::move(*stop);

  auto media = io::DeadlineTimer::create(loop_, io::TimerKind::kBoottime,
                                         [this] { look_for_ended_media(); });
  if (!media) return base::fail(media.error());
  media_timer_ = std::move(*media);

  // An alarm timer is given also where no clock can wake the machine: the probe knows (C18).
  const sys::Probe probe = sys::probe_alarm();
  const bool wakes = probe.state == sys::ProbeState::kOk;
  if (!wakes) {
    base::log(LogLevel::kWarning, "host", "keep-alive: {}; {}", probe.found, probe.fallback);
  }
  auto alarm = io::DeadlineTimer::create(
      loop_, wakes ? io::TimerKind::kAlarm : io::TimerKind::kBoottime, due);
  if (!alarm) return base::fail(alarm.error());
  alarm_timer_ = std::move(*alarm);
  return {};
}

base::Result<void> Driver::install(const wire::Manifest& manifest, const std::string& file) {
  if (AppRecord* known = find(manifest.id)) {
    known->uninstalled = false;
    known->manifest_file = file;
    change(*known, manifest);
    return {};
  }
  auto record = std::make_unique<AppRecord>();
  record->manifest = manifest;
  record->manifest_file = file;
  auto process =
      AppProcess::create(loop_, *exits_, freezer_, record->manifest.id,
                         [this, app = record.get()](sys::ExitInfo info) { on_exit(*app, info); });
  if (!process) return base::fail(process.error());
  const auto id = doze_.add_app(config_of(manifest));
  if (!id) return base::fail(id.error());
  record->id = *id;
  record->process = std::move(*process);
  by_id_.emplace(*id, record.get());
  apps_.emplace(manifest.id, std::move(record));
  return {};
}

void Driver::change(AppRecord& app, const wire::Manifest& manifest) {
  app.next_manifest.reset();
  if (app.manifest == manifest) return;
  if (!app.process->running()) {
    app.manifest = manifest;
    return set_config(app);
  }
  const wire::Manifest granted = with_grants(app.manifest, manifest);
  if (granted != manifest) app.next_manifest = manifest;
  if (granted != app.manifest) take_grants(app, granted);
}

/// What the user has given or taken, of an app that runs.
void Driver::take_grants(AppRecord& app, const wire::Manifest& granted) {
  const bool voip_given = granted.voip && !app.manifest.voip;
  const bool new_keep_alive = granted.keep_alive != app.manifest.keep_alive;
  app.manifest = granted;
  keep_manifest(app);
  if (!granted.voip) {
    drop_duplicates(*watch_, app);
    app.tags.clear();
    app.keep_alive_set = false;
  }
  if (voip_given) {
    app.postponements = 0;
    app.line_awaited = false;
    app.denial_told = false;
  }
  set_config(app);
  if (granted.voip && new_keep_alive && !app.keep_alive_set) set_keep_alive_of_manifest(app);
  // What it had tagged is forgotten here, and it does not know: it connects anew and tags anew.
  if (voip_given && app.sink != nullptr) {
    std::exchange(app.sink, nullptr)->end();
    disconnected(app);
  }
}

void Driver::set_config(AppRecord& app) {
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.set_config(now, app.id, config_of(app.manifest), out);
  });
}

void Driver::uninstall(const std::string& id) {
  AppRecord* app = find(id);
  if (app == nullptr || app->process->running()) return;
  if (app->sink != nullptr) std::exchange(app->sink, nullptr)->end();
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.remove_app(now, app->id, out);
  });
  if (auto removed = app->process->group().remove(); !removed) {
    base::log(LogLevel::kWarning, "host", "{}: {}", id, base::to_string(removed.error()));
  }
  std::ignore = ended_notes_.forget(id);
  by_id_.erase(app->id);
  apps_.erase(apps_.find(id));
}

AppRecord* Driver::find(std::string_view id) {
  const auto found = apps_.find(id);
  return found == apps_.end() ? nullptr : found->second.get();
}

AppRecord* Driver::find(doze::AppId id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void Driver::boot(const std::set<std::string>& resting) {
  const std::vector<std::string> existing = freezer_.existing();
  launched_manifests_.forget_others({existing.begin(), existing.end()});
  for (const std::string& id : existing) {
    AppRecord* app = find(id);
    if (app == nullptr) {
      base::log(LogLevel::kWarning, "host", "{}: runs without a manifest; ended", id);
      std::ignore = launched_manifests_.forget(id);
      if (auto group = freezer_.group(id)) {
        if (auto removed = (*group)->remove(); !removed) {
          base::log(LogLevel::kWarning, "host", "{}: {}", id, base::to_string(removed.error()));
        }
      }
      continue;
    }
    doze::Earlier earlier =
        read_note(app->process->group().attribute(kRunNote).value_or(""), io::now());
    if (!app->process->adopt()) {  // it ended with nobody there to see it, and left its note
      earlier.budget.runs = false;
      doze_.on_found_ended(app->id, earlier);
      continue;
    }
    app->launch_reason = wire::host::LaunchReason::kAdopted;
    feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_adopted(now, app->id, out, earlier);
    });
    begin_run(*app);
  }
  for (const auto& [id, note] : ended_notes_.load()) {
    if (const AppRecord* app = find(id))
      doze_.on_found_ended(app->id, read_note(note, io::now()));
    else
      std::ignore = ended_notes_.forget(id);
  }
  std::vector<doze::AppId> stay;
  for (const std::string& id : resting) {
    if (const AppRecord* app = find(id)) stay.push_back(app->id);
  }
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_boot(now, out, stay);
  });
}

std::set<std::string> Driver::resting() const {
  std::set<std::string> ids;
  for (const auto& [id, app] : apps_) {
    if (doze_.state(app->id) == doze::AppState::kStopped) ids.insert(id);
  }
  return ids;
}

void Driver::note_soon(AppRecord& app) {
  to_note_.push_back(app.id);
  if (std::exchange(notes_posted_, true)) return;
  loop_.post([this] { write_notes(); });
}

/// What the next host must know of a run, should this one die: see `run_note.h`.
void Driver::write_notes() {
  notes_posted_ = false;
  std::ranges::sort(to_note_);
  const auto repeated = std::ranges::unique(to_note_);
  to_note_.erase(repeated.begin(), repeated.end());
  for (const doze::AppId id : std::exchange(to_note_, {})) {
    AppRecord* app = find(id);
    if (app == nullptr) continue;
    const doze::Earlier earlier = doze_.for_next_host(id);
    auto written = base::Result<void>();
    if (app->process->running()) {
      written = app->process->group().set_attribute(kRunNote, write_note(earlier));
      // Its group is gone when it ends, and then nobody may be there to see it.
      const std::string closed = write_note({.closed = earlier.closed});
      if (written) written = ended_notes_.keep(app->manifest.id, closed);
    } else {
      written = ended_notes_.keep(app->manifest.id, write_note(earlier));
    }
    if (!written && !std::exchange(notes_fail_, true)) {
      base::log(LogLevel::kWarning, "host", "a restarted host will not know what {} is about: {}",
                app->manifest.id, base::to_string(written.error()));
    }
  }
}

void Driver::stop(std::function<void()> on_stopped) {
  if (stopping_) {
    for (auto& [id, app] : apps_) {
      if (app->process->running()) app->process->kill();
    }
    return;
  }
  stopping_ = true;
  on_stopped_ = std::move(on_stopped);
  feed([](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_host_stopping(now, out);
  });
  for (auto& [id, app] : apps_) {
    if (app->process->running()) app->process->end(options_.kill_grace);
  }
  stop_timer_->set(base::saturating_add(io::now(), options_.kill_grace + kStopMargin));
  check_stopped();
}

void Driver::check_stopped() {
  const bool all_ended = std::ranges::none_of(
      apps_, [](const auto& entry) { return entry.second->process->running(); });
  if (!stopping_ || !on_stopped_ || !all_ended) return;
  stop_timer_->set(base::kNever);
  loop_.post(std::exchange(on_stopped_, nullptr));
}

void Driver::enqueue_and_pump() {
  for (doze::Action& action : actions_) queue_.push_back(std::move(action));
  // An answer to an action is an event as well: what follows from it waits its turn.
  if (pumping_) return;
  pumping_ = true;
  while (!queue_.empty()) {
    const doze::Action action = std::move(queue_.front());
    queue_.pop_front();
    if (base::log_enabled(LogLevel::kDebug)) {
      base::log(LogLevel::kDebug, "doze", "{}", doze::to_line(action));
    }
    std::visit([this](const auto& value) { carry_out(value); }, action);
  }
  pumping_ = false;
  deadline_timer_->set(doze_.next_deadline());
}

void Driver::on_socket_event(sys::WatchKey key, sys::SocketEvent event) {
  AppRecord* app = find(doze::AppId{key.group});
  if (app == nullptr || app->tags.empty()) return;
  doze::TagId tag{key.member};
  if (key.member >= kRingMember) {
    app->ring_woke = true;
    tag = app->tags.begin()->first;
  }
  const auto tagged = app->tags.find(tag);
  const bool udp = tagged != app->tags.end() && tagged->second.udp;
  const auto kind = event == sys::SocketEvent::kData  ? doze::SocketEvent::kData
                    : event == sys::SocketEvent::kEnd ? doze::SocketEvent::kEnd
                                                      : doze::SocketEvent::kError;
  const bool pings = kind == doze::SocketEvent::kData && !udp && key.member < kRingMember &&
                     leave_pings(*watch_, *app, key);
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    if (pings) return doze.on_pings(now, app->id, tag, out);
    doze.on_socket_event(now, app->id, tag, kind, out);
  });
}

void Driver::look_for_ended_media() {
  bool lasts = false;
  for (auto& [id, app] : apps_) lasts = (app->in_media && look_for_media(*this, *app)) || lasts;
  if (lasts) media_timer_->set(base::saturating_add(io::now(), kMediaLook));
}

void Driver::on_exit(AppRecord& app, sys::ExitInfo info) {
  drop_duplicates(*watch_, app);
  if (const auto cpu = app.process->group().cpu_time()) app.cpu = *cpu;
  app.awake = app.suspended ? base::Duration::zero() : io::now() - app.awake_since;
  if (app.suspended) app.awake_cpu = app.cpu;
  app.tags.clear();
  app.tasks.clear();
  app.keep_alive_set = false;
  app.in_media = false;
  app.suspended = false;
  if (hooks_.on_waking) hooks_.on_waking(app);
  if (app.sink != nullptr) std::exchange(app.sink, nullptr)->end();
  if (app.next_manifest) {  // before it is launched again
    app.manifest = *std::exchange(app.next_manifest, std::nullopt);
    set_config(app);
  }
  const doze::ExitStatus status{info.known, info.signaled, info.code};
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_exited(now, app.id, status, out);
  });
  if (!app.process->running()) std::ignore = launched_manifests_.forget(app.manifest.id);
  if (app.on_ended) app.on_ended(info);
  // Later: its process is still in the midst of telling that it has ended.
  if (app.uninstalled) loop_.post([this, id = app.manifest.id] { uninstall(id); });
  check_stopped();
}

void Driver::tell(AppRecord& app, wire::host::Message message) {
  if (outbox_.empty()) loop_.post([this] { send_outbox(); });
  outbox_.emplace_back(app.id, std::move(message));
}

void Driver::send_outbox() {
  decltype(outbox_) messages;
  messages.swap(outbox_);
  for (auto& [id, message] : messages) {
    AppRecord* app = find(id);
    if (app != nullptr && app->sink != nullptr) app->sink->send(message);
  }
}

void Driver::deliver(AppRecord& app, wire::host::NotificationActivated activation) {
  if (app.sink != nullptr) {
    tell(app, std::move(activation));
    return;
  }
  if (app.undelivered.size() == kUndeliveredMax) app.undelivered.erase(app.undelivered.begin());
  app.undelivered.push_back(std::move(activation));
}

void Driver::disconnected(AppRecord& app) {
  app.sink = nullptr;
  if (!app.process->running()) return;
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    // Nothing is refused here but what the machine has forgotten already.
    for (const doze::TaskId task : app.tasks) std::ignore = doze.end_task(now, app.id, task, out);
    if (app.keep_alive_set) {
      std::ignore = doze.set_keep_alive(now, app.id, base::Duration::zero(), out);
    }
    doze.cancel_wakes(now, app.id, out);
    // Refused to an app that may have no session.
    if (app.manifest.audio) std::ignore = doze.on_audio_session(now, app.id, false, out);
  });
  app.tasks.clear();
  app.keep_alive_set = false;
}

void Driver::note(const AppRecord* app, std::string_view event, std::string reason,
                  std::string detail) {
  LedgerLine line;
  line.event = event;
  line.reason = std::move(reason);
  line.detail = std::move(detail);
  if (app != nullptr) {
    line.app = app->manifest.id;
    line.cpu_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(app->cpu).count());
  }
  ledger_.append(std::move(line));
}

void Driver::forget_tag(AppRecord& app, doze::TagId tag) {
  watch_->remove({app.id.value, tag.value});
  app.tags.erase(tag);
}

}  // namespace wakeline::host
