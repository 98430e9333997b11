// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/program.h"
#include "report.h"

namespace wakeline::bench {

/// The benchmarks; `quick`: under thirty seconds, fewer samples. Errors: a sentence for people.
cli::Outcome<Report> run_wake(bool quick);
cli::Outcome<Report> run_host_idle(bool quick);
cli::Outcome<Report> run_host_killed(bool quick);
cli::Outcome<Report> run_sim(bool quick);
/// Also when the machine has no swap.
cli::Outcome<Report> run_reclaim(bool quick);
cli::Outcome<Report> run_server(bool quick);
/// Of it, the pushes alone.
cli::Outcome<Report> run_pushes(bool quick);
/// Of it, the connects with TLS alone.
cli::Outcome<Report> run_tls(bool quick);
cli::Outcome<Report> run_store(bool quick);
cli::Outcome<Report> run_coalesce(bool quick);
cli::Outcome<Report> run_scale(bool quick);
cli::Outcome<Report> run_client(bool quick);
cli::Outcome<Report> run_deliver(bool quick);

struct PeersOptions {
  bool quick = false;
  int seconds = 0;                ///< at rest; 0: the usual time
  std::vector<std::string> only;  ///< of kPeerNames; empty: all
};
/// The programs of `run_peers`.
inline constexpr const char* kPeerNames[] = {"baresip", "profanity", "mosquitto_sub", "asyncio",
                                             "xclock"};
cli::Outcome<Report> run_peers(const PeersOptions& options);

}  // namespace wakeline::bench
