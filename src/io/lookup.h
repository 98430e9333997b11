// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/loop.h"

namespace wakeline::io {

/// Looks a name up, IPv4 and IPv6 side by side (getaddrinfo on helper threads, so that the loop
/// never waits; a numeric address needs none). Where this machine has no way by IPv4 and the name
/// no IPv6, the network's NAT64 is asked for. `lookup_plan.h` says what is told when.
/// Destroying it cancels; destroy it before the loop.
class Lookup {
 public:
  struct Found {
    bool ipv6;
    std::string address;
    friend bool operator==(const Found&, const Found&) = default;
  };
  struct Answer {
    std::vector<Found> found;  ///< the preferred first; never empty
    bool whole;                ///< false: one family was quicker, and all follows
    friend bool operator==(const Answer&, const Answer&) = default;
  };
  using OnAnswer = std::function<void(base::Result<Answer>)>;
  virtual ~Lookup() = default;
};

/// `on_answer` is called later, never within the call: with the whole answer or an error, and maybe
/// with a part before. Errors: kUnreachable (`os_error` 0: no such name, or nobody answers).
std::unique_ptr<Lookup> lookup(Loop& loop, const std::string& host, Lookup::OnAnswer on_answer);

}  // namespace wakeline::io
