// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <tuple>

#include "base/log.h"
#include "linux/freezer_parts.h"
#include "linux/proc.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// Attributes of our own; the host's notes have names of their own, too.
constexpr const char* kMain = "main";         // "PID START" of the launched process
constexpr const char* kCpuBase = "cpu_base";  // CPU time, in nanoseconds, at the launch

std::uint64_t number_in(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// What the groups of one host share.
struct Shared {
  CgroupTree tree;
  std::shared_ptr<GuardianKeeper> keeper;
};

class CgroupGroup final : public AppGroup {
 public:
  CgroupGroup(Cgroup cgroup, std::shared_ptr<const Shared> shared)
      : cgroup_(std::move(cgroup)), shared_(std::move(shared)) {
    cpu_base_ = std::chrono::nanoseconds(number_in(cgroup_.attribute(kCpuBase).value_or("")));
  }

  base::Result<Process> launch(const SpawnOptions& options) override {
    // Fresh: whatever an earlier launch left, and whatever an operator removed.
    if (const auto removed = remove(); !removed) return base::fail(removed.error());
    auto cgroup = shared_->tree.open_app(id());
    if (!cgroup) return base::fail(cgroup.error());
    cgroup_ = std::move(*cgroup);
    cpu_base_ = cgroup_.cpu_time().value_or(base::Duration::zero());
    auto process = spawn(options, cgroup_.fd());
    if (!process) return process;
    note_launch(*process);
    return process;
  }

  base::Result<Process> main_process() const override {
    const auto text = cgroup_.attribute(kMain);
    if (!text) return base::fail(ErrorCode::kNotFound, "main process");
    const std::string_view view = *text;
    const auto space = std::min(view.find(' '), view.size());
    const ProcessKey key{static_cast<pid_t>(number_in(view.substr(0, space))),
                         number_in(view.substr(std::min(space + 1, view.size())))};
    auto pidfd = open_pidfd(key);
    if (!pidfd) return base::fail(pidfd.error());
    return Process{.pid = key.pid, .pidfd = std::move(*pidfd)};
  }

  base::Result<FreezeOutcome> freeze() override {
    if (const auto guarded = shared_->keeper->will_stop({}); !guarded)
      return base::fail(guarded.error());
    return cgroup_.freeze();
  }
  base::Result<void> thaw() override { return cgroup_.thaw(); }

  base::Result<void> signal(int number) override {
    const auto list = cgroup_.processes();
    if (!list) return base::fail(list.error());
    base::Result<void> result = {};
    for (const pid_t pid : *list) {
      const auto stat = read_proc_stat(pid);
      if (!stat || !contains(pid)) continue;  // it ended meanwhile
      const auto pidfd = open_pidfd(stat->key);
      if (!pidfd) continue;
      if (const auto sent = send_signal(pidfd->get(), number); !sent) result = sent;
    }
    return result;
  }
  base::Result<void> kill() override { return cgroup_.kill(); }

  bool busy() override { return std::ranges::any_of(processes(), is_busy); }
  base::Result<base::Duration> cpu_time() override {
    const auto total = cgroup_.cpu_time();
    if (!total) return total;
    return std::max(*total - cpu_base_, base::Duration::zero());
  }
  std::vector<pid_t> processes() const override {
    return cgroup_.processes().value_or(std::vector<pid_t>{});
  }
  bool contains(pid_t pid) const override { return shared_->tree.app_of(pid) == id(); }

  base::Result<void> set_attribute(const std::string& key, const std::string& value) override {
    return cgroup_.set_attribute("note." + key, value);
  }
  std::optional<std::string> attribute(const std::string& key) const override {
    return cgroup_.attribute("note." + key);
  }

  base::Result<void> remove() override {
    if (cgroup_.populated()) {
      if (const auto killed = cgroup_.kill(); !killed) return killed;
    }
    return cgroup_.remove();
  }

 private:
  std::string id() const { return shared_->tree.id_of(cgroup_); }
  void note_launch(const Process& process) {
    const auto stat = read_proc_stat(process.pid);
    if (!stat) return;  // it ended already; nobody will look for it
    auto noted = cgroup_.set_attribute(kMain, fmt::format("{} {}", stat->key.pid, stat->key.start));
    if (noted) noted = cgroup_.set_attribute(kCpuBase, std::to_string(cpu_base_.count()));
    if (!noted) {
      base::log(base::LogLevel::kWarning, "freezer",
                "a restarted host will not find app {} again: {}", id(),
                base::to_string(noted.error()));
    }
  }

  Cgroup cgroup_;
  std::shared_ptr<const Shared> shared_;
  base::Duration cpu_base_{};
};

class CgroupFreezer final : public Freezer {
 public:
  CgroupFreezer(CgroupTree tree, std::shared_ptr<GuardianKeeper> keeper)
      : shared_(std::make_shared<const Shared>(std::move(tree), std::move(keeper))) {}
  // What an app still lives in stays, for the next host to find.
  ~CgroupFreezer() override { ::rmdir(tree().folder().c_str()); }

  base::Result<void> recover() {
    const auto thawed = thaw_tree(tree().folder());
    if (!thawed) return base::fail(thawed.error());
    if (*thawed > 0) {
      base::log(base::LogLevel::kWarning, "freezer",
                "{} cgroups were left frozen by an earlier host; they run again", *thawed);
    }
    for (const auto& id : tree().apps()) {
      auto cgroup = tree().open_app(id);
      if (cgroup && !cgroup->populated()) std::ignore = cgroup->remove();
    }
    return {};
  }

  base::Result<std::unique_ptr<AppGroup>> group(const std::string& id) override {
    if (!is_valid_id(id)) return base::fail(ErrorCode::kInvalidArgument, "app id");
    auto cgroup = tree().open_app(id);
    if (!cgroup) return base::fail(cgroup.error());
    return std::make_unique<CgroupGroup>(std::move(*cgroup), shared_);
  }
  std::vector<std::string> existing() const override {
    std::vector<std::string> ids = tree().apps();
    std::erase_if(ids, [this](const std::string& id) {
      const auto cgroup = tree().open_app(id);
      return !cgroup || !cgroup->populated();
    });
    return ids;
  }
  std::optional<std::string> app_of(pid_t pid) const override { return tree().app_of(pid); }

  std::string_view mechanism() const override { return "cgroup"; }
  std::string describe() const override { return "cgroup v2 freezer in " + tree().folder(); }
  base::Error fallback_reason() const override { return {}; }
  void keep_guardian(io::Loop& loop) override { shared_->keeper->keep(loop); }
  pid_t guardian() const override { return shared_->keeper->pid(); }

 private:
  const CgroupTree& tree() const { return shared_->tree; }

  std::shared_ptr<const Shared> shared_;
};

}  // namespace

base::Result<std::unique_ptr<Freezer>> make_cgroup_freezer(CgroupTree tree,
                                                           std::shared_ptr<GuardianKeeper> keeper) {
  auto freezer = std::make_unique<CgroupFreezer>(std::move(tree), std::move(keeper));
  if (const auto recovered = freezer->recover(); !recovered) {
    return base::fail(recovered.error());
  }
  return freezer;
}

}  // namespace wakeline::sys
