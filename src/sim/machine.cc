// SPDX-License-Identifier: Apache-2.0
#include "sim/machine.h"

#include <algorithm>

#include "base/check.h"
#include "core/link/memory.h"
#include "sim/server.h"

namespace wakeline::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// One way of a message between host and app, and the time of a system call.
constexpr Duration kMessageMin = microseconds(10);
constexpr Duration kMessageMax = milliseconds(2);
/// A freeze, and a launch up to main.
constexpr Duration kFreezeMax = milliseconds(5);
constexpr Duration kLaunchMin = milliseconds(20);
constexpr Duration kLaunchMax = milliseconds(400);
/// A file written by rename, with its fsync.
constexpr Duration kWriteMin = microseconds(300);
constexpr Duration kWriteMax = milliseconds(30);
/// A watch that reports so often for one suspension spins.
constexpr int kEventsOfOneWatchMax = 20;

}  // namespace

Machine::Machine(Kernel& kernel, Network& network, Observer& observer, Judge& judge, Names names,
                 std::size_t machine, std::vector<std::size_t> apps)
    : kernel_(kernel),
      network_(network),
      observer_(observer),
      judge_(judge),
      names_(names),
      machine_(machine),
      name_(fmt::format("host{}", machine)),
      doze_(doze::Profile::linux_default()) {
  for (const std::size_t app : apps) {
    const auto id = doze_.add_app({.name = app_name(app), .voip = true});
    WL_CHECK(id);
    Slot& s = slots_[app];
    s.id = *id;
    s.file = link::encode(link::Memory{});
  }
}

void Machine::boot() {
  event("boot", [&](doze::Actions& out) { doze_.on_boot(kernel_.now(), out); });
}

// --- the host

template <class Event>
void Machine::event(const char* name, Event event) {
  doze::Actions out;
  event(out);
  kernel_.mix(out.size());
  if (kernel_.tracing()) kernel_.trace(name_, name);
  for (const doze::Action& action : out) {
    kernel_.mix(action.index());
    if (kernel_.tracing()) kernel_.trace(name_, "  " + to_line(action));
    carry_out(action);
  }
  arm();
}

template <class Event>
void Machine::host_later(const char* name, Event happens) {
  // In the order in which they were sent.
  host_hears_ = std::max(host_hears_, kernel_.now() + kernel_.between(kMessageMin, kMessageMax));
  kernel_.at(host_hears_, [this, name, happens = std::move(happens)] { event(name, happens); });
}

void Machine::arm() {
  const Instant deadline = doze_.next_deadline();
  if (deadline == armed_) return;
  armed_ = deadline;
  if (deadline == base::kNever) return;
  kernel_.at(deadline, [this, deadline] {
    if (armed_ != deadline) return;
    armed_ = base::kNever;
    event("deadline", [&](doze::Actions& out) { doze_.on_deadline(kernel_.now(), out); });
  });
}

Machine::Slot& Machine::slot_of(doze::AppId id) {
  for (auto& [app, s] : slots_)
    if (s.id == id) return s;
  WL_CHECK_MSG(false, "app={}", id.value);
  return slots_.begin()->second;
}

void Machine::carry_out(const doze::Action& action) {
  if (const auto* a = std::get_if<doze::Launch>(&action)) {
    kernel_.after(kernel_.between(kLaunchMin, kLaunchMax), [this, id = a->app] {
      for (auto& [app, s] : slots_)
        if (s.id == id) launch(s, app);
    });
  } else if (const auto* sample = std::get_if<doze::Sample>(&action)) {
    const ProcessPtr process = slot_of(sample->app).process;
    host_later("sample", [this, id = sample->app, process](doze::Actions& out) {
      Slot& s = slot_of(id);
      if (s.process == process && process) doze_.on_sample(kernel_.now(), id, read(s), out);
    });
  } else if (const auto* freeze = std::get_if<doze::Suspend>(&action)) {
    suspend(slot_of(freeze->app));
  } else if (const auto* watch = std::get_if<doze::Watch>(&action)) {
    Slot& s = slot_of(watch->app);
    if (!s.tags.contains(watch->tag)) return;
    s.watched[watch->tag] = {watch->mode, watch->bytes};
    look(s, watch->tag);
  } else if (const auto* unwatch = std::get_if<doze::Unwatch>(&action)) {
    slot_of(unwatch->app).watched.clear();
  } else if (const auto* wake = std::get_if<doze::Resume>(&action)) {
    resume(slot_of(wake->app), *wake);
  } else if (const auto* keep_alive = std::get_if<doze::RunKeepAlive>(&action)) {
    kernel_.after(kMessageMax,
                  [process = slot_of(keep_alive->app).process] { process->on_keep_alive(); });
  } else if (const auto* expire = std::get_if<doze::ExpireTask>(&action)) {
    kernel_.after(kMessageMax, [process = slot_of(expire->app).process, task = expire->task] {
      process->on_expire_task(task);
    });
  } else if (const auto* state = std::get_if<doze::TellState>(&action)) {
    kernel_.after(kMessageMax, [process = slot_of(state->app).process,
                                foreground = state->state == doze::AppState::kForeground] {
      process->on_foreground(foreground);
    });
  } else if (const auto* kill = std::get_if<doze::Kill>(&action)) {
    Slot& s = slot_of(kill->app);
    judge_.violation(
        fmt::format("{} killed: {}", doze_.find(kill->app)->config.name, doze::name(kill->reason)));
    die(s, {.signaled = true, .code = 9});
  } else if (const auto* line = std::get_if<doze::Ledger>(&action)) {
    if (line->event == doze::LedgerEvent::kWakeDelayed) slot_of(line->app).delayed = true;
  }
}

// --- processes

void Machine::launch(Slot& s, std::size_t app) {
  auto memory = link::decode_memory(s.file);
  WL_CHECK(memory);
  s.process =
      std::make_shared<Process>(kernel_, network_, *this, observer_, names_,
                                Process::Place{machine_, app, ++s.runs}, std::move(*memory));
  event("launched", [&](doze::Actions& out) { doze_.on_launched(kernel_.now(), s.id, out); });
  s.process->start();
}

void Machine::die(Slot& s, doze::ExitStatus status) {
  if (!s.process || s.process->dead()) return;
  s.process->die();
  s.tags.clear();
  s.watched.clear();
  s.unread_since = base::kNever;
  s.delayed = false;
  host_later("exited", [this, id = s.id, status](doze::Actions& out) {
    doze_.on_exited(kernel_.now(), id, status, out);
  });
}

void Machine::crash(std::size_t app) { die(slot(app), {.signaled = true, .code = 11}); }

void Machine::exited(const ProcessPtr& process) {
  Slot& s = slot(process->place().app);
  if (s.process == process) die(s, {});
}

void Machine::set_foreground(std::size_t app, bool foreground) {
  event(foreground ? "foreground" : "background", [&](doze::Actions& out) {
    if (foreground)
      doze_.on_foreground(kernel_.now(), slot(app).id, out);
    else
      doze_.on_background(kernel_.now(), slot(app).id, out);
  });
}

void Machine::network_changed() {
  event("network", [&](doze::Actions& out) { doze_.on_network_changed(kernel_.now(), out); });
  for (auto& [app, s] : slots_)
    if (s.process && !s.process->dead() && !s.process->frozen()) s.process->on_network();
}

// --- sleeping and waking

doze::Reading Machine::read(Slot& s) {
  doze::Reading reading{.tags = {}, .cpu = s.process->cpu()};
  for (const auto& [tag, connection] : s.tags) {
    const End& end = connection->client;
    if (end.closed) continue;
    reading.tags.push_back({.tag = tag,
                            .bytes = end.received,
                            .unread = static_cast<std::uint32_t>(end.unread.size()),
                            .ended = end.ended});
  }
  return reading;
}

void Machine::suspend(Slot& s) {
  kernel_.after(kernel_.between(kMessageMin, kFreezeMax), [this, &s, process = s.process] {
    if (s.process != process || process->dead()) return;
    if (kernel_.random().chance(1, 200)) {
      event("suspend_failed", [&](doze::Actions& out) {
        doze_.on_suspend_failed(kernel_.now(), s.id, {base::ErrorCode::kTimeout, "freeze", 0}, out);
      });
      return;
    }
    process->freeze();
    note_unread(s);
    host_later("suspended", [this, &s, process](doze::Actions& out) {
      if (s.process == process && !process->dead())
        doze_.on_suspended(kernel_.now(), s.id, read(s), out);
    });
  });
}

void Machine::resume(Slot& s, const doze::Resume& resume) {
  ++wakes_;
  kernel_.after(kernel_.between(microseconds(5), microseconds(100)),
                [this, &s, process = s.process, cause = resume.cause] {
                  if (s.process != process || process->dead()) return;
                  if (s.unread_since != base::kNever && !s.delayed)
                    unread_max_ = std::max(unread_max_, kernel_.now() - s.unread_since);
                  s.unread_since = base::kNever;
                  s.delayed = false;
                  process->thaw();
                  process->on_woken(cause);
                });
}

void Machine::note_unread(Slot& s) {
  if (s.unread_since != base::kNever) return;
  for (const auto& [tag, connection] : s.tags)
    if (!connection->client.closed && !connection->client.unread.empty())
      s.unread_since = kernel_.now();
}

void Machine::socket_changed(const ProcessPtr& process, link::AttemptId attempt) {
  Slot& s = slot(process->place().app);
  if (s.process != process || process->dead()) return;
  if (!process->frozen()) {
    process->on_readable(attempt);
    return;
  }
  note_unread(s);
  const auto socket = process->sockets().find(attempt);
  if (socket == process->sockets().end() || !socket->second.tag) return;
  look(s, *socket->second.tag);
}

/// What epoll would say of a watched socket now.
void Machine::look(Slot& s, doze::TagId tag) {
  const auto watched = s.watched.find(tag);
  if (watched == s.watched.end()) return;
  const End& end = s.tags.at(tag)->client;
  const bool data = watched->second.mode == doze::WatchMode::kLevel
                        ? !end.unread.empty()
                        : end.received > watched->second.bytes;
  if (!data && !end.ended) return;
  if (++watched->second.events > kEventsOfOneWatchMax) {
    judge_.violation(fmt::format("{}: a watched socket spins", doze_.find(s.id)->config.name));
    return;
  }
  const auto what = data        ? doze::SocketEvent::kData
                    : end.reset ? doze::SocketEvent::kError
                                : doze::SocketEvent::kEnd;
  kernel_.after(kernel_.between(microseconds(2), microseconds(50)), [this, &s, tag, what] {
    if (!s.watched.contains(tag)) return;
    event("socket",
          [&](doze::Actions& out) { doze_.on_socket_event(kernel_.now(), s.id, tag, what, out); });
    // Level-triggered: what is not dealt with is said again.
    const auto still = s.watched.find(tag);
    if (still != s.watched.end() && still->second.mode == doze::WatchMode::kLevel) look(s, tag);
  });
}

// --- messages of the processes

void Machine::tag_socket(const ProcessPtr& process, link::AttemptId attempt) {
  host_later("tag", [this, process, attempt](doze::Actions& out) {
    Slot& s = slot(process->place().app);
    if (s.process != process || process->dead()) return;
    const auto socket = process->sockets().find(attempt);
    if (socket == process->sockets().end() || socket->second.closed) {
      doze_.on_tag_refused(kernel_.now(), s.id, base::ErrorCode::kNotConnected, out);
      return process->on_tagged(attempt, std::nullopt);
    }
    // Known before the actions are carried out: the app may be frozen, and the tag watched at once.
    const doze::TagId expected = doze_.tag(kernel_.now(), s.id, out).value_or(doze::TagId{});
    if (expected) s.tags.emplace(expected, socket->second.connection);
    process->on_tagged(attempt, expected ? std::optional(expected) : std::nullopt);
  });
}

void Machine::untag_socket(std::size_t app, doze::TagId tag) {
  host_later("untag", [this, app, tag](doze::Actions& out) {
    Slot& s = slot(app);
    s.tags.erase(tag);
    // Of a run that is over there is nothing to untag.
    if (doze_.has_tag(s.id, tag)) WL_CHECK(doze_.untag(kernel_.now(), s.id, tag, out));
  });
}

void Machine::begin_task(const ProcessPtr& process) {
  host_later("begin_task", [this, process](doze::Actions& out) {
    Slot& s = slot(process->place().app);
    if (s.process != process || process->dead()) return;
    const auto task = doze_.begin_task(kernel_.now(), s.id, out);
    process->on_task_begun(task ? std::optional(*task) : std::nullopt);
  });
}

void Machine::end_task(std::size_t app, doze::TaskId task) {
  host_later("end_task", [this, app, task](doze::Actions& out) {
    // Not there when its run is over.
    (void)doze_.end_task(kernel_.now(), slot(app).id, task, out);
  });
}

void Machine::set_keep_alive(std::size_t app, Duration timeout) {
  host_later("set_keep_alive", [this, app, timeout](doze::Actions& out) {
    // Refused when its run is over.
    (void)doze_.set_keep_alive(kernel_.now(), slot(app).id, timeout, out);
  });
}

void Machine::keep_alive_done(std::size_t app) {
  host_later("keep_alive_done", [this, app](doze::Actions& out) {
    doze_.on_keep_alive_done(kernel_.now(), slot(app).id, out);
  });
}

void Machine::write_file(std::size_t app, std::string text, std::function<void()> on_written) {
  const std::uint64_t run = slot(app).runs;
  kernel_.after(kernel_.between(kWriteMin, kWriteMax),
                [this, app, run, text = std::move(text), written = std::move(on_written)] {
                  Slot& s = slot(app);
                  // A run that died over its write leaves the old file or the new one.
                  const bool alive = s.runs == run && !s.process->dead();
                  if (!alive && (s.runs != run || kernel_.random().chance(1, 2))) return;
                  s.file = text;
                  written();
                });
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

std::string Machine::describe(std::size_t app) const {
  const Slot& s = slots_.at(app);
  return fmt::format("{}: run {}, host says {}, link {}{}", app_name(app), s.runs,
                     wire::host::name(doze_.state(s.id)),
                     s.process ? link::name(s.process->link().state()) : "none",
                     s.unread_since != base::kNever ? ", unread bytes" : "");
}

}  // namespace wakeline::sim
