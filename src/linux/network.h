// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"
#include "linux/network_facts.h"

namespace wakeline::sys {

/// What has changed since the last call.
struct NetworkChange {
  NetworkFacts facts;           ///< as they are now
  bool essential = false;       ///< the essence differs: apps are told (C31)
  std::vector<IpAddress> lost;  ///< connections from these addresses hear nothing any more
};

struct NetworkOptions {
  /// The kernel tells of one change in many messages, and a renewed lease takes an address away and
  /// gives it back: the network is read when nothing was told for so long …
  base::Duration quiet = std::chrono::milliseconds(300);
  /// … and at the latest so long after the first message.
  base::Duration quiet_max = std::chrono::seconds(2);
};

/// The addresses and default routes of this machine, as the kernel has them (rtnetlink). Nothing is
/// polled: a message of the kernel is the reason to read again, and what is read is compared, so
/// that a renewed lease, a new metric or somebody else's bridge is no change.
class NetworkWatch {
 public:
  using OnChange = std::function<void(const NetworkChange&)>;

  /// `on_change` runs on the loop's thread. Errors: as io::NetlinkQuery::open.
  static base::Result<std::unique_ptr<NetworkWatch>> open(io::Loop& loop, NetworkOptions options,
                                                          OnChange on_change);
  virtual ~NetworkWatch() = default;

  virtual const NetworkFacts& facts() const = 0;
  /// Somebody says that the network has changed (a resume of the machine, a network manager): it is
  /// read again after the quiet. Only a hint; what the kernel says counts.
  virtual void hint() = 0;
};

/// Reads them once. Errors: as io::NetlinkQuery::ask.
base::Result<NetworkFacts> read_network();

}  // namespace wakeline::sys
