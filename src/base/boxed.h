// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

namespace wakeline::base {

/// A value that is mostly absent, and then costs one pointer. Copied and compared as a value.
template <class T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(const Boxed& other) : held_(other.held_ ? std::make_unique<T>(*other.held_) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(const Boxed& other) {
    if (this != &other) held_ = other.held_ ? std::make_unique<T>(*other.held_) : nullptr;
    return *this;
  }
  Boxed& operator=(Boxed&&) noexcept = default;
  ~Boxed() = default;

  explicit operator bool() const { return held_ != nullptr; }
  T* operator->() { return held_.get(); }
  const T* operator->() const { return held_.get(); }
  T& operator*() { return *held_; }
  const T& operator*() const { return *held_; }
  /// Makes it when it is absent.
  T& get() {
    if (!held_) held_ = std::make_unique<T>();
    return *held_;
  }
  void reset() { held_.reset(); }

  friend bool operator==(const Boxed& a, const Boxed& b) {
    return a.held_ && b.held_ ? *a.held_ == *b.held_ : !a.held_ && !b.held_;
  }

 private:
  std::unique_ptr<T> held_;
};

}  // namespace wakeline::base
