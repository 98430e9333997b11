// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <utility>

#include "core/doze/types.h"

namespace wakeline::doze {

/// The deadlines of many apps, one each; the earliest is at hand. Ties in the order of the ids.
/// An app's own deadline is kept by the app: `move` is told the old and the new one.
class DeadlineIndex {
 public:
  void move(AppId app, Instant from, Instant to) {
    if (from == to) return;
    if (from != base::kNever) entries_.erase({from, app});
    if (to != base::kNever) entries_.emplace(to, app);
  }
  bool empty() const { return entries_.empty(); }
  Instant next() const { return entries_.empty() ? base::kNever : entries_.begin()->first; }
  /// The app of `next()`; there must be one.
  AppId first() const { return entries_.begin()->second; }

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

  friend bool operator==(const DeadlineIndex&, const DeadlineIndex&) = default;

 private:
  std::set<std::pair<Instant, AppId>> entries_;
};

}  // namespace wakeline::doze
