// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "brokers.h"
#include "report.h"

/// What `wakeline bench server` measures of one broker.
namespace wakeline::bench {

struct Plan {
  std::size_t devices;
  std::size_t tls_devices;
  std::size_t pings;
  std::size_t paced;      ///< pushes at 1,000/s
  std::size_t sustained;  ///< pushes as fast as they go
};

/// As many as the file limit allows, which it raises to its end.
Plan plan_of(bool quick);

/// What one broker reached; nothing where it was not measured.
struct Found {
  std::optional<double> plain_bytes, plain_rate, tls_bytes, tls_rate, tls_cpu_us, tls_fleet_us,
      ping_cpu_s, push_p50_us, push_p99_us, pushes, pushes_cpu, batched, batched_cpu, storm_s;
};

/// All of it.
cli::Outcome<Found> measure(Broker& broker, const Plan& plan);
/// The pushes alone.
cli::Outcome<Found> measure_pushes_of(Broker& broker, const Plan& plan);
/// The connects with TLS alone.
cli::Outcome<Found> measure_tls_of(Broker& broker, const Plan& plan);

/// A figure of `found` for each that was measured, with its ratio to that of `against`, which may
/// be null.
void add_figures(Report& report, const std::string& name, const Found& found, const Found* against,
                 const std::string& against_name);

}  // namespace wakeline::bench
