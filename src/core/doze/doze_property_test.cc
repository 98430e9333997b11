// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "core/doze/doze.h"

/// Any history of users, apps, sockets, failures and late answers: the driver is never asked for
/// something that does not fit what it did before, no wake is lost, nothing sleeps that must run,
/// and nothing ticks while all sleep.
namespace wakeline::doze {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): times in tests

struct Socket {
  std::uint64_t bytes = 0;
  std::uint32_t unread = 0;
  bool ended = false;
};

/// What a driver and the kernel know of one app.
struct Process {
  enum class Life { kNone, kLaunching, kRunning };
  Life life = Life::kNone;
  bool frozen = false;
  bool killed = false;
  bool suspend_asked = false;
  bool sample_asked = false;
  Duration cpu{};
  std::map<TagId, Socket> sockets;
  std::map<TagId, WatchMode> watched;
  std::vector<TaskId> tasks;
  Duration keep_alive{};
  Instant keep_alive_by = base::kNever;
  bool handler_runs = false;
  std::map<WakeId, Instant> wakes;  ///< asked for, with their ends
  bool audio = false;
};

/// A small limit, so that histories of a hundred steps reach it.
Profile profile_of(std::uint32_t choice) {
  std::array profiles = {Profile::linux_default(), Profile::ios(), Profile::ios_classic()};
  Profile profile = profiles[choice % profiles.size()];
  profile.limit_wakes = 2;
  if (profile.run_budget > Duration::zero()) {
    profile.run_budget = 20s;
    profile.run_budget_span = 100s;
  }
  return profile;
}

class World {
 public:
  explicit World(std::uint32_t choice) : doze_(profile_of(choice)), prompt_(choice % 2 == 0) {
    for (const char* name : {"doorbell", "chat", "editor"}) {
      const bool voip = std::string_view(name) != "editor";
      const bool audio = std::string_view(name) != "doorbell";
      const AppConfig config{.name = name, .voip = voip, .audio = audio, .reclaim = audio};
      apps_[doze_.add_app(config).value()] = {};
    }
  }

  void step(std::uint32_t code) {
    const std::uint32_t choice = code / 8;
    auto& [id, process] = *std::next(apps_.begin(), choice % apps_.size());
    const std::uint32_t detail = choice / 8;
    switch (code % 8) {
      case 0:
        return pass(std::array{1ms, 100ms, 1'100ms, 9'000ms, 60'000ms}[detail % 5]);
      case 1:
        return to_next_deadline();
      case 2:
        return of_user(id, detail);
      case 3:
        return of_process(id, process, detail);
      case 4:
        return of_network(id, process, detail);
      case 5:
        return of_request(id, process, detail);
      case 6:
        return answer(id, process, detail % 8 == 0);
      default:
        return answer_all();
    }
  }

  /// Left alone, every delayed wake comes, and everything falls asleep and stays so.
  void leave_alone() {
    act([&] { doze_.on_call_state(now_, CallState::kEnded, out_); });
    for (auto& [id, process] : apps_)
      if (std::exchange(process.audio, false))
        act([&, app = id] { std::ignore = doze_.on_audio_session(now_, app, false, out_); });
    for (const auto& entry : apps_)
      if (entry.second.life == Process::Life::kRunning)
        act([&] { doze_.on_background(now_, entry.first, out_); });
    const Instant start = now_;
    answer_all();
    while (doze_.next_deadline() != base::kNever && now_ - start < 1h) {
      to_next_deadline();
      answer_all();
      read_all();
    }
    for (auto& [id, process] : apps_) {
      if (process.life != Process::Life::kRunning || process.killed) continue;
      if (doze_.find(id)->run.tasks.open() || process.keep_alive > Duration::zero()) continue;
      RC_ASSERT(doze_.state(id) == AppState::kSuspended);
      for (const auto& [tag, socket] : process.sockets)
        RC_ASSERT(socket.ended || process.watched.contains(tag));
    }
  }

  /// The host ends: everything runs, nothing is planned.
  void stop() {
    stopping_ = true;
    act([&] { doze_.on_host_stopping(now_, out_); });
    answer_all();
    for (const auto& [id, process] : apps_) RC_ASSERT(!process.frozen || process.killed);
    RC_ASSERT(doze_.next_deadline() == base::kNever);
  }

 private:
  template <class Event>
  void act(const Event& event) {
    event();
    // Carrying out an action may bring the next event at once, as in the real driver.
    const Actions actions = std::move(out_);
    out_ = {};
    for (const Action& action : actions) {
      RC_LOG(to_line(action));
      std::visit([&](const auto& a) { carry_out(a); }, action);
    }
    check();
  }

  // --- what the machine asks for must fit what it asked for before
  void carry_out(const Launch& a) {
    RC_ASSERT(!stopping_);
    Process& process = apps_.at(a.app);
    RC_ASSERT(process.life == Process::Life::kNone);
    process = {};
    process.life = Process::Life::kLaunching;
  }
  void carry_out(const Sample& a) {
    Process& process = running(a.app);
    RC_ASSERT(!process.suspend_asked);
    process.sample_asked = true;
  }
  void carry_out(const Suspend& a) {
    RC_ASSERT(!stopping_);
    Process& process = running(a.app);
    RC_ASSERT(!process.suspend_asked);
    RC_ASSERT(process.tasks.empty());
    RC_ASSERT(!process.audio || call_ == CallState::kActive);
    process.suspend_asked = true;
    process.handler_runs = false;
  }
  void carry_out(const Watch& a) {
    Process& process = apps_.at(a.app);
    RC_ASSERT(process.frozen && !process.killed);
    RC_ASSERT(!process.watched.contains(a.tag));
    RC_ASSERT(process.sockets.contains(a.tag));
    process.watched[a.tag] = a.mode;
  }
  void carry_out(const Unwatch& a) {
    RC_ASSERT(!apps_.at(a.app).watched.empty() || gone_while_watched_);
    apps_.at(a.app).watched.clear();
  }
  void carry_out(const Resume& a) {
    Process& process = apps_.at(a.app);
    RC_ASSERT(process.frozen);
    RC_ASSERT(process.watched.empty());
    process.frozen = false;
  }
  void carry_out(const Kill& a) {
    Process& process = apps_.at(a.app);
    RC_ASSERT(process.life == Process::Life::kRunning);
    RC_ASSERT(process.watched.empty());
    process.killed = true;
  }
  void carry_out(const RunKeepAlive& a) {
    Process& process = running(a.app);
    RC_ASSERT(now_ <= process.keep_alive_by);
    process.keep_alive_by = now_ + process.keep_alive;
    process.handler_runs = true;
  }
  void carry_out(const RunWake& a) {
    Process& process = running(a.app);
    const auto wanted = process.wakes.find(a.wake);
    RC_ASSERT(wanted != process.wakes.end());
    RC_ASSERT(now_ <= wanted->second);
    process.wakes.erase(wanted);
  }
  void carry_out(const Reclaim& a) { RC_ASSERT(apps_.at(a.app).frozen); }
  void carry_out(const SleepReady&) {
    RC_ASSERT(std::exchange(preparing_, false));
    for (const auto& [id, process] : apps_)
      RC_ASSERT(stopping_ || process.killed || !process.handler_runs);
  }
  void carry_out(const ExpireTask& a) { running(a.app); }
  void carry_out(const TellState& a) { running(a.app); }
  void carry_out(const SetAlarm& a) {
    RC_ASSERT(a.earliest <= a.latest);
    alarm_ = a.latest;
  }
  void carry_out(const Ledger& a) {
    RC_ASSERT(!a.reason.empty());
    if (a.event == LedgerEvent::kKeepAliveOverrun) apps_.at(a.app).handler_runs = false;
  }

  Process& running(AppId id) {
    Process& process = apps_.at(id);
    RC_ASSERT(process.life == Process::Life::kRunning);
    RC_ASSERT(!process.frozen && !process.killed);
    return process;
  }

  /// What holds after every event.
  void check() {
    bool all_sleep = true;
    Instant first_alarm = base::kNever;
    for (const auto& [id, process] : apps_) {
      const App& app = *doze_.find(id);
      const bool waits_for_answer = process.suspend_asked || process.sample_asked;
      all_sleep &= (process.life == Process::Life::kNone && app.state == AppState::kStopped) ||
                   (process.frozen && !app.run.delayed && !app.timers.is_set(AppTimer::kReclaim) &&
                    !app.timers.is_set(AppTimer::kSlice));
      if (app.timers.is_set(AppTimer::kKeepAlive))
        first_alarm = std::min(first_alarm, app.run.keep_alive.latest);
      if (app.timers.is_set(AppTimer::kWakeRequest))
        first_alarm = std::min(first_alarm, app.run.wakes.latest());
      RC_ASSERT(app.alive() == (process.life != Process::Life::kNone));
      if (process.life != Process::Life::kRunning || process.killed || waits_for_answer) continue;
      RC_ASSERT(process.frozen == app.suspended());
      if (!process.frozen) {
        // Awake in the background something must be due, or hold it.
        RC_ASSERT(app.state == AppState::kForeground || stopping_ || app.in_audio() ||
                  doze_.next_deadline() != base::kNever);
        continue;
      }
      RC_ASSERT(process.tasks.empty());
      RC_ASSERT(!process.audio || call_ == CallState::kActive);
      for (const auto& [tag, socket] : process.sockets) {
        // Every line is watched, or its wake is planned: no byte can come unheard (C11).
        if (!socket.ended) RC_ASSERT(process.watched.contains(tag) != app.run.delayed.has_value());
      }
      if (app.run.delayed) RC_ASSERT(doze_.next_deadline() != base::kNever);
    }
    RC_ASSERT(alarm_ == first_alarm);
    if (all_sleep) RC_ASSERT(doze_.next_deadline() == first_alarm);
  }

  // --- what may happen
  void pass(Duration span) {
    const Instant until = now_ + span;
    while (doze_.next_deadline() <= until) {
      to_next_deadline();
      if (prompt_) answer_all();
    }
    now_ = until;
  }
  void to_next_deadline() {
    if (doze_.next_deadline() == base::kNever) return;
    now_ = std::max(now_, doze_.next_deadline());
    act([&] { doze_.on_deadline(now_, out_); });
    RC_ASSERT(doze_.next_deadline() > now_);
  }

  void of_user(AppId id, std::uint32_t detail) {
    act([&] {
      switch (detail % 6) {
        case 0:
          return doze_.on_foreground(now_, id, out_);
        case 1:
        case 2:
          return doze_.on_background(now_, id, out_);
        case 3:
          return doze_.on_notification_action(now_, id, out_);
        case 4:
          return doze_.on_launch_wanted(now_, id, LaunchReason::kUser, out_);
        default:
          return doze_.on_close_wanted(now_, id, out_);
      }
    });
  }

  void of_process(AppId id, Process& process, std::uint32_t detail) {
    if (process.life == Process::Life::kNone) {
      act([&] { doze_.on_boot(now_, out_); });
    } else if (process.life == Process::Life::kLaunching) {
      const bool works = detail % 8 != 0;
      process.life = works ? Process::Life::kRunning : Process::Life::kNone;
      act([&] {
        works ? doze_.on_launched(now_, id, out_) : doze_.on_launch_failed(now_, id, out_);
      });
    } else if (detail % 4 == 0 || process.killed) {
      const ExitStatus status{.known = detail % 3 != 0, .code = static_cast<int>(detail % 2)};
      gone_while_watched_ = true;
      process = {};
      act([&] { doze_.on_exited(now_, id, status, out_); });
      gone_while_watched_ = false;
    } else if (!process.frozen) {
      process.cpu += detail % 2 == 0 ? 0ms : 30ms;
      for (auto& [tag, socket] : process.sockets) socket.unread = 0;
    }
  }

  void of_network(AppId id, Process& process, std::uint32_t detail) {
    if (detail % 8 == 0) return act([&] { doze_.on_network_changed(now_, out_); });
    if (detail % 8 == 1) return of_machine(id, detail / 8);
    if (process.sockets.empty()) return;
    const auto at = std::next(process.sockets.begin(), detail / 8 % process.sockets.size());
    const TagId tag = at->first;
    Socket& socket = at->second;
    if (socket.ended) return;
    const bool ends = detail % 8 == 2;
    socket.ended = ends;
    if (!ends) {
      socket.bytes += 5;
      socket.unread += 5;
    }
    if (!process.watched.contains(tag)) return;
    const bool wakes = !ends || doze_.profile().wake_on_end;
    act([&] {
      doze_.on_socket_event(now_, id, tag, ends ? SocketEvent::kEnd : SocketEvent::kData, out_);
    });
    // The wake is there at once, or it is planned, or the limiter ended the app (C9, C10, C13).
    RC_ASSERT(!wakes || !process.frozen || process.killed || doze_.find(id)->run.delayed);
  }

  void of_machine(AppId id, std::uint32_t detail) {
    switch (detail % 4) {
      case 0:
        preparing_ = false;
        return act([&] { doze_.on_system_resumed(now_, out_); });
      case 1:
        preparing_ = true;
        return act([&] { doze_.on_prepare_for_sleep(now_, out_); });
      case 2:
        call_ = static_cast<CallState>(detail / 4 % 3);
        return act([&] { doze_.on_call_state(now_, call_, out_); });
      default:
        return act([&] {
          detail / 4 % 3 == 0 ? doze_.on_ipc_data(now_, id, out_)
                              : doze_.on_ipc_pending(now_, id, out_);
        });
    }
  }

  void of_request(AppId id, Process& process, std::uint32_t detail) {
    switch (detail % 12) {
      case 0:
      case 1: {
        act([&] {
          const auto tag = doze_.tag(now_, id, out_);
          if (tag) process.sockets[*tag] = {};
        });
        return;
      }
      case 2: {
        if (process.sockets.empty()) return;
        const TagId tag = process.sockets.begin()->first;
        process.sockets.erase(tag);
        act([&] { RC_ASSERT(doze_.untag(now_, id, tag, out_).has_value()); });
        return;
      }
      case 3:
      case 4: {
        act([&] {
          const auto task = doze_.begin_task(now_, id, out_);
          if (task) process.tasks.push_back(*task);
        });
        return;
      }
      case 5: {
        if (process.tasks.empty()) return;
        const TaskId task = process.tasks.back();
        process.tasks.pop_back();
        act([&] { RC_ASSERT(doze_.end_task(now_, id, task, out_).has_value()); });
        return;
      }
      case 6: {
        act([&] {
          const Duration timeout = 600s * (detail / 12 % 3);
          if (!doze_.set_keep_alive(now_, id, timeout, out_)) return;
          process.keep_alive = timeout;
          process.keep_alive_by = timeout == 0s ? base::kNever : now_ + timeout;
          if (timeout == 0s) process.handler_runs = false;
        });
        return;
      }
      case 7: {
        act([&] {
          const bool active = !process.audio;
          // Known before what follows from it: the answer comes with the actions.
          if (doze_.on_audio_session(now_, id, active, out_)) process.audio = active;
        });
        return;
      }
      case 8:
      case 9: {
        act([&] {
          const Duration earliest = 10s * (detail / 12 % 8);
          const Duration latest = earliest + 30s * (detail / 96 % 4);
          const auto wake = doze_.request_wake(now_, id, earliest, latest, out_);
          RC_ASSERT(!wake || doze_.profile().wakes_per_day > 0);
          if (wake) process.wakes[*wake] = now_ + latest;
        });
        return;
      }
      case 10: {
        if (process.wakes.empty()) return;
        const WakeId wake = process.wakes.begin()->first;
        process.wakes.erase(wake);
        act([&] { RC_ASSERT(doze_.cancel_wake(now_, id, wake, out_).has_value()); });
        return;
      }
      default:
        process.handler_runs = false;
        act([&] { doze_.on_keep_alive_done(now_, id, out_); });
    }
  }

  // --- answers
  Reading reading(const Process& process) const {
    Reading reading{.tags = {}, .cpu = process.cpu};
    for (const auto& [tag, socket] : process.sockets)
      reading.tags.push_back({tag, socket.bytes, socket.unread, socket.ended});
    return reading;
  }
  void answer(AppId id, Process& process, bool fails) {
    if (process.life != Process::Life::kRunning) return;
    if (std::exchange(process.sample_asked, false)) {
      // A driver reads what is asked for.
      const LookNeeds needs = doze_.look_needs(now_, id, process.cpu);
      Reading read = reading(process);
      if (!needs.sockets) read.tags.clear();
      read.busy = needs.busy;
      if (needs.sockets && !needs.threads) check_indifferent(id, process);
      act([&] { doze_.on_sample(now_, id, read, out_); });
    }
    if (!std::exchange(process.suspend_asked, false)) return;
    // A handler that was due meanwhile is as late as this answer.
    process.keep_alive_by = std::max(process.keep_alive_by, now_);
    for (auto& [wake, latest] : process.wakes) latest = std::max(latest, now_);
    if (fails) {
      act([&] { doze_.on_suspend_failed(now_, id, {base::ErrorCode::kTimeout, "freeze"}, out_); });
    } else {
      process.frozen = true;
      act([&] { doze_.on_suspended(now_, id, reading(process), out_); });
    }
  }
  /// Where the machine does not ask for threads, `busy` makes no difference.
  void check_indifferent(AppId id, const Process& process) const {
    Doze idle = doze_;
    Doze busy = doze_;
    Actions after_idle;
    Actions after_busy;
    Reading read = reading(process);
    idle.on_sample(now_, id, read, after_idle);
    read.busy = true;
    busy.on_sample(now_, id, read, after_busy);
    RC_ASSERT(idle == busy);
    RC_ASSERT(std::ranges::equal(after_idle, after_busy));
  }
  void answer_all() {
    for (auto& [id, process] : apps_) answer(id, process, false);
  }
  void read_all() {
    for (auto& [id, process] : apps_)
      if (!process.frozen)
        for (auto& [tag, socket] : process.sockets) socket.unread = 0;
  }

  Doze doze_;
  Instant now_{1'000s};
  Actions out_;
  std::map<AppId, Process> apps_;
  Instant alarm_ = base::kNever;
  bool gone_while_watched_ = false;
  bool stopping_ = false;
  bool preparing_ = false;
  CallState call_ = CallState::kEnded;
  bool prompt_;  ///< it answers at once; the other kind of driver lets answers lie
};

RC_GTEST_PROP(DozeHistories, NeverAskTheImpossibleAndNeverLoseAWake, (std::uint32_t choice)) {
  const auto steps = *rc::gen::scale(
      8.0, rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange(0U, 1U << 20)));
  World world(choice);
  for (const std::uint32_t step : steps) world.step(step);
  world.leave_alone();
  world.stop();
}

}  // namespace
}  // namespace wakeline::doze
