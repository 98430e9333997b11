// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/loop.h"

namespace wakeline::io {

/// What this process can see of the machine's network, without a daemon's help.
struct NetworkView {
  std::vector<std::string> addresses;  ///< numeric, sorted; without loopback and link-local ones
  std::string gateway;                 ///< of the default route: interface, address, and its MAC
  std::string resolvers;               ///< /etc/resolv.conf as it is, cut off at 4 KiB
  friend bool operator==(const NetworkView&, const NetworkView&) = default;

  bool has(std::string_view address) const;
  /// A word that differs when anything of it does. Not for secrets, and not over restarts.
  std::uint64_t fingerprint() const;
  /// 32 hexadecimal characters that stand for this network, for who knows `secret` alone; empty
  /// where nothing tells it from another.
  std::string key(std::string_view secret) const;
};

/// Reads it. What cannot be read is missing in it.
NetworkView read_network();

/// The numeric address of this end of a connection; empty when it has none.
std::string local_address(int fd);

/// Tells when the kernel reports a change of links, addresses or routes; not which.
class NetworkWatch {
 public:
  /// `on_change` runs on the loop's thread, once for each batch of messages. Errors: kOs.
  static base::Result<std::unique_ptr<NetworkWatch>> open(Loop& loop,
                                                          std::function<void()> on_change);
  virtual ~NetworkWatch() = default;
};

}  // namespace wakeline::io
