// SPDX-License-Identifier: Apache-2.0
#include "sim/machine.h"

#include <algorithm>

#include "base/check.h"
#include "core/link/memory.h"
#include "sim/server.h"

// The host of one device, its processes, and what they say to each other.
namespace wakeline::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// One way of a message between host and app, and the time of a system call.
constexpr Duration kMessageMin = microseconds(10);
constexpr Duration kMessageMax = milliseconds(2);
/// A launch up to main.
constexpr Duration kLaunchMin = milliseconds(20);
constexpr Duration kLaunchMax = milliseconds(400);
/// One step of a file's replacement.
constexpr Duration kWriteMin = microseconds(100);
constexpr Duration kWriteMax = milliseconds(10);
/// The guardian lets the apps of a dead host run.
constexpr Duration kGuardian = milliseconds(20);
constexpr int kSegmentationFault = 11;

}  // namespace

Machine::Machine(Parts parts, Names names, const DevicePlace& place, const Places& places)
    : kernel_(parts.kernel),
      network_(parts.network),
      observer_(parts.observer),
      judge_(parts.judge),
      bug_(parts.bug),
      names_(names),
      model_(*place.model),
      machine_(place.index),
      random_(parts.kernel.random_of("machine", place.index)),
      name_(fmt::format("host{}", place.index)),
      profile_(*doze::profile_of_name(place.model->profile)),
      doze_(profile_) {
  for (const std::size_t app : place.apps) {
    Slot& s = slots_[app];
    s.app = app;
    s.model = places.apps[app].model;
    s.file = Disk(link::encode(link::Memory{}));
    s.story.name = s.model->count > 1 ? fmt::format("{} {}", s.model->name, app) : s.model->name;
  }
  story_.name = model_.count > 1 ? fmt::format("{} {}", model_.name, machine_) : model_.name;
  network_.on_packet(machine_, [this] {
    if (!powered_ || !model_.sleep.wakes_on_packet) return false;
    if (asleep_) wake_up("packet");
    return true;
  });
}

void Machine::boot() { start_host(); }

// --- the host

void Machine::start_host() {
  host_up_ = true;
  ++host_run_;
  doze_ = doze::Doze(profile_);
  armed_ = base::kNever;
  alarm_ = {base::kNever, base::kNever};
  for (auto& [app, s] : slots_) {
    const auto id = doze_.add_app({.name = app_name(app), .voip = true});
    WL_CHECK(id);
    s.id = *id;
  }
  for (auto& [app, s] : slots_) {
    if (!s.process || s.process->dead()) continue;
    s.allowance.begin_run();
    s.allowance.grant(kernel_.now(), profile_.launch_window);
    event("adopted", [&](doze::Actions& out) { doze_.on_adopted(here(), s.id, out); });
    kernel_.after(random_.between(kMessageMin, milliseconds(300)),
                  [this, &s, process = s.process, run = host_run_] {
                    if (run != host_run_ || s.process != process) return;
                    s.connected = true;
                    process->on_host_back();
                  });
  }
  event("boot", [&](doze::Actions& out) { doze_.on_boot(here(), out); });
}

/// What the daemon knew is gone.
void Machine::stop_host() {
  host_up_ = false;
  ++host_run_;
  busy_ = 0;
  for (auto& [app, s] : slots_) {
    s.tags.clear();
    s.watched.clear();
    s.foreground = false;
    s.delayed = s.connected = false;
    s.allowance.begin_run();
    s.allowance.set_foreground(true);  // nobody suspends it, so nothing is overstayed
  }
}

void Machine::restart_host(Duration down) {
  if (!host_up_) return;
  wake_up("host_restart");
  if (kernel_.tracing()) kernel_.trace(name_, "the host dies");
  stop_host();
  for (auto& [app, s] : slots_)
    kernel_.after(kGuardian, [this, &s, run = host_run_] {
      if (host_run_ == run && s.process && !s.process->dead() && s.process->frozen()) thaw(s);
    });
  kernel_.after(std::max(down, 2 * kGuardian), [this, run = host_run_] {
    if (host_run_ == run) start_host();
  });
}

void Machine::restart(Duration down) {
  if (!powered_) return;
  if (kernel_.tracing()) kernel_.trace(name_, "the power goes");
  powered_ = asleep_ = waking_ = false;
  stop_host();
  network_.drop_all(machine_);
  network_.set_asleep(machine_, false);
  for (auto& [app, s] : slots_) {
    if (s.process) s.process->die();
    s.unread_since = base::kNever;
    s.file.lose_power(random_);
    show(s);
  }
  story_.system.enter(kernel_.now(), static_cast<std::uint8_t>(SystemLane::kOff));
  kernel_.after(down, [this] {
    powered_ = true;
    booted_at_ = kernel_.now();
    host_hears_ = {};
    story_.system.enter(kernel_.now(), static_cast<std::uint8_t>(SystemLane::kRunning));
    start_host();
  });
}

void Machine::event(const char* name, const Happens& happens) {
  ++rest_;
  doze::Actions out;
  happens(out);
  kernel_.mix(out.size());
  if (kernel_.tracing()) kernel_.trace(name_, name);
  for (const doze::Action& action : out) {
    kernel_.mix(action.index());
    if (kernel_.tracing()) kernel_.trace(name_, "  " + to_line(action));
    carry_out(action);
  }
  arm();
  for (auto& [app, s] : slots_) check(s);
  consider_sleep();
}

void Machine::host_later(const char* name, Happens happens) {
  if (!host_up_) return;  // nobody listens
  // In the order in which they were sent.
  host_hears_ = std::max(host_hears_, kernel_.now() + random_.between(kMessageMin, kMessageMax));
  kernel_.at(host_hears_, [this, name, run = host_run_, happens = std::move(happens)] {
    if (run == host_run_) event(name, happens);
  });
}

void Machine::app_says(std::size_t app, const char* name, Happens happens) {
  if (slot(app).connected) host_later(name, std::move(happens));
}

void Machine::arm() {
  const Instant deadline = doze_.next_deadline();
  if (deadline == armed_) return;
  armed_ = deadline;
  if (deadline == base::kNever) return;
  const Duration late = bug_ == Bug::kRunsLate ? Duration(minutes(5)) : Duration::zero();
  kernel_.at(deadline + booted_at_.time_since_epoch() + late, [this, deadline, run = host_run_] {
    if (run != host_run_ || armed_ != deadline) return;
    armed_ = base::kNever;
    if (asleep_) return;  // fires when it is awake again
    event("deadline", [&](doze::Actions& out) { doze_.on_deadline(here(), out); });
  });
}

Machine::Slot& Machine::slot_of(doze::AppId id) {
  for (auto& [app, s] : slots_)
    if (s.id == id) return s;
  WL_CHECK_MSG(false, "app={}", id.value);
  return slots_.begin()->second;
}

void Machine::carry_out(const doze::Action& action) {
  const Instant now = kernel_.now();
  if (const auto* a = std::get_if<doze::Launch>(&action)) {
    ++busy_;
    kernel_.after(random_.between(kLaunchMin, kLaunchMax), [this, id = a->app, run = host_run_] {
      if (run != host_run_) return;
      --busy_;
      launch(slot_of(id));
    });
  } else if (const auto* sample = std::get_if<doze::Sample>(&action)) {
    const ProcessPtr process = slot_of(sample->app).process;
    host_later("sample", [this, id = sample->app, process](doze::Actions& out) {
      Slot& s = slot_of(id);
      if (s.process == process && process) doze_.on_sample(here(), id, read(s), out);
    });
  } else if (const auto* freeze = std::get_if<doze::Suspend>(&action)) {
    suspend(slot_of(freeze->app));
  } else if (const auto* watch = std::get_if<doze::Watch>(&action)) {
    Slot& s = slot_of(watch->app);
    if (!s.tags.contains(watch->tag)) return;
    s.watched[watch->tag] = {watch->mode, watch->bytes};
    look(s, watch->tag);
  } else if (const auto* unwatch = std::get_if<doze::Unwatch>(&action)) {
    if (bug_ != Bug::kForgetsUnwatch) slot_of(unwatch->app).watched.clear();
  } else if (const auto* wake = std::get_if<doze::Resume>(&action)) {
    resume(slot_of(wake->app), *wake);
  } else if (const auto* keep_alive = std::get_if<doze::RunKeepAlive>(&action)) {
    Slot& s = slot_of(keep_alive->app);
    if (s.allowance.keep_alive_is_late(now))
      judge_.violation(fmt::format("C15: the keep-alive of {} is late", app_name(s.app)));
    s.allowance.run_keep_alive(now, keep_alive->budget);
    kernel_.after(kMessageMax, [process = s.process] { process->on_keep_alive(); });
  } else if (const auto* expire = std::get_if<doze::ExpireTask>(&action)) {
    kernel_.after(kMessageMax, [process = slot_of(expire->app).process, task = expire->task] {
      process->on_expire_task(task);
    });
  } else if (const auto* state = std::get_if<doze::TellState>(&action)) {
    Slot& s = slot_of(state->app);
    const bool foreground = state->state == doze::AppState::kForeground;
    s.allowance.set_foreground(foreground);
    s.allowance.grant(now, profile_.wake_window);
    show(s);
    kernel_.after(kMessageMax,
                  [process = s.process, foreground] { process->on_foreground(foreground); });
  } else if (const auto* kill = std::get_if<doze::Kill>(&action)) {
    Slot& s = slot_of(kill->app);
    // The profile may want it (C13); nothing else may.
    if (kill->reason != doze::KillReason::kWakeLimit)
      judge_.violation(fmt::format("{} killed: {}", app_name(s.app), doze::name(kill->reason)));
    die(s, {.signaled = true, .code = 9});
  } else if (const auto* line = std::get_if<doze::Ledger>(&action)) {
    if (line->event == doze::LedgerEvent::kWakeDelayed) slot_of(line->app).delayed = true;
    if (line->event == doze::LedgerEvent::kWake) ++slot_of(line->app).story.wakes[line->reason];
  } else if (const auto* alarm = std::get_if<doze::SetAlarm>(&action)) {
    alarm_ = *alarm;
    set_system_alarm();
  }
}

// --- processes

void Machine::launch(Slot& s) {
  auto memory = link::decode_memory(s.file.text());
  if (!memory) {
    judge_.violation(fmt::format("the memory of {} is torn", app_name(s.app)));
    memory = link::Memory{};
  }
  observer_.remembered(s.app, *memory);
  const Process::Parts parts{kernel_, network_, *this, observer_, bug_};
  s.process = std::make_shared<Process>(
      parts, names_, *s.model, Process::Place{machine_, s.app, ++s.runs}, std::move(*memory));
  s.connected = true;
  s.allowance.begin_run();
  s.allowance.grant(kernel_.now(), profile_.launch_window);
  event("launched", [&](doze::Actions& out) { doze_.on_launched(here(), s.id, out); });
  // The user opened it: it is told so by its launch reason, and by no message.
  s.allowance.set_foreground(doze_.state(s.id) == doze::AppState::kForeground);
  show(s);
  s.process->start();
  if (s.runs <= s.model->crashes)
    kernel_.after(s.model->crashes_after, [this, &s, process = s.process] {
      if (s.process == process) crash(s.app);
    });
}

void Machine::die(Slot& s, doze::ExitStatus status) {
  if (!s.process || s.process->dead()) return;
  s.process->die();
  s.tags.clear();
  s.watched.clear();
  s.unread_since = base::kNever;
  s.delayed = false;
  s.allowance.begin_run();
  show(s);
  host_later("exited", [this, id = s.id, status](doze::Actions& out) {
    doze_.on_exited(here(), id, status, out);
  });
}

void Machine::crash(std::size_t app) {
  if (!powered_) return;
  wake_up("crash");
  die(slot(app), {.signaled = true, .code = kSegmentationFault});
}

void Machine::exited(const ProcessPtr& process) {
  Slot& s = slot(process->place().app);
  if (s.process == process) die(s, {});
}

void Machine::set_foreground(std::size_t app, bool foreground) {
  if (!host_up_) return;
  wake_up("user");
  slot(app).foreground = foreground;
  event(foreground ? "foreground" : "background", [&](doze::Actions& out) {
    if (foreground)
      doze_.on_foreground(here(), slot(app).id, out);
    else
      doze_.on_background(here(), slot(app).id, out);
  });
}

void Machine::network_changed() {
  if (!powered_) return;
  // The network's hardware wakes the machine for its own changes only where it does for packets.
  if (asleep_ && !model_.sleep.wakes_on_packet) return;
  wake_up("network");
  for (auto& [app, s] : slots_) s.allowance.grant(kernel_.now(), profile_.wake_window);
  if (host_up_)
    event("network", [&](doze::Actions& out) { doze_.on_network_changed(here(), out); });
  const int times = bug_ == Bug::kFloods ? 300 : 1;
  for (auto& [app, s] : slots_)
    for (int i = 0; i < times && s.process && !s.process->dead(); ++i)
      if (!s.process->frozen() || bug_ == Bug::kFloods) s.process->on_network();
}

// --- messages of the processes

void Machine::tag_socket(const ProcessPtr& process, link::AttemptId attempt) {
  app_says(process->place().app, "tag", [this, process, attempt](doze::Actions& out) {
    Slot& s = slot(process->place().app);
    if (s.process != process || process->dead()) return;
    const auto socket = process->sockets().find(attempt);
    if (socket == process->sockets().end() || socket->second.closed) {
      doze_.on_tag_refused(here(), s.id, base::ErrorCode::kNotConnected, out);
      return process->on_tagged(attempt, std::nullopt);
    }
    // Known before the actions are carried out: the app may be frozen, and the tag watched at once.
    const doze::TagId expected = doze_.tag(here(), s.id, out).value_or(doze::TagId{});
    if (expected) s.tags.emplace(expected, socket->second.connection);
    process->on_tagged(attempt, expected ? std::optional(expected) : std::nullopt);
  });
}

void Machine::untag_socket(std::size_t app, doze::TagId tag) {
  app_says(app, "untag", [this, app, tag](doze::Actions& out) {
    Slot& s = slot(app);
    s.tags.erase(tag);
    // Of a run that is over there is nothing to untag.
    if (doze_.has_tag(s.id, tag)) WL_CHECK(doze_.untag(here(), s.id, tag, out));
  });
}

void Machine::begin_task(const ProcessPtr& process) {
  app_says(process->place().app, "begin_task", [this, process](doze::Actions& out) {
    Slot& s = slot(process->place().app);
    if (s.process != process || process->dead()) return;
    const auto task = doze_.begin_task(here(), s.id, out);
    if (task) s.allowance.begin_task(*task);
    process->on_task_begun(task ? std::optional(*task) : std::nullopt);
  });
}

void Machine::end_task(std::size_t app, doze::TaskId task) {
  app_says(app, "end_task", [this, app, task](doze::Actions& out) {
    slot(app).allowance.end_task(task, kernel_.now());
    // Not there when its run is over.
    (void)doze_.end_task(here(), slot(app).id, task, out);
  });
}

void Machine::set_keep_alive(std::size_t app, Duration timeout) {
  app_says(app, "set_keep_alive", [this, app, timeout](doze::Actions& out) {
    // Refused when its run is over.
    if (doze_.set_keep_alive(here(), slot(app).id, timeout, out))
      slot(app).allowance.set_keep_alive(kernel_.now(), timeout);
  });
}

void Machine::keep_alive_done(std::size_t app) {
  app_says(app, "keep_alive_done", [this, app](doze::Actions& out) {
    slot(app).allowance.grant(kernel_.now(), Duration::zero());
    doze_.on_keep_alive_done(here(), slot(app).id, out);
  });
}

/// The steps of io/file.h, one after the other, as long as the process lives.
void Machine::write_file(std::size_t app, std::string text, std::function<void()> on_written) {
  if (bug_ == Bug::kForgetsAcceptance) {
    kernel_.after(random_.between(kWriteMin, kWriteMax), std::move(on_written));
    return;
  }
  Duration at{};
  for (int step = 0; step < 4; ++step) {
    at += random_.between(kWriteMin, kWriteMax);
    kernel_.after(at, [this, app, step, text, process = slot(app).process, on_written] {
      Slot& s = slot(app);
      if (s.process != process || process->dead()) return;
      if (step == 0) s.file.write(text);
      if (step == 1 && bug_ != Bug::kSkipsSync) s.file.sync();
      if (step == 2) s.file.rename();
      if (step == 3) {
        s.file.sync_folder();
        on_written();
      }
    });
  }
}

// --- for the world

std::uint64_t Machine::launches() const {
  std::uint64_t sum = 0;
  for (const auto& [app, s] : slots_) sum += s.runs;
  return sum;
}

bool Machine::ready(std::size_t app) const {
  const ProcessPtr& p = slots_.at(app).process;
  return p && !p->dead() && p->link().state() == link::State::kReady;
}

bool Machine::suspended(std::size_t app) const {
  const ProcessPtr& p = slots_.at(app).process;
  return p && p->frozen() && doze_.state(slots_.at(app).id) == doze::AppState::kSuspended;
}

ConnectionPtr Machine::live(std::size_t app) const {
  const ProcessPtr& p = slots_.at(app).process;
  if (!p || p->dead()) return nullptr;
  const auto socket = p->sockets().find(p->link().live());
  return socket == p->sockets().end() ? nullptr : socket->second.connection;
}

std::string Machine::describe(std::size_t app) const {
  const Slot& s = slots_.at(app);
  return fmt::format("{}: run {}, host says {}, link {}{}", app_name(app), s.runs,
                     wire::host::name(doze_.state(s.id)),
                     s.process ? link::name(s.process->link().state()) : "none",
                     s.unread_since != base::kNever ? ", unread bytes" : "");
}

void Machine::look_at_line(std::size_t app, bool server_knows) {
  const ConnectionPtr line = live(app);
  const bool reachable = server_knows && line && network_.carries(*line);
  slots_.at(app).story.line.enter(
      kernel_.now(), static_cast<std::uint8_t>(reachable ? LineLane::kLive : LineLane::kDark));
}

DeviceStory Machine::take_story() {
  story_.radio = network_.radio_spans(machine_);
  story_.system.close(kernel_.now());
  for (auto& [app, s] : slots_) {
    s.story.life.close(kernel_.now());
    s.story.line.close(kernel_.now());
    story_.apps.push_back(std::move(s.story));
  }
  const Radio& radio = network_.radio(machine_);
  story_.radio_active = radio.active();
  story_.radio_promotions = radio.promotions();
  story_.energy_uj = radio.energy_uj();
  return std::move(story_);
}

}  // namespace wakeline::sim
