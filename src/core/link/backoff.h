// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/random.h"
#include "base/time.h"

namespace wakeline::link {

/// How long to wait before the next try, so that a server that comes back is not trampled on.
/// W is the server's `spread`: how long it needs to admit all its clients.
///   loss of a live link   U[0, W]; in the foreground U[0, W/10]
///   k-th failure          U[0.5, 1] · W · (k <= 3 ? 1 : min(4, 2^(k-3))), at least 1 s
///   in the foreground     no longer than max(W, 30 s): somebody looks at the screen
///   W never heard         first U[0, 4 s], then U[0.5, 1] · min(1800 s, 4 s · 2^k)  (RFC 5626
///   §4.5) bad credentials       U[1, 1.5] · min(1 h, 5 min · 2^(k-1))
/// Source: link.md §2.
class Backoff {
 public:
  /// `spread` zero: never heard.
  base::Duration after_loss(base::Duration spread, bool foreground, base::Random& random) const;
  /// Counts a failure.
  base::Duration after_failure(base::Duration spread, bool foreground, base::Random& random);
  base::Duration after_bad_credentials(base::Random& random);

  /// Logged in: the count starts anew, unless the link dies early.
  void on_login();
  /// The link died within kEarlyDeath of its login: as if the login had not been.
  void on_early_death();
  std::uint32_t failures() const { return failures_; }

  friend bool operator==(const Backoff&, const Backoff&) = default;

 private:
  std::uint32_t failures_ = 0;
  std::uint32_t before_login_ = 0;
};

/// A live link that lived shorter has not reached the server's working state (Chromium's rule).
inline constexpr base::Duration kEarlyDeath = std::chrono::seconds(10);
inline constexpr base::Duration kSpreadMin = std::chrono::seconds(2);
inline constexpr base::Duration kSpreadMax = std::chrono::minutes(10);

}  // namespace wakeline::link
