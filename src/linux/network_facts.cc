// SPDX-License-Identifier: Apache-2.0
#include "linux/network_facts.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace wakeline::sys {
namespace {

constexpr const char* kLoopback = "lo";
// ::ffff:0:0/96. Source: RFC 4291 §2.5.5.2.
constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

std::vector<IpAddress> addresses_of(const NetworkFacts& facts) {
  std::vector<IpAddress> list;
  list.reserve(facts.addresses.size());
  for (const auto& local : facts.addresses) list.push_back(local.address);
  std::ranges::sort(list);
  const auto same = std::ranges::unique(list);
  list.erase(same.begin(), same.end());
  return list;
}

}  // namespace

std::string to_string(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.family == 0) return {};
  ::inet_ntop(address.family, address.bytes.data(), text, sizeof text);
  return text;
}

IpAddress ip_address(const std::uint8_t* bytes, std::size_t size) {
  IpAddress address;
  if (size == 16 && std::equal(kMapped.begin(), kMapped.end(), bytes)) {
    bytes += kMapped.size();
    size = 4;
  }
  if (size != 4 && size != 16) return address;
  address.family = size == 4 ? AF_INET : AF_INET6;
  std::memcpy(address.bytes.data(), bytes, size);
  return address;
}

NetworkFacts essence(const NetworkFacts& facts) {
  NetworkFacts result;
  result.routes = facts.routes;
  for (const auto& local : facts.addresses) {
    const bool routed = facts.routes.empty()
                            ? local.interface != kLoopback
                            : std::ranges::any_of(facts.routes, [&](const DefaultRoute& route) {
                                return route.interface == local.interface;
                              });
    if (local.global && routed) result.addresses.push_back(local);
  }
  return result;
}

std::vector<IpAddress> lost_addresses(const NetworkFacts& before, const NetworkFacts& after) {
  const auto old_list = addresses_of(before);
  const auto new_list = addresses_of(after);
  std::vector<IpAddress> lost;
  std::ranges::set_difference(old_list, new_list, std::back_inserter(lost));
  return lost;
}

std::string to_line(const NetworkFacts& facts) {
  const NetworkFacts seen = essence(facts);
  std::string line;
  for (const auto& local : seen.addresses) {
    if (!line.empty()) line += ", ";
    line += to_string(local.address) + " on " + local.interface;
  }
  if (line.empty()) line = "no address";
  for (const auto& route : seen.routes) {
    line += "; by ";
    if (route.gateway.family != 0) line += to_string(route.gateway) + " on ";
    line += route.interface;
  }
  return line;
}

}  // namespace wakeline::sys
