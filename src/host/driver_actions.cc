// SPDX-License-Identifier: Apache-2.0
// How each action of the policy machine is carried out.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "host/adoption.h"
#include "host/app_sockets.h"
#include "host/driver.h"
#include "host/media.h"

namespace wakeline::host {
namespace {

using base::LogLevel;
using doze::LedgerEvent;

void set_note(AppRecord& app, LedgerEvent event, std::string text) {
  app.note_event = event;
  app.note = std::move(text);
}

std::uint32_t to_ms(base::Duration span) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
}

/// Those that an app causes by a message as often as it likes.
bool is_of_request(LedgerEvent event) {
  switch (event) {
    case LedgerEvent::kTag:
    case LedgerEvent::kUntag:
    case LedgerEvent::kRefuse:
    case LedgerEvent::kTaskBegin:
    case LedgerEvent::kTaskEnd:
    case LedgerEvent::kKeepAlive:
    case LedgerEvent::kAudio:
    case LedgerEvent::kWakeRequest:
      return true;
    default:
      return false;
  }
}

/// After which of them the next host must be told something else about the app: that it runs, that
/// it is in the foreground or not, or when it has to be woken.
bool changes_note(LedgerEvent event) {
  return event == LedgerEvent::kLaunch || event == LedgerEvent::kExit ||
         event == LedgerEvent::kClosed || event == LedgerEvent::kForeground ||
         event == LedgerEvent::kBackground || event == LedgerEvent::kKeepAlive ||
         event == LedgerEvent::kWakeRequest;
}
/// Or one of its counts has changed.
bool changes_counts(LedgerEvent event) {
  return event == LedgerEvent::kWake || event == LedgerEvent::kWakeDelayed ||
         event == LedgerEvent::kSuspend;
}

/// Never negative: a clock of the kernel may be read a moment too late.
std::uint64_t to_us(base::Duration span) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(span).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0));
}

}  // namespace

void Driver::carry_out(const doze::Launch& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr) return;
  app->launch_reason = action.reason;
  app->cpu = {};
  app->given_back = {};
  // Closed when this launch has them.
  const auto streams = std::exchange(app->streams, nullptr);
  const doze::App* state = doze_.find(app->id);
  const bool foreground = state != nullptr && state->run.foreground;
  const auto launched = app->process->launch(app->manifest, options_.launch,
                                             {action.reason, foreground, streams.get()});
  app->launch_error = launched ? base::Error{} : launched.error();
  if (launched) {
    set_note(*app, LedgerEvent::kLaunch, "pid " + std::to_string(app->process->pid()));
    feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_launched(now, app->id, out);
    });
    begin_run(*app);
    return;
  }
  set_note(*app, LedgerEvent::kExit,
           app->manifest.command.front() + ": " + base::to_string(launched.error()));
  base::log(LogLevel::kError, "host", "{}: {}", app->manifest.id, app->note);
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_launch_failed(now, app->id, out);
  });
}

/// For a host that finds the app running and its manifest with a fault.
void Driver::keep_manifest(const AppRecord& app) {
  if (app.manifest_file.empty()) return;  // `Runs` keeps that of its own
  if (auto kept = launched_manifests_.keep(app.manifest, app.manifest_file); !kept) {
    base::log(LogLevel::kWarning, "host", "{}: a restarted host will need its manifest: {}",
              app.manifest.id, base::to_string(kept.error()));
  }
}

/// What the manifest of a program that speaks no protocol asks for in its stead; and a copy of it.
void Driver::begin_run(AppRecord& app) {
  keep_manifest(app);
  app.postponements = 0;
  app.line_awaited = false;
  app.denial_told = false;
  app.awake_since = io::now();
  app.line_due = base::saturating_add(app.awake_since, options_.profile.launch_window);
  app.awake_cpu = app.cpu;
  if (app.manifest.keep_alive > base::Duration::zero()) set_keep_alive_of_manifest(app);
}

void Driver::set_keep_alive_of_manifest(AppRecord& app) {
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    const auto set = doze.set_keep_alive(now, app.id, app.manifest.keep_alive, out);
    if (set) return;
    base::log(LogLevel::kWarning, "host", "{}: keep-alive of {} s: {}", app.manifest.id,
              app.manifest.keep_alive / std::chrono::seconds(1), base::to_string(set.error()));
  });
}

base::Result<AppReading> Driver::look_at(AppRecord& app, base::Instant now) {
  auto read = read_cpu(app);
  if (!read) return read;
  const doze::LookNeeds needs = doze_.look_needs(now, app.id, read->reading.cpu);
  if (needs.sockets) {
    if (const auto sockets = read_sockets(app, false, *read); !sockets) {
      return base::fail(sockets.error());
    }
  }
  bool& busy = read->reading.busy;
  busy = busy || needs.busy || (needs.threads && app.process->group().busy());
  return read;
}

void Driver::carry_out(const doze::Sample& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr || !app->process->running()) return;
  const base::Instant start = io::now();
  auto read = look_at(*app, start);
  if (!read) {
    // Not fatal for the app: it stays awake, and the next sample tries again.
    base::log(LogLevel::kWarning, "host", "{}: cannot be read: {}", app->manifest.id,
              base::to_string(read.error()));
    read = AppReading{};
    read->reading.cpu = app->cpu;
    read->reading.busy = true;  // as far as is known
  }
  for (const doze::TagId tag : read->gone) app->tags.erase(tag);
  read->reading.took = io::now() - start;
  // As of the moment for which it was asked what to read: a later one might be a last look.
  feed([&](doze::Doze& doze, base::Instant, doze::Actions& out) {
    for (const doze::TagId tag : read->gone) doze.on_tag_gone(start, app->id, tag, out);
    doze.on_sample(start, app->id, read->reading, out);
  });
}

void Driver::carry_out(const doze::Suspend& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr || !app->process->running()) return;
  const base::Instant start = io::now();
  const auto fail = [&](const base::Error& error) {
    set_note(*app, LedgerEvent::kSuspendFailed, base::to_string(error));
    base::log(LogLevel::kWarning, "host", "{}: not suspended: {}", app->manifest.id, app->note);
    feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_suspend_failed(now, app->id, error, out);
    });
  };
  const auto frozen = app->process->group().freeze();
  if (!frozen) return fail(frozen.error());
  app->suspended = true;
  app->latency = io::now() - start;
  app->awake = start - app->awake_since;
  if (*frozen == sys::FreezeOutcome::kIncomplete) {
    set_note(*app, LedgerEvent::kSuspend, "a task in device I/O is still on its way");
  }
  const auto adopted = adopt_sockets(*this, *app);
  if (!adopted || !*adopted) {
    thaw(*app);
    return fail(adopted ? base::Error{base::ErrorCode::kBusy, "its connection is not there yet", 0}
                        : adopted.error());
  }
  auto read = read_cpu(*app);
  const auto sockets = read ? read_sockets(*app, true, *read) : base::fail(read.error());
  if (!sockets) {
    drop_duplicates(*watch_, *app);
    thaw(*app);
    return fail(sockets.error());
  }
  for (const doze::TagId tag : read->gone) app->tags.erase(tag);
  // With its media it is resumed at once; the look after the freeze misses no call.
  if (look_for_media(*this, *app)) {
    media_timer_->set(base::saturating_add(io::now(), kMediaLook));
  }
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    for (const doze::TagId tag : read->gone) doze.on_tag_gone(now, app->id, tag, out);
    doze.on_suspended(now, app->id, read->reading, out);
  });
  if (hooks_.on_asleep && doze_.state(app->id) == doze::AppState::kSuspended) {
    hooks_.on_asleep(*app);
  }
}

void Driver::carry_out(const doze::Watch& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr || !app->suspended) return;
  const auto watched = watch_tag(*watch_, *app, action);
  if (watched) return;
  // Asleep and unwatched it would never wake. It learns of its trouble awake, as of any error.
  base::log(LogLevel::kError, "host", "{}: tag {} cannot be watched: {}", app->manifest.id,
            action.tag.value, base::to_string(watched.error()));
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_socket_event(now, app->id, action.tag, doze::SocketEvent::kError, out);
  });
}

void Driver::carry_out(const doze::Unwatch& action) {
  if (AppRecord* app = find(action.app)) drop_duplicates(*watch_, *app);
}

void Driver::carry_out(const doze::Resume& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr) return;
  // The machine asks for Unwatch where it asked for Watch; a duplicate that was only read goes
  // here.
  for (auto& [id, tag] : app->tags) tag.duplicate.reset();
  if (hooks_.on_waking) hooks_.on_waking(*app);
  thaw(*app);
  app->latency = io::now() - event_seen_;
  if (action.cause == wire::host::WakeCause::kNone) return;
  ++app->wakes;  // its CPU time is still that of the reading after the freeze
  app->awake_since = io::now();
  app->awake_cpu = app->cpu;
  const auto tag = app->tags.find(action.tag);
  app->woken_by = tag == app->tags.end() ? sys::SocketEnd{} : tag->second.remote;
  tell(*app, wire::host::Woken{action.cause, action.tag.value, to_ms(action.window)});
  if (app->network_untold || app->call_untold) tell_surroundings(*app);
}

/// An app that cannot be thawed is killed: the next launch starts it anew, asleep for ever it would
/// be lost.
void Driver::thaw(AppRecord& app) {
  app.suspended = false;
  const auto thawed = app.process->group().thaw();
  if (thawed) return;
  base::log(LogLevel::kError, "host", "{}: cannot be resumed and is killed: {}", app.manifest.id,
            base::to_string(thawed.error()));
  app.process->kill();
}

void Driver::carry_out(const doze::RunKeepAlive& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr) return;
  if (app->sink == nullptr) {
    // Nobody would say that it is done: the window is what such a program gets, and it lasts until
    // the program is quiet.
    feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_keep_alive_done(now, app->id, out);
    });
    return;
  }
  tell(*app, wire::host::RunKeepAlive{to_ms(action.budget)});
}

void Driver::carry_out(const doze::ExpireTask& action) {
  if (AppRecord* app = find(action.app)) {
    tell(*app, wire::host::ExpireTask{action.task.value, to_ms(action.left)});
  }
}

void Driver::carry_out(const doze::RunWake& action) {
  if (AppRecord* app = find(action.app)) tell(*app, wire::host::WakeDue{action.wake.value});
}

void Driver::carry_out(const doze::Reclaim& action) {
  AppRecord* app = find(action.app);
  if (app != nullptr && app->suspended && hooks_.on_reclaim) hooks_.on_reclaim(*app);
}

void Driver::carry_out(const doze::SleepReady& /*action*/) {
  if (on_sleep_ready_) std::exchange(on_sleep_ready_, nullptr)();
}

void Driver::carry_out(const doze::TellState& action) {
  if (AppRecord* app = find(action.app)) tell(*app, wire::host::StateChanged{action.state});
}

void Driver::carry_out(const doze::Kill& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr || !app->process->running()) return;
  drop_duplicates(*watch_, *app);
  if (hooks_.on_waking) hooks_.on_waking(*app);
  if (!action.politely) {
    app->process->kill();
    return;
  }
  if (app->suspended) thaw(*app);  // a handler for SIGTERM must run
  app->process->end(options_.kill_grace);
}

void Driver::carry_out(const doze::SetAlarm& action) { alarm_timer_->set(action.latest); }

void Driver::carry_out(const doze::Ledger& action) {
  AppRecord* app = find(action.app);
  if (app == nullptr) return;
  if (changes_counts(action.event)) to_note_.push_back(app->id);  // with the line's own commit
  if (changes_note(action.event)) note_soon(*app);
  if (is_of_request(action.event) && app->lines.take(io::now(), kRequestLineInterval,
                                                     kRequestLinesBurst) > base::Duration::zero()) {
    ++app->lines_left_out;
    return;
  }
  if (app->lines_left_out > 0) {
    note(app, "left_out", "too_many",
         std::to_string(std::exchange(app->lines_left_out, 0)) + " lines about its requests");
  }
  LedgerLine line;
  line.app = app->manifest.id;
  line.event = doze::name(action.event);
  line.reason = action.reason;
  if (app->note_event == action.event) {
    line.detail = std::exchange(app->note, {});
    app->note_event = LedgerEvent::kCount;
  } else if (action.value != 0) {
    line.detail = std::to_string(action.value);
  }
  if (action.event == LedgerEvent::kSuspend || action.event == LedgerEvent::kWake) {
    line.latency_ns = app->latency.count();
  }
  if (action.event == LedgerEvent::kWake) line.socket = sys::to_string(app->woken_by);
  if (action.event == LedgerEvent::kSuspend || action.event == LedgerEvent::kExit) {
    line.awake_us = to_us(app->awake);
    line.used_us = to_us(app->cpu - app->awake_cpu);
  }
  line.cpu_us = to_us(app->cpu);
  ledger_.append(std::move(line));
}

}  // namespace wakeline::host
