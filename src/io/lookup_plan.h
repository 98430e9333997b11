// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/time.h"
#include "io/lookup.h"

namespace wakeline::io {

/// IPv4 that came first waits so long for IPv6 (RFC 8305 §3).
inline constexpr base::Duration kResolutionDelay = std::chrono::milliseconds(50);
/// Without a way by IPv4: so long is IPv6 waited for before the network's NAT64 is asked for
/// (draft-ietf-happy-happyeyeballs-v3, Last Resort Local Synthesis Delay).
inline constexpr base::Duration kSynthesisDelay = std::chrono::seconds(2);

/// What a lookup says when, as a value: no clock, no resolver.
class LookupPlan {
 public:
  using Addresses = std::vector<Lookup::Found>;
  /// What to do now: ask for NAT64, or tell, or nothing.
  struct Step {
    bool ask_nat64 = false;
    std::optional<Lookup::Answer> tell;  ///< empty and whole: there are none
    friend bool operator==(const Step&, const Step&) = default;
  };

  /// `way`: whether this machine has a route to them. An empty list: none, or the query failed.
  void on_ipv4(base::Instant now, Addresses addresses, bool way);
  void on_ipv6(Addresses addresses, bool way);
  /// Those of IPv4, as NAT64 has them; empty: there is no NAT64.
  void on_nat64(Addresses synthesized);

  /// Call it after each event and at `next_deadline`, until it gives nothing.
  Step next(base::Instant now);
  base::Instant next_deadline() const;

 private:
  enum class Nat64 : std::uint8_t { kNotAsked, kAsked, kAnswered };

  bool stranded() const { return ipv4_ && !ipv4_->empty() && !ipv4_way_; }
  Addresses in_order() const;

  std::optional<Addresses> ipv4_;
  std::optional<Addresses> ipv6_;
  Addresses synthesized_;
  bool ipv4_way_ = true;
  bool ipv6_way_ = true;
  base::Instant ipv4_at_;
  Nat64 nat64_ = Nat64::kNotAsked;
  bool told_part_ = false;
  bool over_ = false;
};

}  // namespace wakeline::io
