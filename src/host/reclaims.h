// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>

#include "host/driver.h"
#include "io/loop.h"
#include "linux/reclaim.h"

namespace wakeline::host {

/// Gives the memory of long-suspended apps back, a step a turn of the loop, so that no wake waits
/// for it. The result stands in the ledger and in the app's record.
class Reclaims {
 public:
  /// `loop` and `driver` outlive it.
  Reclaims(io::Loop& loop, Driver& driver) : loop_(loop), driver_(driver) {}
  Reclaims(const Reclaims&) = delete;
  Reclaims& operator=(const Reclaims&) = delete;

  void start(AppRecord& app);
  /// The app is about to run: what is not given back yet, it keeps.
  void cancel(const AppRecord& app) { jobs_.erase(app.id); }

 private:
  void step(doze::AppId id, std::uint64_t number);
  void finish(AppRecord& app, base::Result<void> result, const sys::ReclaimJob* job);

  struct Job {
    std::uint64_t number = 0;
    sys::ReclaimJob job;
  };
  io::Loop& loop_;
  Driver& driver_;
  std::map<doze::AppId, Job> jobs_;
  std::uint64_t next_ = 1;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace wakeline::host
