// SPDX-License-Identifier: Apache-2.0
#include "sim/run.h"

#include <algorithm>

#include "sim/world.h"

namespace wakeline::sim {
namespace {

/// A violation without its numbers: two runs break the same promise when these are equal.
std::string kind_of(const Report& report) {
  if (report.ok()) return {};
  std::string kind = report.violations.front();
  std::erase_if(kind, [](char c) { return c >= '0' && c <= '9'; });
  return kind;
}

/// Leaves out what a failing run does not need, by halves, quarters, … (delta debugging).
class Shrinker {
 public:
  Shrinker(const Scenario& scenario, std::uint64_t seed, std::size_t runs_max)
      : scenario_(scenario), seed_(seed), runs_left_(runs_max) {
    const Report whole = run(scenario, seed);
    kind_ = kind_of(whole);
    first_at_ = whole.first_violation_at.time_since_epoch();
    const Plan plan = make_plan(scenario, seed);
    best_.keep.faults = numbers(plan.faults.size());
    best_.keep.pushes = numbers(plan.pushes.size());
  }

  RunOptions shrink() {
    if (kind_.empty()) return {};
    // Where it broke during the run, nothing after that matters.
    if (RunOptions shorter = best_; first_at_ <= scenario_.lasts) {
      shorter.until = first_at_ + std::chrono::milliseconds(1);
      if (fails(shorter)) best_ = shorter;
    }
    bool smaller = true;
    while (smaller && runs_left_ > 0) {
      smaller = thin(&Selection::faults);
      smaller = thin(&Selection::pushes) || smaller;
    }
    return best_;
  }

 private:
  using List = std::optional<std::vector<std::size_t>>;

  static std::vector<std::size_t> numbers(std::size_t count) {
    std::vector<std::size_t> all(count);
    for (std::size_t i = 0; i < count; ++i) all[i] = i;
    return all;
  }

  bool fails(const RunOptions& options) {
    if (runs_left_ == 0) return false;
    --runs_left_;
    return kind_of(run(scenario_, seed_, options)) == kind_;
  }

  bool thin(List Selection::* list) {
    bool any = false;
    for (std::size_t size = (best_.keep.*list)->size(); size > 0 && runs_left_ > 0;) {
      bool left_out = false;
      for (std::size_t from = 0; from < (best_.keep.*list)->size() && runs_left_ > 0;) {
        RunOptions without = best_;
        auto& kept = *(without.keep.*list);
        const std::size_t to = std::min(kept.size(), from + size);
        kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(from),
                   kept.begin() + static_cast<std::ptrdiff_t>(to));
        if (fails(without)) {
          best_ = std::move(without);
          any = left_out = true;
        } else {
          from += size;
        }
      }
      if (size == 1 && !left_out) break;
      size = size > 1 ? size / 2 : (left_out ? 1 : 0);
    }
    return any;
  }

  const Scenario& scenario_;
  std::uint64_t seed_;
  std::size_t runs_left_;
  std::string kind_;
  Duration first_at_{};
  RunOptions best_;
};

bool kept(const std::optional<std::vector<std::size_t>>& list, std::size_t i) {
  return !list || std::ranges::find(*list, i) != list->end();
}

std::string join(const std::vector<std::size_t>& numbers) {
  return numbers.empty() ? "none" : fmt::format("{}", fmt::join(numbers, ","));
}

}  // namespace

Report run(const Scenario& scenario, std::uint64_t seed, const RunOptions& options) {
  return World(scenario, seed, options).run();
}

std::string explain(const Scenario& scenario, std::uint64_t seed, RunOptions options) {
  options.tracing = true;
  World world(scenario, seed, options);
  const Report report = world.run();
  std::string text = fmt::format("scenario {}, seed {}\nfault plan:\n", scenario.name, seed);
  const Plan plan = make_plan(scenario, seed);
  for (std::size_t i = 0; i < plan.faults.size(); ++i)
    if (kept(options.keep.faults, i)) text += fmt::format("{:5}  {}\n", i, to_line(plan.faults[i]));
  text += "trace:\n";
  for (const std::string& line : world.kernel().lines()) text += line + '\n';
  return text + to_line(report) + '\n';
}

RunOptions shrink(const Scenario& scenario, std::uint64_t seed, std::size_t runs_max) {
  return Shrinker(scenario, seed, runs_max).shrink();
}

std::string replay_options(std::uint64_t seed, const RunOptions& options) {
  std::string text = fmt::format("--seed {}", seed);
  if (options.until)
    text += fmt::format(" --until {}ms", *options.until / std::chrono::milliseconds(1) + 1);
  if (options.keep.faults) text += " --faults " + join(*options.keep.faults);
  if (options.keep.pushes) text += " --pushes " + join(*options.keep.pushes);
  return text;
}

Duration percentile(const std::vector<Duration>& rising, int percent) {
  if (rising.empty()) return Duration::zero();
  const std::size_t rank = (rising.size() * static_cast<std::size_t>(percent) + 99) / 100;
  return rising[std::clamp<std::size_t>(rank, 1, rising.size()) - 1];
}

std::string to_line(const Report& r) {
  std::string line = fmt::format("seed {}: ", r.seed);
  if (!r.ok()) {
    line += "FAILED";
    for (const std::string& what : r.violations) line += "\n  " + what;
    return line;
  }
  const std::string open = r.ended ? fmt::format("{} not judged, ", r.not_judged) : "";
  const double ring_ms = std::chrono::duration<double, std::milli>(r.ring_max).count();
  const std::string ring = r.ring_max > Duration::zero() ? fmt::format("{:.1f} ms", ring_ms) : "–";
  return line + fmt::format(
                    "ok, {} accepted, {} delivered, {} again, {} expired, {}{} refused, "
                    "{} wakes, {} launches, {} events, ring {}, digest {:016x}",
                    r.accepted, r.delivered, r.redelivered, r.expired, open, r.refused, r.wakes,
                    r.launches, r.events, ring, r.digest);
}

}  // namespace wakeline::sim
