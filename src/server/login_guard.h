// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "server/options.h"
#include "server/rate_limiter.h"

namespace wakeline::server {

/// Who gave wrong tokens lately, by MQTT and HTTP, over all shards: an address that did it again
/// and again waits, whatever it then gives, and so does one device's name at one address. A device
/// that logged in from an address before is not kept out by the others there (decision 0021).
/// Bounded; any thread. Addresses are subscribers, see subscriber.h.
class LoginGuard {
 public:
  explicit LoginGuard(const Limits& limits);
  void set_limits(const Limits& limits);

  /// Before a token is looked at. `device` empty: an app server's token. Returns: nothing when it
  /// may be tried, else how long to wait.
  std::optional<base::Duration> wait(std::string_view address, std::string_view device,
                                     base::Instant now);
  /// A token was wrong. Returns: whether the next one has to wait.
  bool on_wrong(std::string_view address, std::string_view device, base::Instant now);
  /// The device's token was right.
  void on_right(std::string_view address, std::string_view device);

  /// Since the start: tokens that were wrong, and tries that were not looked at.
  std::uint64_t wrong() const { return wrong_.load(std::memory_order_relaxed); }
  std::uint64_t kept_out() const { return kept_out_.load(std::memory_order_relaxed); }

 private:
  /// Logins that are remembered; a further one takes the place of another.
  static constexpr std::size_t kKnownMax = 65'536;

  bool knows(std::uint64_t login) const;

  std::mutex mutex_;
  RateLimiter of_address_;  // guarded by mutex_
  RateLimiter of_device_;   // guarded by mutex_; of one address
  std::atomic<bool> any_ = false;
  /// A piece of the hash of who logged in: no room for names, and one that is taken for another
  /// gains a few guesses more.
  std::array<std::atomic<std::uint16_t>, kKnownMax> known_{};
  std::atomic<std::uint64_t> wrong_ = 0;
  std::atomic<std::uint64_t> kept_out_ = 0;
};

}  // namespace wakeline::server
