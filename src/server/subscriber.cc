// SPDX-License-Identifier: Apache-2.0
#include "server/subscriber.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

namespace wakeline::server {

namespace {

constexpr std::size_t kV4 = sizeof(in_addr);
constexpr std::size_t kV6 = 8;  // bytes: the /64

std::string of(const in_addr& v4) { return {reinterpret_cast<const char*>(&v4), kV4}; }

std::string of(const in6_addr& v6) {
  const auto* bytes = reinterpret_cast<const char*>(&v6);
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return {bytes + sizeof v6 - kV4, kV4};
  return {bytes, kV6};
}

}  // namespace

std::string subscriber_of(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) return of(reinterpret_cast<const sockaddr_in&>(peer).sin_addr);
  return of(reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr);
}

std::string subscriber_of(std::string_view text) {
  const std::string plain(text.substr(0, text.find('%')));
  in_addr v4{};
  if (::inet_pton(AF_INET, plain.c_str(), &v4) == 1) return of(v4);
  in6_addr v6{};
  if (::inet_pton(AF_INET6, plain.c_str(), &v6) == 1) return of(v6);
  return std::string(text);
}

std::string subscriber_text(std::string_view subscriber) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (subscriber.size() == kV4) {
    ::inet_ntop(AF_INET, subscriber.data(), text.data(), text.size());
    return text.data();
  }
  if (subscriber.size() != kV6) return std::string(subscriber);
  in6_addr v6{};
  std::memcpy(&v6, subscriber.data(), kV6);
  ::inet_ntop(AF_INET6, &v6, text.data(), text.size());
  return std::string(text.data()) + "/64";
}

}  // namespace wakeline::server
