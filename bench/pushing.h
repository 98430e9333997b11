// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "brokers.h"
#include "fleet.h"
#include "report.h"

namespace wakeline::bench {

/// App servers that push over HTTP.
inline constexpr std::size_t kSenders = 8;

/// How pushes are sent.
struct Pushing {
  std::size_t count = 0;
  double a_second = 0;    ///< 0: as fast as they go
  std::size_t batch = 1;  ///< pushes in a request
  /// As many as come to each of them in whole requests.
  std::size_t whole() const { return count / (kSenders * batch) * kSenders * batch; }
};

/// Pushes to random devices of the fleet: by HTTP where the broker has it, else by MQTT from its
/// first device. `samples` may be null. Returns: seconds from the first push to the last delivery.
cli::Outcome<double> push_through(const Broker& broker, Fleet& fleet, const Pushing& how,
                                  Samples* samples);

}  // namespace wakeline::bench
