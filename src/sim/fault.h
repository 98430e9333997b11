// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace wakeline::sim {

using base::Duration;
using base::Instant;

/// How a server's process ends.
enum class Stop : std::uint8_t {
  kGraceful,  ///< DISCONNECT with `drain`, deletions committed
  kKilled,    ///< the machine closes its sockets
  kPower,     ///< nobody closes anything
  kCount
};
std::string_view name(Stop);

/// One disturbance of a run.
struct Fault {
  enum class Kind : std::uint8_t {
    kCut,            ///< a machine's path carries nothing for a while
    kReset,          ///< a machine's connections are reset
    kForget,         ///< a NAT forgets them: half-open for ever
    kOffline,        ///< no network, then another or the same address
    kServerStop,     ///< gracefully, killed or without power
    kAppCrash,       ///< an app dies by a signal
    kForeground,     ///< the user opens an app for a while
    kHostRestart,    ///< the host's daemon dies and is started again; apps live on
    kDeviceRestart,  ///< the machine loses its power; its boot clock starts anew
    kClockJump,      ///< the server's wall clock is set
    kServerUpgrade,  ///< another process takes the server's lines and sessions over
    kMove,           ///< the machine goes to another network; its number is `network`
    kSignIn,         ///< into the portal of the machine's network
    kCount
  };
  Instant at;
  Kind kind{};
  std::size_t target = 0;    ///< machine or app
  Duration lasts{};          ///< of a kMove: the network before stays up so long
  Stop how = Stop::kKilled;  ///< of a kServerStop
  bool new_address = false;  ///< after a kOffline
  Duration by{};             ///< of a kClockJump
  std::size_t network = 0;   ///< of a kMove; kNoNetwork: none
};
inline constexpr std::size_t kNoNetwork = ~std::size_t{0};

enum class FaultTarget : std::uint8_t { kMachine, kApp, kServer };
FaultTarget target_of(Fault::Kind kind);
/// "cut", "reset", …, as scenario files have them.
std::string_view name(Fault::Kind kind);
/// "  123.456000  offline machine 1 for 12.300000, new address".
std::string to_line(const Fault& fault);

}  // namespace wakeline::sim
