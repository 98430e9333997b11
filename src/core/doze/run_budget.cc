// SPDX-License-Identifier: Apache-2.0
#include "core/doze/run_budget.h"

#include <algorithm>
#include <utility>

namespace wakeline::doze {
namespace {

/// Time of sleep that earns one unit of running.
double sleep_for_run(const Profile& profile) {
  const auto sleep = std::max(profile.run_budget_span - profile.run_budget, Duration(1));
  return static_cast<double>(sleep.count()) / static_cast<double>(profile.run_budget.count());
}

}  // namespace

RunBudget::RunBudget(const Past& past, const Profile& profile)
    : used_(
          std::clamp(past.used, Duration::zero(), std::max(profile.run_budget, Duration::zero()))),
      since_(past.since),
      runs_(past.runs) {}

Duration RunBudget::used(Instant now, const Profile& profile) const {
  const Duration passed = std::max(now - since_, Duration::zero());
  // What tasks and keep-alive handlers use over the budget is not owed: a wake waits a bounded
  // time.
  if (runs_) return std::min(used_ + std::min(passed, profile.run_budget), profile.run_budget);
  const double earned = static_cast<double>(passed.count()) / sleep_for_run(profile);
  if (earned >= static_cast<double>(used_.count())) return Duration::zero();
  return used_ - Duration(static_cast<std::int64_t>(earned));
}

void RunBudget::update(Instant now, bool runs, const Profile& profile) {
  if (profile.run_budget <= Duration::zero()) return;
  used_ = used(now, profile);
  since_ = now;
  runs_ = runs;
  if (used_ <= profile.run_budget / 2) told_ = false;
}

Duration RunBudget::left(Instant now, const Profile& profile) const {
  if (profile.run_budget <= Duration::zero()) return Duration::max();
  return profile.run_budget - used(now, profile);
}

Duration RunBudget::wait(Instant now, Duration needed, const Profile& profile) const {
  if (profile.run_budget <= Duration::zero()) return Duration::zero();
  const Duration missing = std::min(needed, profile.run_budget) - left(now, profile);
  if (missing <= Duration::zero()) return Duration::zero();
  return Duration(
      static_cast<std::int64_t>(static_cast<double>(missing.count()) * sleep_for_run(profile)) + 1);
}

bool RunBudget::take_used_up(Instant now, const Profile& profile) {
  if (profile.run_budget <= Duration::zero() || left(now, profile) > Duration::zero()) return false;
  return !std::exchange(told_, true);
}

}  // namespace wakeline::doze
