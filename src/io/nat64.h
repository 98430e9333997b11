// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace wakeline::io {

/// What a network without IPv4 puts before an IPv4 address, so that its translator passes it on.
struct Nat64Prefix {
  std::array<std::uint8_t, 16> bytes{};  ///< zeros after the prefix
  int length = 96;                       ///< 32, 40, 48, 56, 64 or 96 bits
  friend bool operator==(const Nat64Prefix&, const Nat64Prefix&) = default;
};

/// The name whose IPv6 addresses show the prefixes: its real ones are 192.0.0.170 and .171 alone.
inline constexpr const char* kIpv4OnlyName = "ipv4only.arpa";

/// The prefixes that the resolver's answer to kIpv4OnlyName shows, each once; what shows none, or
/// more than one, is passed over. Numeric addresses. Source: RFC 7050 §3.
std::vector<Nat64Prefix> nat64_prefixes(const std::vector<std::string>& addresses);

/// That IPv4 address behind the prefix. Empty: `ipv4` is none. Source: RFC 6052 §2.2.
std::string nat64_address(const Nat64Prefix& prefix, const std::string& ipv4);

}  // namespace wakeline::io
