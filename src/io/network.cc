// SPDX-License-Identifier: Apache-2.0
#include "io/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fmt/format.h>
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
#include <map>
#include <sstream>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "io/netlink.h"
#include "io/unique_fd.h"

namespace wakeline::io {
namespace {

constexpr std::size_t kResolversMax = 4'096;

/// A dump that a change has disturbed is asked for again.
constexpr int kDumpTries = 5;

std::string numeric(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(family, address, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

/// Of RTM_NEWADDR, from our end of the link; empty: of no IP family, or malformed.
std::string address_in(int family, base::BytesView attributes) {
  base::BytesView own;
  base::BytesView peer;
  for_each_attribute(attributes, [&](std::uint16_t type, base::BytesView value) {
    if (type == IFA_LOCAL) own = value;
    if (type == IFA_ADDRESS) peer = value;  // our own, but on a point-to-point link
  });
  const base::BytesView address = own.empty() ? peer : own;
  const std::size_t size = family == AF_INET    ? sizeof(in_addr)
                           : family == AF_INET6 ? sizeof(in6_addr)
                                                : 0;
  return size == 0 || address.size() != size ? std::string() : numeric(family, address.data());
}

base::Result<void> read_addresses(NetlinkQuery& query, NetworkView& view) {
  const rtgenmsg any = {AF_UNSPEC};
  const base::BytesView every(reinterpret_cast<const std::uint8_t*>(&any), sizeof any);
  std::map<std::uint32_t, unsigned> flags;  // of each interface
  const auto links =
      query.ask(RTM_GETLINK, NLM_F_DUMP, every, [&](std::uint16_t type, base::BytesView body) {
        ifinfomsg link = {};
        if (type != RTM_NEWLINK || !read_value(body, link)) return;
        flags[static_cast<std::uint32_t>(link.ifi_index)] = link.ifi_flags;
      });
  if (!links) return links;
  const auto addresses =
      query.ask(RTM_GETADDR, NLM_F_DUMP, every, [&](std::uint16_t type, base::BytesView body) {
        ifaddrmsg header = {};
        if (type != RTM_NEWADDR || !read_value(body, header)) return;
        const auto link = flags.find(header.ifa_index);
        if (link == flags.end() || (link->second & IFF_UP) == 0) return;
        std::string address = address_in(header.ifa_family, after_part(body, sizeof header));
        if (address.empty()) return;
        const bool loopback = (link->second & IFF_LOOPBACK) != 0;
        auto& kind = loopback                 ? view.loopback
                     : is_link_local(address) ? view.link_local
                                              : view.addresses;
        kind.push_back(std::move(address));
      });
  for (auto* kind : {&view.addresses, &view.link_local, &view.loopback}) std::ranges::sort(*kind);
  return addresses;
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

bool is_link_local(std::string_view address) {
  return address.starts_with("169.254.") || address.starts_with("fe80:");
}

bool NetworkView::has(std::string_view address) const {
  return std::ranges::any_of(std::array{&addresses, &link_local, &loopback}, [&](const auto* kind) {
    return std::ranges::find(*kind, address) != kind->end();
  });
}

std::uint64_t NetworkView::fingerprint() const {
  std::string all = gateway + '\n' + resolvers;
  for (const auto* kind : {&addresses, &link_local})
    for (const std::string& address : *kind) all += '\n' + address;
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

base::Result<NetworkView> read_network() {
  auto query = NetlinkQuery::open(NETLINK_ROUTE);
  if (!query) return base::fail(query.error());
  for (int tries = 1;; ++tries) {
    NetworkView view;
    const auto read = read_addresses(*query, view);
    if (!read && read.error().code == base::ErrorCode::kBusy && tries < kDumpTries) continue;
    if (!read) return base::fail(read.error());
    view.gateway = read_gateway();
    view.resolvers = read_resolvers();
    return view;
  }
}

std::string local_address(int fd) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return {};
  if (own.ss_family == AF_INET6)
    return numeric(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(own).sin6_addr);
  if (own.ss_family == AF_INET)
    return numeric(AF_INET, &reinterpret_cast<const sockaddr_in&>(own).sin_addr);
  return {};
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
