// SPDX-License-Identifier: Apache-2.0
#include "io/nat64.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace wakeline::io {
namespace {

using Six = std::array<std::uint8_t, 16>;
using Four = std::array<std::uint8_t, 4>;

constexpr int kLengths[] = {96, 64, 56, 48, 40, 32};
constexpr std::size_t kZeroByte = 8;  ///< bits 64 to 71 are zero and carry nothing
constexpr std::array<Four, 2> kWellKnown = {{{192, 0, 0, 170}, {192, 0, 0, 171}}};

/// Where the IPv4 address lies behind a prefix of that length.
std::array<std::size_t, 4> places(int length) {
  std::array<std::size_t, 4> at{};
  std::size_t byte = static_cast<std::size_t>(length) / 8;
  for (std::size_t& place : at) {
    if (byte == kZeroByte && length != 96) ++byte;
    place = byte++;
  }
  return at;
}

/// The prefix of that length, when one of the well-known addresses stands behind it.
std::optional<Nat64Prefix> prefix_of(const Six& address, int length) {
  Four behind{};
  const auto at = places(length);
  for (std::size_t i = 0; i < behind.size(); ++i) behind[i] = address[at[i]];
  if (std::ranges::find(kWellKnown, behind) == kWellKnown.end()) return std::nullopt;
  if (address[kZeroByte] != 0) return std::nullopt;
  Nat64Prefix prefix{.bytes = {}, .length = length};
  std::copy_n(address.begin(), length / 8, prefix.bytes.begin());
  return prefix;
}

}  // namespace

std::vector<Nat64Prefix> nat64_prefixes(const std::vector<std::string>& addresses) {
  std::vector<Nat64Prefix> prefixes;
  for (const std::string& text : addresses) {
    Six address{};
    if (::inet_pton(AF_INET6, text.c_str(), address.data()) != 1) continue;
    std::vector<Nat64Prefix> shown;
    for (const int length : kLengths)
      if (const auto prefix = prefix_of(address, length)) shown.push_back(*prefix);
    if (shown.size() != 1) continue;
    if (std::ranges::find(prefixes, shown.front()) == prefixes.end())
      prefixes.push_back(shown.front());
  }
  return prefixes;
}

std::string nat64_address(const Nat64Prefix& prefix, const std::string& ipv4) {
  Four four{};
  if (::inet_pton(AF_INET, ipv4.c_str(), four.data()) != 1) return {};
  Six six = prefix.bytes;
  const auto at = places(prefix.length);
  for (std::size_t i = 0; i < four.size(); ++i) six[at[i]] = four[i];
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(AF_INET6, six.data(), text.data(), text.size()) == nullptr) return {};
  return text.data();
}

}  // namespace wakeline::io
