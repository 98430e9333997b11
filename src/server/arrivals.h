// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace wakeline::server {

/// How many connections of each address no device has logged in on yet, over all shards: which of
/// them accepts a connection is the kernel's choice. Any thread.
class Arrivals {
 public:
  /// One of them; it counts until it leaves, or goes. The count outlives it.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept
        : arrivals_(std::exchange(other.arrivals_, nullptr)), address_(std::move(other.address_)) {}
    Place& operator=(Place&& other) noexcept {
      if (this == &other) return *this;
      leave();
      arrivals_ = std::exchange(other.arrivals_, nullptr);
      address_ = std::move(other.address_);
      return *this;
    }
    ~Place() { leave(); }
    explicit operator bool() const { return arrivals_ != nullptr; }
    const std::string& address() const { return address_; }
    void leave() {
      if (arrivals_ != nullptr) std::exchange(arrivals_, nullptr)->leave(address_);
    }

   private:
    friend class Arrivals;
    Place(Arrivals* arrivals, std::string address)
        : arrivals_(arrivals), address_(std::move(address)) {}

    Arrivals* arrivals_ = nullptr;
    std::string address_;
  };

  /// Returns: no place when the address has `most` already.
  Place enter(std::string address, std::uint32_t most) {
    {
      const std::scoped_lock lock(mutex_);
      const auto [known, fresh] = counts_.try_emplace(address, 0);
      if (known->second >= most) {
        if (fresh) counts_.erase(known);
        return {};
      }
      ++known->second;
    }
    return {this, std::move(address)};
  }
  /// Addresses that are counted now.
  std::size_t addresses() const {
    const std::scoped_lock lock(mutex_);
    return counts_.size();
  }

 private:
  void leave(const std::string& address) {
    const std::scoped_lock lock(mutex_);
    const auto count = counts_.find(address);
    if (--count->second == 0) counts_.erase(count);
  }

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> counts_;
};

}  // namespace wakeline::server
