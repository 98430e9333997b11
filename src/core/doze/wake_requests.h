// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <vector>

#include "core/doze/types.h"

namespace wakeline::doze {

/// The wakes that one run of an app has asked for (C40), each in its window [earliest, latest].
class WakeRequests {
 public:
  std::size_t size() const { return requests_.size(); }
  void add(WakeId id, Instant earliest, Instant latest) {
    requests_.push_back({id, earliest, latest});
  }
  bool remove(WakeId id) {
    return std::erase_if(requests_, [&](const Request& request) { return request.id == id; }) > 0;
  }
  /// Removes all. Returns: how many there were.
  std::size_t clear() {
    const std::size_t count = requests_.size();
    requests_.clear();
    return count;
  }

  /// The first `latest`, kNever without a request; and the `earliest` of that one.
  Instant latest() const { return requests_.empty() ? base::kNever : first().latest; }
  Instant earliest() const { return requests_.empty() ? base::kNever : first().earliest; }
  bool has_open(Instant now) const {
    return std::ranges::any_of(requests_, [&](const Request& r) { return r.earliest <= now; });
  }
  struct Taken {
    WakeId id;
    Instant latest;
  };
  /// Takes out those whose window is open, the oldest first.
  std::vector<Taken> take_open(Instant now) {
    std::vector<Taken> taken;
    for (const Request& r : requests_)
      if (r.earliest <= now) taken.push_back({r.id, r.latest});
    std::erase_if(requests_, [&](const Request& r) { return r.earliest <= now; });
    return taken;
  }

  friend bool operator==(const WakeRequests&, const WakeRequests&) = default;

 private:
  struct Request {
    WakeId id;
    Instant earliest;
    Instant latest;
    friend bool operator==(const Request&, const Request&) = default;
  };
  const Request& first() const {
    return *std::ranges::min_element(requests_, {}, &Request::latest);
  }

  std::vector<Request> requests_;  ///< at most kWakesMax
};

/// How many wakes an app may still ask for today (C40): a day begins with its first request.
class WakeAllowance {
 public:
  /// Returns: false when the day's `most` are taken.
  bool take(Instant now, int most) {
    if (taken_ == 0 || now - day_start_ >= std::chrono::hours(24)) {
      day_start_ = now;
      taken_ = 0;
    }
    if (taken_ >= most) return false;
    ++taken_;
    return true;
  }
  /// What cost no wake of its own, or was cancelled, is not counted.
  void give_back(std::size_t count) {
    taken_ -= static_cast<int>(std::min(count, static_cast<std::size_t>(taken_)));
  }
  int taken() const { return taken_; }

  friend bool operator==(const WakeAllowance&, const WakeAllowance&) = default;

 private:
  Instant day_start_{};
  int taken_ = 0;
};

}  // namespace wakeline::doze
