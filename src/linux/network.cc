// SPDX-License-Identifier: Apache-2.0
#include "linux/network.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>

#include "base/log.h"
#include "io/clock.h"
#include "io/deadline_timer.h"
#include "io/netlink.h"
#include "linux/fd_watch.h"
#include "linux/netlink_messages.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// A dump that a change has disturbed is asked for again; a network that never rests is read at the
// next message.
constexpr int kDumpTries = 5;
constexpr unsigned kGroups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;

class Names {
 public:
  const std::string& of(std::uint32_t index) {
    auto [found, is_new] = names_.try_emplace(index);
    if (is_new) {
      char name[IF_NAMESIZE] = "";
      // An interface that is gone already: the next reading has no word of it.
      found->second = ::if_indextoname(index, name) != nullptr ? name : "#" + std::to_string(index);
    }
    return found->second;
  }

 private:
  std::map<std::uint32_t, std::string> names_;
};

base::BytesView bytes_of(const rtgenmsg& body) {
  return {reinterpret_cast<const std::uint8_t*>(&body), sizeof body};
}

base::Result<NetworkFacts> read_once(io::NetlinkQuery& query) {
  NetworkFacts facts;
  Names names;
  const rtgenmsg any = {AF_UNSPEC};
  const auto addresses =
      query.ask(RTM_GETADDR, NLM_F_DUMP, bytes_of(any), [&](std::uint16_t type, auto body) {
        const auto message = type == RTM_NEWADDR ? parse_address(body) : std::nullopt;
        if (!message) return;
        facts.addresses.push_back(
            {message->address, names.of(message->interface), message->global});
      });
  if (!addresses) return base::fail(addresses.error());
  std::vector<RouteMessage> routes;
  const auto asked =
      query.ask(RTM_GETROUTE, NLM_F_DUMP, bytes_of(any), [&](std::uint16_t type, auto body) {
        if (type != RTM_NEWROUTE) return;
        for (const auto& route : parse_default_routes(body)) routes.push_back(route);
      });
  if (!asked) return base::fail(asked.error());
  std::ranges::sort(facts.addresses);
  std::ranges::sort(routes, {}, [](const RouteMessage& route) {
    return std::tuple(route.family, route.metric, route.interface, route.gateway);
  });
  for (const auto& route : routes) {
    facts.routes.push_back({route.family, names.of(route.interface), route.gateway});
  }
  return facts;
}

class RtnetlinkWatch final : public NetworkWatch {
 public:
  RtnetlinkWatch(NetworkOptions options, OnChange on_change)
      : options_(options), on_change_(std::move(on_change)) {}

  base::Result<void> start(io::Loop& loop) {
    // Listens before it reads: no change falls between.
    fd_.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd_) return base::fail(base::os_error("rtnetlink", errno));
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_groups = kGroups;
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return base::fail(base::os_error("rtnetlink", errno));
    }
    auto facts = read_network();
    if (!facts) return base::fail(facts.error());
    facts_ = std::move(*facts);
    auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [this] { compare(); });
    if (!timer) return base::fail(timer.error());
    timer_ = std::move(*timer);
    auto watch = FdWatch::create(loop, fd_.get(), [this] { on_readable(); });
    if (!watch) return base::fail(watch.error());
    watch_ = std::move(*watch);
    watch_->arm(true);
    return {};
  }

  const NetworkFacts& facts() const override { return facts_; }

  void hint() override {
    const auto now = io::now();
    if (first_ == base::kNever) first_ = now;
    timer_->set(std::min(now + options_.quiet, first_ + options_.quiet_max));
  }

 private:
  // What the messages say is not read: all that counts is that there was one, also one that was
  // lost (ENOBUFS).
  void on_readable() {
    std::uint8_t bytes[4'096];
    for (;;) {
      const ssize_t size = ::recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
      if (size < 0 && errno != ENOBUFS && errno != EINTR) break;
    }
    watch_->arm(true);
    hint();
  }

  void compare() {
    first_ = base::kNever;
    auto facts = read_network();
    if (!facts) {
      base::log(base::LogLevel::kWarning, "network",
                "cannot be read; the next change tries again: {}", base::to_string(facts.error()));
      return;
    }
    NetworkChange change;
    change.essential = essence(*facts) != essence(facts_);
    change.lost = lost_addresses(facts_, *facts);
    facts_ = *facts;
    if (!change.essential && change.lost.empty()) return;
    change.facts = std::move(*facts);
    on_change_(change);
  }

  NetworkOptions options_;
  OnChange on_change_;
  io::UniqueFd fd_;
  std::unique_ptr<FdWatch> watch_;  // before the fd goes, which it watches
  std::unique_ptr<io::DeadlineTimer> timer_;
  NetworkFacts facts_;
  base::Instant first_ = base::kNever;  // the first message since the last reading
};

}  // namespace

base::Result<NetworkFacts> read_network() {
  auto query = io::NetlinkQuery::open(NETLINK_ROUTE);
  if (!query) return base::fail(query.error());
  for (int tries = 1;; ++tries) {
    auto facts = read_once(*query);
    if (facts || facts.error().code != ErrorCode::kBusy || tries == kDumpTries) return facts;
  }
}

base::Result<std::unique_ptr<NetworkWatch>> NetworkWatch::open(io::Loop& loop,
                                                               NetworkOptions options,
                                                               OnChange on_change) {
  auto watch = std::make_unique<RtnetlinkWatch>(options, std::move(on_change));
  if (const auto started = watch->start(loop); !started) return base::fail(started.error());
  return watch;
}

}  // namespace wakeline::sys
