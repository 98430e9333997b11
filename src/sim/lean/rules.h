// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace wakeline::sim::lean {

using base::Duration;
using base::Instant;

/// How another client keeps its line and comes back, as far as its rules decide it: what the same
/// worlds are run with beside ours. Each is a value of a few lines; its source stands with it.
class Rules {
 public:
  virtual ~Rules() = default;
  virtual std::string_view name() const = 0;
  virtual std::unique_ptr<Rules> clone() const = 0;

  /// The silence after which it pings.
  virtual Duration gap(base::Random& random) = 0;
  /// How long it waits for the answer before the line is dead.
  virtual Duration patience() const = 0;
  virtual void alive(Duration /*gap*/) {}
  virtual void dead(Duration /*gap*/) {}

  /// The wait before try number `failures` + 1; `failures` 0: the live line was lost.
  virtual Duration wait(std::uint32_t failures, base::Random& random) = 0;
  /// Whether it waits for the system's word that there is a network again.
  virtual bool waits_for_network() const { return true; }
};

/// Mars, TDLib, libsignal, microG, the FCM-like client, Paho, Boost.MQTT5, RFC 5626.
std::span<const std::unique_ptr<Rules>> baselines();
const Rules* find_baseline(std::string_view name);

}  // namespace wakeline::sim::lean
