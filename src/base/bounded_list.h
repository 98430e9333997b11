// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"

namespace wakeline::base {

/// A list with a hard bound, owned and reused by the caller: the `Actions& out` of a machine.
/// Running over the bound is a bug of the machine, not of its peer, and aborts.
template <class T, std::size_t kBound>
class BoundedList {
 public:
  static constexpr std::size_t kMaxSize = kBound;

  void push(T value) {
    WL_CHECK_MSG(items_.size() < kBound, "bound={}", kBound);
    items_.push_back(std::move(value));
  }
  void clear() { items_.clear(); }
  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  T& operator[](std::size_t i) { return items_[i]; }
  const T& operator[](std::size_t i) const { return items_[i]; }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  const std::vector<T>& items() const { return items_; }

  friend bool operator==(const BoundedList&, const BoundedList&) = default;

 private:
  std::vector<T> items_;
};

}  // namespace wakeline::base
