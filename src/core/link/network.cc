// SPDX-License-Identifier: Apache-2.0
#include "core/link/network.h"

#include <algorithm>

namespace wakeline::link {

using base::Instant;

bool is_network_key(std::string_view key) {
  return key.size() <= kNetworkKeyMax &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7F'; });
}

Network& Networks::use(std::string_view key, Instant now) {
  auto it = std::ranges::find(all_, key, &Network::key);
  if (it == all_.end()) {
    if (all_.size() == kNetworksMax)
      all_.erase(std::ranges::min_element(all_, {}, &Network::used_at));
    it = all_.emplace(all_.end());
    it->key = key;
  }
  it->used_at = now;
  return *it;
}

const Network* Networks::find(std::string_view key) const {
  const auto it = std::ranges::find(all_, key, &Network::key);
  return it == all_.end() ? nullptr : &*it;
}

bool Networks::add(Network network) {
  if (all_.size() == kNetworksMax || find(network.key) != nullptr) return false;
  all_.push_back(std::move(network));
  return true;
}

void Networks::forget_the_future(Instant now) {
  for (Network& n : all_) {
    n.used_at = std::min(n.used_at, now);
    n.gaps.proven_at = std::min(n.gaps.proven_at, now);
    n.routes.forget_the_future(now);
  }
}

}  // namespace wakeline::link
