// SPDX-License-Identifier: Apache-2.0
#include "server/login_guard.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>

namespace wakeline::server {

namespace {

/// The device at the address. A name comes from a peer and may be long: its hash stands for it.
std::string key_of(std::string_view address, std::string_view device) {
  std::string key(address);
  const std::size_t hash = std::hash<std::string_view>{}(device);
  key.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  return key;
}

std::uint64_t login_of(std::string_view address, std::string_view device) {
  return std::hash<std::string>{}(key_of(address, device));
}

std::uint16_t tag_of(std::uint64_t login) {
  return static_cast<std::uint16_t>(login >> 48 | 1);  // 0: nobody
}

}  // namespace

LoginGuard::LoginGuard(const Limits& limits) : of_address_(0, 0), of_device_(0, 0) {
  set_limits(limits);
}

void LoginGuard::set_limits(const Limits& limits) {
  const std::scoped_lock lock(mutex_);
  of_address_.set(limits.auth_failures / 60.0, limits.auth_failures);
  of_device_.set(limits.auth_failures_per_device / 60.0, limits.auth_failures_per_device);
}

bool LoginGuard::knows(std::uint64_t login) const {
  return known_[login % kKnownMax].load(std::memory_order_relaxed) == tag_of(login);
}

std::optional<base::Duration> LoginGuard::wait(std::string_view address, std::string_view device,
                                               base::Instant now) {
  if (!any_.load(std::memory_order_relaxed)) return std::nullopt;
  std::optional<base::Duration> wait;
  {
    const std::scoped_lock lock(mutex_);
    wait = device.empty() ? std::nullopt : of_device_.look(key_of(address, device), now);
    if (!wait && (device.empty() || !knows(login_of(address, device))))
      wait = of_address_.look(address, now);
  }
  if (wait) kept_out_.fetch_add(1, std::memory_order_relaxed);
  return wait;
}

bool LoginGuard::on_wrong(std::string_view address, std::string_view device, base::Instant now) {
  wrong_.fetch_add(1, std::memory_order_relaxed);
  any_.store(true, std::memory_order_relaxed);
  const std::scoped_lock lock(mutex_);
  static_cast<void>(of_address_.take(address, now));
  bool waits = of_address_.look(address, now).has_value();
  if (!device.empty()) {
    const std::string key = key_of(address, device);
    static_cast<void>(of_device_.take(key, now));
    waits = waits || of_device_.look(key, now).has_value();
  }
  return waits;
}

void LoginGuard::on_right(std::string_view address, std::string_view device) {
  const std::uint64_t login = login_of(address, device);
  known_[login % kKnownMax].store(tag_of(login), std::memory_order_relaxed);
}

}  // namespace wakeline::server
