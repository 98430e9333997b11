// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "sim/kernel.h"
#include "sim/machine.h"
#include "sim/network.h"
#include "sim/run.h"
#include "sim/scenario.h"
#include "sim/server.h"

namespace wakeline::sim {

/// One world: a server, machines with sleeping apps, app servers that push, and a plan of what goes
/// wrong. It checks, after every event and at the end, that
///   every push answered with 201 is delivered to its app and kept by it exactly once (delivered
///   again only to a later run, when an earlier one died before it had kept it), in order, or the
///   store says that it has expired; no app runs outside its windows (C8), no keep-alive is late
///   (C15), no app stays asleep over unread data (C11); queues are bounded; a device has one live
///   session; and when nothing is wrong any more, every app comes to rest, asleep, and rings.
class World final : public Observer, public Judge {
 public:
  World(const Scenario& scenario, std::uint64_t seed, const RunOptions& options);

  Report run();
  const Kernel& kernel() const { return kernel_; }

  // --- Observer, Judge
  void delivered(std::size_t app, std::uint64_t run, const link::Delivery& delivery) override;
  void kept(std::size_t app, link::Sequence sequence) override;
  void remembered(std::size_t app, const link::Memory& memory) override;
  void violation(std::string what) override;

 private:
  struct Push {
    std::size_t app;
    Instant expires_at = base::kNever;  ///< by the server's wall clock
    bool expired = false;               ///< before the clock was set
    bool answered = false;
    bool accepted = false;
    Instant accepted_at{};
    std::uint64_t deliveries = 0;
    std::uint64_t last_run = 0;
    Instant delivered_at{};
    bool kept = false;
  };
  struct AppRecord {
    std::uint64_t run = 0;
    link::Sequence last = 0;  ///< of that run
    std::map<link::Sequence, std::uint64_t> pushes;
  };

  Machine& machine_of(std::size_t app) { return *machines_[places_.apps[app].device]; }
  void schedule(const Selection& keep);
  void happen(const Fault& fault);
  void move(const Fault& fault);
  void post(std::size_t app, Duration ttl);
  void heal();
  bool at_rest();
  void settle();
  void ring();
  void judge_pushes();
  void sample();
  void collect();
  bool run_for(Duration span);
  Duration rest_min() const;

  const Scenario& scenario_;
  RunOptions options_;
  Places places_;
  Plan plan_;
  Kernel kernel_;
  Network network_;
  Server server_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<Push> pushes_;  ///< by id
  std::vector<AppRecord> apps_;
  Report report_;
  std::uint64_t events_max_ = 0;
};

}  // namespace wakeline::sim
