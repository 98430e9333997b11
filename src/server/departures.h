// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iterator>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/time.h"

namespace wakeline::server {

/// Devices whose connection ended lately. Each is kept once, and for a certain time: who is not
/// among them is gone for longer than that, or there.
class Departures {
 public:
  explicit Departures(base::Duration kept) : kept_(kept) {}

  /// `now` never goes back.
  void note(std::string_view device, base::Instant now) {
    while (!all_.empty() && is_over(all_.front(), now)) {
      by_name_.erase(all_.front().device);
      all_.pop_front();
    }
    if (const auto known = by_name_.find(device); known != by_name_.end()) {
      known->second->at = now;
      all_.splice(all_.end(), all_, known->second);
      return;
    }
    all_.push_back({std::string(device), now});
    by_name_.emplace(all_.back().device, std::prev(all_.end()));
  }
  bool lately(std::string_view device, base::Instant now) const {
    const auto known = by_name_.find(device);
    return known != by_name_.end() && !is_over(*known->second, now);
  }
  std::size_t size() const { return all_.size(); }

 private:
  struct Departure {
    std::string device;
    base::Instant at;
  };
  bool is_over(const Departure& one, base::Instant now) const { return now - one.at >= kept_; }

  base::Duration kept_;
  std::list<Departure> all_;  ///< rising by time
  std::unordered_map<std::string_view, std::list<Departure>::iterator> by_name_;
};

}  // namespace wakeline::server
