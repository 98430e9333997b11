// SPDX-License-Identifier: Apache-2.0
#include "io/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "io/unique_fd.h"

namespace wakeline::io {
namespace {

constexpr std::size_t kResolversMax = 4'096;

std::string numeric(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* from = nullptr;
  if (address->sa_family == AF_INET) {
    from = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  } else if (address->sa_family == AF_INET6) {
    from = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  }
  if (from == nullptr) return {};
  ::inet_ntop(address->sa_family, from, text.data(), text.size());
  return text.data();
}

bool is_link_local(const std::string& address) {
  return address.starts_with("169.254.") || address.starts_with("fe80:");
}

std::vector<std::string> read_addresses() {
  std::vector<std::string> all;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return all;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> freed(list, &::freeifaddrs);
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    const bool up = (each->ifa_flags & IFF_UP) != 0 && (each->ifa_flags & IFF_LOOPBACK) == 0;
    if (!up || each->ifa_addr == nullptr) continue;
    std::string address = numeric(each->ifa_addr);
    if (!address.empty() && !is_link_local(address)) all.push_back(std::move(address));
  }
  std::ranges::sort(all);
  return all;
}

/// "3 192.168.1.1 00:11:…": the default route of IPv4 with the lowest metric, in /proc's words.
std::string read_gateway() {
  std::ifstream routes("/proc/net/route");
  std::string line;
  std::getline(routes, line);  // the titles
  std::string best;
  unsigned long best_metric = ~0UL;
  std::string best_gateway;
  while (std::getline(routes, line)) {
    std::istringstream words(line);
    std::string interface, destination, gateway, flags, refs, use, metric, mask;
    words >> interface >> destination >> gateway >> flags >> refs >> use >> metric >> mask;
    unsigned long value = 0;
    std::from_chars(metric.data(), metric.data() + metric.size(), value);
    if (destination != "00000000" || mask != "00000000" || value >= best_metric) continue;
    std::uint32_t raw = 0;
    std::from_chars(gateway.data(), gateway.data() + gateway.size(), raw, 16);
    in_addr address{raw};
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &address, text.data(), text.size());
    best_metric = value;
    best_gateway = text.data();
    best = interface;
  }
  if (best.empty()) return {};
  std::string mac;
  std::ifstream neighbours("/proc/net/arp");
  std::getline(neighbours, line);
  while (std::getline(neighbours, line)) {
    std::istringstream words(line);
    std::string address, type, flags, hardware, mask, interface;
    words >> address >> type >> flags >> hardware >> mask >> interface;
    if (address == best_gateway && interface == best && hardware != "00:00:00:00:00:00")
      mac = hardware;
  }
  return best + ' ' + best_gateway + ' ' + mac;
}

std::string read_resolvers() {
  std::ifstream file("/etc/resolv.conf");
  std::string text(kResolversMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

class Watch final : public NetworkWatch {
 public:
  Watch(Loop& loop, UniqueFd fd, std::function<void()> on_change)
      : socket_(loop.context(), fd.release()), on_change_(std::move(on_change)) {
    wait();
  }

 private:
  void wait() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
                         if (error || alive.expired()) return;
                         // What they say is read from the system itself; a queue that ran over
                         // (ENOBUFS) is a change too.
                         std::array<char, 8'192> messages;
                         while (::recv(socket_.native_handle(), messages.data(), messages.size(),
                                       MSG_DONTWAIT) > 0 ||
                                errno == ENOBUFS) {
                         }
                         on_change_();
                         if (!alive.expired()) wait();
                       });
  }

  boost::asio::posix::stream_descriptor socket_;
  std::function<void()> on_change_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

bool NetworkView::has(std::string_view address) const {
  return std::ranges::find(addresses, address) != addresses.end();
}

std::uint64_t NetworkView::fingerprint() const {
  std::string all = gateway + '\n' + resolvers;
  for (const std::string& address : addresses) all += '\n' + address;
  return std::hash<std::string>()(all);
}

std::string NetworkView::key(std::string_view secret) const {
  if (gateway.empty()) return {};
  std::array<std::uint8_t, 32> hash{};
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(gateway.data()), gateway.size(), hash.data(),
       nullptr);
  std::string text;
  for (std::size_t i = 0; i < 16; ++i) text += fmt::format("{:02x}", hash[i]);
  return text;
}

NetworkView read_network() {
  return {.addresses = read_addresses(), .gateway = read_gateway(), .resolvers = read_resolvers()};
}

std::string local_address(int fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return {};
  return numeric(reinterpret_cast<const sockaddr*>(&own));
}

base::Result<std::unique_ptr<NetworkWatch>> NetworkWatch::open(Loop& loop,
                                                               std::function<void()> on_change) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return base::fail(base::os_error("netlink.socket", errno));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return base::fail(base::os_error("netlink.bind", errno));
  return std::make_unique<Watch>(loop, std::move(fd), std::move(on_change));
}

}  // namespace wakeline::io
