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
  // Numeric, sorted, of interfaces that are up.
  std::vector<std::string> addresses;   ///< good for any peer
  std::vector<std::string> link_local;  ///< good for a peer on the same cable alone
  std::vector<std::string> loopback;    ///< of the loopback interface, whatever they are
  std::string gateway;                  ///< of the default route: interface, address, and its MAC
  std::string resolvers;                ///< /etc/resolv.conf as it is, cut off at 4 KiB
  friend bool operator==(const NetworkView&, const NetworkView&) = default;

  bool has(std::string_view address) const;
  /// A word that differs when anything of it but `loopback` does. Not for secrets, and not over
  /// restarts.
  std::uint64_t fingerprint() const;
  /// 32 hexadecimal characters that stand for this network, for who knows `secret` alone; empty
  /// where nothing tells it from another.
  std::string key(std::string_view secret) const;
};

/// Reads it. The addresses are all there are at one moment; what else cannot be read is missing.
/// Errors: as NetlinkQuery::ask; kBusy: a change came between each time, and the next event of a
///         NetworkWatch is on its way.
base::Result<NetworkView> read_network();

/// 169.254.0.0/16 (RFC 3927) and fe80::/10 as it is used (RFC 4291 §2.5.6).
bool is_link_local(std::string_view numeric_address);

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
