// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <set>
#include <tuple>

#include "base/log.h"
#include "io/clock.h"
#include "linux/app_notes.h"
#include "linux/freezer_parts.h"
#include "linux/proc.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// Every process of an app carries "HOST/APP" in this variable from its launch on: so it is found
// after its parent died, and by a restarted host.
constexpr std::string_view kMarker = "WAKELINE_GROUP";
// A tree that forks as fast as it is stopped is given up after so many rounds.
constexpr int kStopRounds = 64;
constexpr timespec kPause = {0, 200'000};

bool is_stopped(char state) { return state == 'T' || state == 't' || state == 'Z' || state == 'X'; }

// Orphans go to the host (a subreaper), to the session's manager (our parent, often) or to init;
// only theirs is the environment read, because that costs the reading of a whole page or more.
struct Adopters {
  pid_t self = ::getpid();
  pid_t parent = ::getppid();
  bool has(const ProcStat& process) const {
    return process.parent == 1 || process.parent == self || process.parent == parent;
  }
};

class SignalGroup final : public AppGroup {
 public:
  SignalGroup(std::string marker, AppNotes notes, std::shared_ptr<RecentProcesses> recent,
              std::shared_ptr<GuardianKeeper> keeper)
      : marker_(std::move(marker)),
        notes_(std::move(notes)),
        recent_(std::move(recent)),
        keeper_(std::move(keeper)),
        main_(session_leader()) {}

  base::Result<Process> launch(const SpawnOptions& options) override {
    if (const auto removed = remove(); !removed) return base::fail(removed.error());
    SpawnOptions marked = options;
    std::erase_if(marked.environment, [](const std::string& entry) {
      return entry.starts_with(kMarker) && entry.substr(kMarker.size()).starts_with('=');
    });
    marked.environment.push_back(fmt::format("{}={}", kMarker, marker_));
    auto process = spawn(marked);
    if (!process) return process;
    if (const auto stat = read_proc_stat(process->pid)) main_ = stat->key;
    return process;
  }

  base::Result<Process> main_process() const override {
    if (!main_.pid) return base::fail(ErrorCode::kNotFound, "main process");
    auto pidfd = open_pidfd(main_);
    if (!pidfd) return base::fail(pidfd.error());
    return Process{.pid = main_.pid, .pidfd = std::move(*pidfd)};
  }

  base::Result<FreezeOutcome> freeze() override {
    const auto start = io::now();
    for (int round = 0; round < kStopRounds; ++round) {
      const auto list = members();
      const auto stopped = stop_new(list);
      if (!stopped) {
        std::ignore = thaw();
        return base::fail(stopped.error());
      }
      const bool quiet = std::ranges::all_of(
          list, [](const ProcStat& process) { return is_stopped(process.state); });
      if (quiet && !*stopped) {
        asleep_ = list;
        return FreezeOutcome::kComplete;
      }
      const auto spent = io::now() - start;
      if (spent >= kFreezeBound) break;
      if (spent < kLookAgain) {
        ::sched_yield();
      } else {
        ::nanosleep(&kPause, nullptr);
      }
    }
    return FreezeOutcome::kIncomplete;
  }

  // By what was recorded at the freeze: on the way of a wake nobody walks through /proc.
  base::Result<void> thaw() override {
    asleep_.clear();
    base::Result<void> result = {};
    std::vector<ProcessKey> keys;
    for (const auto& [key, pidfd] : stopped_) {
      const auto sent = send_signal(pidfd.get(), SIGCONT);
      if (!sent && sent.error().code != ErrorCode::kNotFound) result = sent;
      keys.push_back(key);
    }
    stopped_.clear();
    keeper_->have_resumed(keys);
    return result;
  }

  base::Result<void> signal(int number) override {
    base::Result<void> result = {};
    for (const auto& process : members()) {
      const auto pidfd = open_pidfd(process.key);
      if (!pidfd) continue;  // it ended meanwhile
      if (const auto sent = send_signal(pidfd->get(), number); !sent) result = sent;
    }
    return result;
  }

  base::Result<void> kill() override {
    asleep_.clear();
    base::Result<void> result = {};
    // A dead process does not fork, so each round finds fewer; zombies are not ours to end.
    for (int round = 0; round < kStopRounds; ++round) {
      if (living(members()).empty()) break;
      result = signal(SIGKILL);
    }
    return result;
  }

  // The time of a process that ended is what was last read of it: less than the truth by what it
  // used since. Nobody else's clock knows better, and the sum never falls.
  base::Result<base::Duration> cpu_time() override {
    std::map<ProcessKey, base::Duration> now_of;
    for (const auto& process : recent()) {
      if (const auto time = process_cpu_time(process.key.pid)) now_of[process.key] = *time;
    }
    for (const auto& [key, time] : cpu_of_) {
      if (!now_of.contains(key)) cpu_of_gone_ += time;
    }
    cpu_of_ = std::move(now_of);
    base::Duration sum = cpu_of_gone_;
    for (const auto& [key, time] : cpu_of_) sum += time;
    return sum;
  }

  bool busy() override { return std::ranges::any_of(living(recent()), is_busy); }

  std::vector<pid_t> processes() const override { return living(known()); }
  bool contains(pid_t pid) const override {
    return std::ranges::any_of(known(), [pid](const ProcStat& p) { return p.key.pid == pid; });
  }

  base::Result<void> set_attribute(const std::string& key, const std::string& value) override {
    return notes_.write(key, main_, value);
  }
  std::optional<std::string> attribute(const std::string& key) const override {
    return notes_.read(key, main_);
  }

  base::Result<void> remove() override {
    if (const auto killed = kill(); !killed) return killed;
    const auto start = io::now();
    while (!living(members()).empty()) {
      if (io::now() - start > kRemoveBound) return base::fail(ErrorCode::kBusy, "processes");
      ::nanosleep(&kPause, nullptr);
    }
    const auto resumed = thaw();  // forgets what was stopped and is dead now
    main_ = {};
    notes_.clear();
    cpu_of_.clear();
    cpu_of_gone_ = base::Duration::zero();
    return resumed;
  }

 private:
  static std::vector<pid_t> living(const std::vector<ProcStat>& list) {
    std::vector<pid_t> pids;
    for (const auto& process : list) {
      if (process.state != 'Z' && process.state != 'X') pids.push_back(process.key.pid);
    }
    return pids;
  }

  // A stopped app starts no process: what was found when it was stopped is all of it.
  std::vector<ProcStat> known() const { return asleep_.empty() ? members() : asleep_; }

  // The same for samples, which are many, and may be a moment behind.
  std::vector<ProcStat> recent() {
    return asleep_.empty() ? members_of(recent_->list(io::now())) : asleep_;
  }

  std::vector<ProcStat> members() const { return members_of(list_processes()); }

  // The app's session, its descendants, and orphans that carry its marker.
  std::vector<ProcStat> members_of(const std::vector<ProcStat>& all) const {
    if (!main_.pid) return {};
    const Adopters adopters;
    std::set<pid_t> in;
    bool grown = true;
    while (grown) {
      grown = false;
      for (const auto& process : all) {
        if (in.contains(process.key.pid) || !belongs(process, in, adopters)) continue;
        in.insert(process.key.pid);
        grown = true;
      }
    }
    std::vector<ProcStat> list;
    std::ranges::copy_if(all, std::back_inserter(list),
                         [&](const ProcStat& process) { return in.contains(process.key.pid); });
    return list;
  }

  bool belongs(const ProcStat& process, const std::set<pid_t>& in, const Adopters& adopters) const {
    if (process.key == main_ || in.contains(process.parent)) return true;
    if (process.session == main_.pid && process.key.start >= main_.start) return true;
    if (!adopters.has(process)) return false;
    const auto value = initial_environment(process.key.pid, kMarker);
    return value && *value == marker_;
  }

  // The process that an earlier host launched: each launch leads a session.
  ProcessKey session_leader() const {
    for (const auto& process : list_processes()) {
      if (process.key.pid != process.session || process.state == 'Z') continue;
      const auto value = initial_environment(process.key.pid, kMarker);
      if (value && *value == marker_) return process.key;
    }
    return {};
  }

  // Stops those that are not stopped yet. Returns: whether there were any.
  base::Result<bool> stop_new(const std::vector<ProcStat>& list) {
    std::vector<ProcessKey> keys;
    for (const auto& process : list) {
      // One that somebody else has stopped stays theirs.
      if (!is_stopped(process.state) && !stopped_.contains(process.key)) {
        keys.push_back(process.key);
      }
    }
    if (keys.empty()) return false;
    if (const auto told = keeper_->will_stop(keys); !told) return base::fail(told.error());
    for (const auto& key : keys) {
      auto pidfd = open_pidfd(key);
      if (!pidfd && pidfd.error().code == ErrorCode::kNotFound) continue;
      if (!pidfd) return base::fail(pidfd.error());
      const auto sent = send_signal(pidfd->get(), SIGSTOP);
      if (!sent && sent.error().code == ErrorCode::kNotFound) continue;
      if (!sent) return base::fail(sent.error());
      stopped_.emplace(key, std::move(*pidfd));
    }
    return true;
  }

  std::string marker_;
  AppNotes notes_;
  std::shared_ptr<RecentProcesses> recent_;
  std::shared_ptr<GuardianKeeper> keeper_;
  ProcessKey main_;
  std::map<ProcessKey, io::UniqueFd> stopped_;
  std::vector<ProcStat> asleep_;  // while it is stopped, whole
  std::map<ProcessKey, base::Duration> cpu_of_;
  base::Duration cpu_of_gone_{};
};

class SignalFreezer final : public Freezer {
 public:
  SignalFreezer(std::string name, std::string notes_folder, base::Error reason,
                std::shared_ptr<GuardianKeeper> keeper)
      : name_(std::move(name)),
        notes_folder_(std::move(notes_folder)),
        reason_(reason),
        keeper_(std::move(keeper)) {}

  // SIGCONT to every process of an earlier host: to a running one it is harmless.
  void recover() const {
    int found = 0;
    for (const auto& process : list_processes()) {
      if (process.state != 'T' || !marked_app(process.key.pid)) continue;
      const auto pidfd = open_pidfd(process.key);
      if (pidfd && send_signal(pidfd->get(), SIGCONT)) ++found;
    }
    if (found > 0) {
      base::log(base::LogLevel::kWarning, "freezer",
                "{} processes were left stopped by an earlier host; they run again", found);
    }
  }

  base::Result<std::unique_ptr<AppGroup>> group(const std::string& id) override {
    if (!is_valid_id(id)) return base::fail(ErrorCode::kInvalidArgument, "app id");
    return std::make_unique<SignalGroup>(name_ + "/" + id, AppNotes(notes_folder_, id), recent_,
                                         keeper_);
  }

  std::vector<std::string> existing() const override {
    std::set<std::string> ids;
    for (const auto& process : list_processes()) {
      if (process.state == 'Z') continue;
      if (const auto id = marked_app(process.key.pid)) ids.insert(*id);
    }
    return {ids.begin(), ids.end()};
  }
  // A sandbox or `env -i` inside the app hides the marker, then a parent of the process has it.
  std::optional<std::string> app_of(pid_t pid) const override {
    for (int generation = 0; generation < kStopRounds && pid > 1; ++generation) {
      if (auto id = marked_app(pid)) return id;
      const auto stat = read_proc_stat(pid);
      if (!stat || stat->parent == ::getpid()) return std::nullopt;
      pid = stat->parent;
    }
    return std::nullopt;
  }

  std::string_view mechanism() const override { return "sigstop"; }
  std::string describe() const override {
    if (reason_.code == base::ErrorCode::kOk) return "SIGSTOP and SIGCONT, as asked for";
    return "SIGSTOP and SIGCONT, because there is no cgroup: " + base::to_string(reason_);
  }
  base::Error fallback_reason() const override { return reason_; }
  void keep_guardian(io::Loop& loop) override { keeper_->keep(loop); }
  pid_t guardian() const override { return keeper_->pid(); }

 private:
  std::optional<std::string> marked_app(pid_t pid) const {
    const auto value = initial_environment(pid, kMarker);
    if (!value || !value->starts_with(name_ + "/")) return std::nullopt;
    return value->substr(name_.size() + 1);
  }

  std::string name_;
  std::string notes_folder_;
  base::Error reason_;
  std::shared_ptr<RecentProcesses> recent_ = std::make_shared<RecentProcesses>();
  std::shared_ptr<GuardianKeeper> keeper_;
};

}  // namespace

std::unique_ptr<Freezer> make_signal_freezer(std::string name, std::string notes_folder,
                                             base::Error reason,
                                             std::shared_ptr<GuardianKeeper> keeper) {
  auto freezer = std::make_unique<SignalFreezer>(std::move(name), std::move(notes_folder), reason,
                                                 std::move(keeper));
  freezer->recover();
  return freezer;
}

}  // namespace wakeline::sys
