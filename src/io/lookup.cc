// SPDX-License-Identifier: Apache-2.0
#include "io/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "io/clock.h"
#include "io/lookup_plan.h"
#include "io/nat64.h"
#include "io/unique_fd.h"

namespace wakeline::io {
namespace {

using Addresses = LookupPlan::Addresses;

/// An address of every NAT64's own making: where it has a route, IPv6 leads out of here.
constexpr const char* kIpv6Elsewhere = "64:ff9b::c000:aa";
/// IPv4 addresses that are put behind a prefix, and prefixes: a network has one of these.
constexpr std::size_t kSynthesizedMax = 4;

/// Empty: none, or no answer.
Addresses ask(const std::string& host, int family, int flags) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return {};
  Addresses found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0) {
      continue;
    }
    Lookup::Found next{entry->ai_family == AF_INET6, text.data()};
    if (std::ranges::find(found, next) == found.end()) found.push_back(std::move(next));
  }
  ::freeaddrinfo(list);
  return found;
}

bool is_unique_local(const in6_addr& address) { return (address.s6_addr[0] & 0xFE) == 0xFC; }

/// Whether the kernel has a route to it and an address to come from. One of a private network does
/// not lead into the internet (RFC 6724 §2.1, the labels). Nothing is sent.
bool has_way(const Lookup::Found& found) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(found.address.c_str(), "9", &hints, &list) != 0) return false;
  const UniqueFd fd(::socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  bool way = fd && ::connect(fd.get(), list->ai_addr, list->ai_addrlen) == 0;
  sockaddr_in6 own{};
  socklen_t size = sizeof own;
  if (way && found.ipv6 && ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0) {
    const auto& to = reinterpret_cast<const sockaddr_in6*>(list->ai_addr)->sin6_addr;
    way = !is_unique_local(own.sin6_addr) || is_unique_local(to);
  }
  ::freeaddrinfo(list);
  return way;
}

bool has_way(const Addresses& addresses) {
  return std::ranges::any_of(addresses, [](const Lookup::Found& found) { return has_way(found); });
}

/// What NAT64 makes of these, where this network has one.
Addresses synthesize(const Addresses& ipv4) {
  if (!has_way({.ipv6 = true, .address = kIpv6Elsewhere})) return {};
  std::vector<std::string> shown;
  for (auto& found : ask(kIpv4OnlyName, AF_INET6, 0)) shown.push_back(std::move(found.address));
  Addresses made;
  for (const Nat64Prefix& prefix : nat64_prefixes(shown))
    for (const Lookup::Found& found : ipv4) {
      if (made.size() == kSynthesizedMax) return made;
      made.push_back({.ipv6 = true, .address = nat64_address(prefix, found.address)});
    }
  return made;
}

class Search;

/// Shared by the search and its threads. getaddrinfo cannot be interrupted, so a thread whose owner
/// went runs on alone and finds `loop` gone.
struct Gate {
  std::mutex mutex;
  Loop* loop = nullptr;      // under `mutex`; null when the owner went
  Search* search = nullptr;  // on the loop's thread only; null when the owner went
};

class Search : public Lookup {
 public:
  Search(Loop& loop, OnAnswer on_answer)
      : gate_(std::make_shared<Gate>()), on_answer_(std::move(on_answer)), timer_(loop.context()) {
    gate_->loop = &loop;
    gate_->search = this;
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  ~Search() override {
    gate_->search = nullptr;
    const std::lock_guard lock(gate_->mutex);
    gate_->loop = nullptr;
  }

  void start(const std::string& host) {
    // Both families of a name at once: one may be slow, or get no answer at all.
    const bool numeric = !ask(host, AF_UNSPEC, AI_NUMERICHOST).empty();
    for (const int family : {AF_INET6, AF_INET}) {
      if (numeric)
        take(gate_, family, ask(host, family, AI_NUMERICHOST));
      else
        on_thread([gate = gate_, family, host] { take(gate, family, ask(host, family, 0)); },
                  [gate = gate_, family] { take(gate, family, {}); });
    }
  }

 private:
  template <class Work>
  static void on_loop(const std::shared_ptr<Gate>& gate, Work work) {
    const std::lock_guard lock(gate->mutex);
    if (gate->loop == nullptr) return;
    gate->loop->post([gate, work = std::move(work)]() mutable {
      if (gate->search == nullptr) return;
      work(*gate->search);
      gate->search->go_on();
    });
  }

  /// `otherwise` runs where no thread can be had.
  template <class Work, class Otherwise>
  static void on_thread(Work work, Otherwise otherwise) {
    try {
      std::thread(std::move(work)).detach();
    } catch (const std::system_error&) {
      otherwise();
    }
  }

  /// What the resolver had, from whichever thread.
  static void take(const std::shared_ptr<Gate>& gate, int family, Addresses addresses) {
    const bool way = has_way(addresses);
    on_loop(gate, [family, way, addresses = std::move(addresses)](Search& search) mutable {
      if (family == AF_INET) {
        search.ipv4_ = addresses;
        search.plan_.on_ipv4(now(), std::move(addresses), way);
      } else {
        search.plan_.on_ipv6(std::move(addresses), way);
      }
    });
  }

  void go_on() {
    for (;;) {
      LookupPlan::Step step = plan_.next(now());
      if (step.ask_nat64) {
        const auto had = [](const std::shared_ptr<Gate>& gate, Addresses made) {
          on_loop(gate, [made = std::move(made)](Search& search) mutable {
            search.plan_.on_nat64(std::move(made));
          });
        };
        on_thread([gate = gate_, had, ipv4 = ipv4_] { had(gate, synthesize(ipv4)); },
                  [gate = gate_, had] { had(gate, {}); });
      } else if (step.tell) {
        if (!tell(std::move(*step.tell))) return;
      } else {
        break;
      }
    }
    timer_.cancel();
    if (plan_.next_deadline() == base::kNever) return;
    timer_.expires_after(plan_.next_deadline() - now());
    timer_.async_wait([gate = gate_](boost::system::error_code error) {
      if (!error && gate->search != nullptr) gate->search->go_on();
    });
  }

  /// Returns: whether this is still there.
  bool tell(Answer answer) {
    const auto gate = gate_;
    const auto on_answer = on_answer_;
    if (answer.found.empty())
      on_answer(base::fail(base::ErrorCode::kUnreachable, "getaddrinfo"));
    else
      on_answer(std::move(answer));
    return gate->search != nullptr;
  }

  std::shared_ptr<Gate> gate_;
  OnAnswer on_answer_;
  LookupPlan plan_;
  Addresses ipv4_;
  boost::asio::steady_timer timer_;
};

}  // namespace

std::unique_ptr<Lookup> lookup(Loop& loop, const std::string& host, Lookup::OnAnswer on_answer) {
  auto search = std::make_unique<Search>(loop, std::move(on_answer));
  search->start(host);
  return search;
}

}  // namespace wakeline::io
