// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/doze/types.h"

namespace wakeline::doze {

/// The time that an app may run in the background in an hour (C14): a bucket of
/// `Profile::run_budget` that empties while the app runs and fills again while it does not, so that
/// in the long run the app has no larger share of the time than budget / span. It is the app's, not
/// the run's: a crash does not fill it.
class RunBudget {
 public:
  /// What the next host must know of it: so much was used at `since`, and whether it runs.
  struct Past {
    Duration used{};
    Instant since{};
    bool runs = false;
    friend bool operator==(const Past&, const Past&) = default;
  };
  RunBudget() = default;
  /// More than the whole budget is not owed: the profile may have changed.
  RunBudget(const Past& past, const Profile& profile);
  Past past() const { return {used_, since_, runs_}; }

  /// Accounts the time up to `now`; from now on the app runs in the background, or does not.
  void update(Instant now, bool runs, const Profile& profile);

  /// What is left; without a budget (`Profile::run_budget` zero) Duration::max().
  Duration left(Instant now, const Profile& profile) const;
  /// How long the app must not run until `needed` is left; zero where it is.
  Duration wait(Instant now, Duration needed, const Profile& profile) const;
  /// Whether it is used up, once for each time that it is: for the ledger.
  bool take_used_up(Instant now, const Profile& profile);

  friend bool operator==(const RunBudget&, const RunBudget&) = default;

 private:
  Duration used(Instant now, const Profile& profile) const;

  Duration used_{};  ///< at `since_`
  Instant since_{};
  bool runs_ = false;
  bool told_ = false;
};

}  // namespace wakeline::doze
