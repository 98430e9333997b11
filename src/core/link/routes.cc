// SPDX-License-Identifier: Apache-2.0
#include "core/link/routes.h"

#include <algorithm>

#include "core/link/network.h"

namespace wakeline::link {
namespace {

using base::Duration;
using base::Instant;

constexpr Duration kFailureAge = std::chrono::minutes(5);  ///< older failures count for nothing
constexpr Duration kDelayMax = std::chrono::seconds(30);
constexpr std::uint8_t kFailuresMax = 5;  ///< each one fewer divides the delay by ten

/// Families take turns, the first as the resolver put it. Source: RFC 8305 §4.
std::vector<Address> in_turns(std::vector<Address> resolved) {
  std::vector<Address> order;
  while (!resolved.empty() && order.size() < kCandidatesMax) {
    auto next = resolved.begin();
    if (!order.empty()) {
      const auto other = std::ranges::find(resolved, !order.back().ipv6, &Address::ipv6);
      if (other != resolved.end()) next = other;
    }
    order.push_back(std::move(*next));
    resolved.erase(next);
  }
  return order;
}

}  // namespace

Routes::Record& Routes::record(const Route& route) {
  auto it = std::ranges::find(all_, route, &Record::route);
  if (it != all_.end()) return *it;
  if (all_.size() == kRoutesMax) {
    all_.erase(std::ranges::min_element(
        all_, {}, [](const Record& r) { return std::max(r.good_at, r.failed_at); }));
  }
  all_.push_back({.route = route});
  return all_.back();
}

void Routes::on_good(const Route& route, Instant now) {
  Record& r = record(route);
  r.good_at = now;
  r.failed_at = {};
  r.failures = 0;
}

void Routes::on_failed(const Route& route, Instant now) {
  Record& r = record(route);
  const bool recent = now - r.failed_at <= kFailureAge;
  r.failures = static_cast<std::uint8_t>(std::min<int>(recent ? r.failures + 1 : 1, kFailuresMax));
  r.failed_at = now;
}

void Routes::forgive() {
  for (Record& r : all_) r.failures = 0;
}

void Routes::forget_the_future(Instant now) {
  for (Record& r : all_) {
    r.good_at = std::min(r.good_at, now);
    if (r.failed_at > now) r.failures = 0;
    r.failed_at = std::min(r.failed_at, now);
  }
}

Duration Routes::delay(const Route& route, Instant now) const {
  const auto it = std::ranges::find(all_, route, &Record::route);
  if (it == all_.end() || it->failures == 0) return {};
  const Duration age = now - it->failed_at;
  if (age >= kFailureAge) return {};
  Duration delay = kDelayMax;
  for (int i = it->failures; i < kFailuresMax; ++i) delay /= 10;
  constexpr auto kUnit = std::chrono::milliseconds(1);
  return delay * ((kFailureAge - age) / kUnit) / (kFailureAge / kUnit);
}

const Routes::Record* Routes::last_good() const {
  const auto it = std::ranges::max_element(all_, {}, &Record::good_at);
  return it == all_.end() || it->good_at == Instant{} ? nullptr : &*it;
}

bool Routes::add(Record record) {
  if (all_.size() == kRoutesMax) return false;
  all_.push_back(std::move(record));
  return true;
}

std::vector<Candidate> Routes::candidates(std::vector<Address> resolved,
                                          const std::vector<std::uint16_t>& ports,
                                          Instant now) const {
  const Record* good = last_good();
  const auto rank = [good](const Candidate& c) {
    const bool first = good != nullptr && good->failures == 0 && c.route == good->route;
    return first ? Duration(-1) : c.delay;
  };
  std::vector<Candidate> order;
  const auto addresses = in_turns(std::move(resolved));
  for (const std::uint16_t port : ports)
    for (const Address& a : addresses) {
      const Route route{a, port};
      const Candidate next{route, delay(route, now)};
      order.insert(std::ranges::upper_bound(order, rank(next), {}, rank), next);
    }
  if (order.size() > kCandidatesMax) order.resize(kCandidatesMax);
  return order;
}

}  // namespace wakeline::link
