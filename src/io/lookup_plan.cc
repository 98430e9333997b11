// SPDX-License-Identifier: Apache-2.0
#include "io/lookup_plan.h"

#include <utility>

namespace wakeline::io {

void LookupPlan::on_ipv4(base::Instant now, Addresses addresses, bool way) {
  ipv4_ = std::move(addresses);
  ipv4_way_ = way;
  ipv4_at_ = now;
}

void LookupPlan::on_ipv6(Addresses addresses, bool way) {
  ipv6_ = std::move(addresses);
  ipv6_way_ = way;
}

void LookupPlan::on_nat64(Addresses synthesized) {
  synthesized_ = std::move(synthesized);
  nat64_ = Nat64::kAnswered;
}

LookupPlan::Step LookupPlan::next(base::Instant now) {
  if (over_) return {};
  if (stranded() && nat64_ == Nat64::kNotAsked &&
      (ipv6_ ? ipv6_->empty() : now >= ipv4_at_ + kSynthesisDelay)) {
    nat64_ = Nat64::kAsked;
    return {.ask_nat64 = true, .tell = {}};
  }
  if (ipv4_ && ipv6_ && nat64_ != Nat64::kAsked) {
    over_ = true;
    return {.ask_nat64 = false, .tell = Lookup::Answer{in_order(), true}};
  }
  const bool ipv6 = (ipv6_ && !ipv6_->empty()) || !synthesized_.empty();
  const bool ipv4 = ipv4_ && !ipv4_->empty() && !stranded() && now >= ipv4_at_ + kResolutionDelay;
  if (told_part_ || (!ipv6 && !ipv4)) return {};
  told_part_ = true;
  return {.ask_nat64 = false, .tell = Lookup::Answer{in_order(), false}};
}

base::Instant LookupPlan::next_deadline() const {
  if (over_ || !ipv4_ || ipv4_->empty() || ipv6_) return base::kNever;
  if (stranded()) return nat64_ == Nat64::kNotAsked ? ipv4_at_ + kSynthesisDelay : base::kNever;
  return told_part_ ? base::kNever : ipv4_at_ + kResolutionDelay;
}

/// IPv6 first where there is a way; what leads nowhere as far as is known last (RFC 6724 §6, rules
/// 1 and 6).
LookupPlan::Addresses LookupPlan::in_order() const {
  Addresses all;
  const auto add = [&all](const Addresses& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  if (ipv6_ && ipv6_way_) add(*ipv6_);
  add(synthesized_);
  if (ipv4_) add(*ipv4_);
  if (ipv6_ && !ipv6_way_) add(*ipv6_);
  return all;
}

}  // namespace wakeline::io
