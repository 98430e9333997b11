// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace wakeline::server {

/// All of them, as the first token has them.
inline constexpr std::string_view kAllScopes = "push reports stats subscriptions";

/// What the token of an app server may do.
///   push                   to every device, user and group
///   push:device/door-1     to that one; also user/NAME and group/NAME
///   push:device/door-*     to all whose names begin so
///   subscriptions          make and remove Web Push endpoints, users, groups, last resorts
///   reports                fetch and delete what devices published
///   stats                  read /metrics and /v1/stats
class Scopes {
 public:
  /// Words with blanks between. Errors: kMalformed (an unknown one, or none).
  static base::Result<Scopes> parse(std::string_view text);

  /// `kind` is "device", "user" or "group".
  bool may_push(std::string_view kind, std::string_view name) const;
  bool subscriptions() const { return has("subscriptions"); }
  bool reports() const { return has("reports"); }
  bool stats() const { return has("stats"); }

 private:
  bool has(std::string_view word) const;

  std::vector<std::string> words_;
};

}  // namespace wakeline::server
