// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/link/heartbeat.h"
#include "core/link/routes.h"
#include "core/link/rtt.h"

namespace wakeline::link {

inline constexpr std::size_t kNetworksMax = 16;    ///< remembered; the one longest unused goes
inline constexpr std::size_t kNetworkKeyMax = 64;  ///< bytes
inline constexpr std::size_t kRoutesMax = 8;       ///< of one network

/// What a link has learnt of one network. The key is the driver's: a keyed hash of what tells one
/// network from another, never a name that says where somebody was. Empty: nobody can tell.
struct Network {
  std::string key;
  base::Instant used_at{};
  Gaps gaps;
  Rtt rtt;
  Routes routes;
  friend bool operator==(const Network&, const Network&) = default;
};

/// Bytes of a key: visible ASCII without blanks.
bool is_network_key(std::string_view key);

/// The networks by key, at most kNetworksMax.
class Networks {
 public:
  /// The network of that key, new where it is not known; it counts as used now. The reference is
  /// valid until the next call.
  Network& use(std::string_view key, base::Instant now);
  const Network* find(std::string_view key) const;
  const std::vector<Network>& all() const { return all_; }
  /// For a decoder. Returns: whether there was room, and the key is new.
  bool add(Network network);
  /// A new index of an old boot means nothing: times later than `now` become `now`.
  void forget_the_future(base::Instant now);

  friend bool operator==(const Networks&, const Networks&) = default;

 private:
  std::vector<Network> all_;
};

}  // namespace wakeline::link
