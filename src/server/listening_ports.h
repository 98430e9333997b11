// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "io/unique_fd.h"
#include "server/options.h"
#include "server/upgrade.h"

namespace wakeline::server {

/// Whether that may be listened at. Errors: kInvalidArgument (no address), kPermission (plain text
/// off loopback, unless `off_loopback`).
Outcome<void> check_endpoint(const Endpoint& at, PortKind kind, bool off_loopback);
/// Where the options want to listen, and for whom.
std::vector<std::pair<PortKind, Endpoint>> wanted_ports(const ServerOptions& options);
std::uint16_t& port_of(Ports& ports, PortKind kind);

/// The sockets that listen: those of the process before us where they are what is asked for, and
/// new ones. One more descriptor of each is kept for the process after us.
class ListeningPorts {
 public:
  /// Those of the process before.
  void inherit(std::vector<Inheritance::Port> ports) { inherited_ = std::move(ports); }
  /// Those that are asked for. Errors: kAddressInUse, kPermission (also plain text off loopback,
  /// unless that is permitted), kInvalidArgument (an address).
  Outcome<std::vector<Inheritance::Port>> open(const ServerOptions& options);
  /// Closes what was inherited and not asked for.
  void close_inherited() { inherited_.clear(); }
  /// One descriptor of each.
  const std::vector<Inheritance::Port>& held() const { return kept_; }
  /// Everything, for the process after us.
  std::vector<Inheritance::Port> pass_on() { return std::exchange(kept_, {}); }

 private:
  Outcome<io::UniqueFd> open_one(const Endpoint& at, PortKind kind, bool off_loopback);
  io::UniqueFd take_inherited(const Endpoint& at, PortKind kind);
  Outcome<io::UniqueFd> open_new(const Endpoint& at, PortKind kind) const;

  std::vector<Inheritance::Port> inherited_;
  std::vector<Inheritance::Port> kept_;
};

}  // namespace wakeline::server
