// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace wakeline::link {

inline constexpr std::size_t kCandidatesMax = 16;  ///< routes of one race

/// One address to try; `text` is numeric ("127.0.0.1", "::1").
struct Address {
  bool ipv6 = false;
  std::string text;
  friend bool operator==(const Address&, const Address&) = default;
};

/// One way to the server.
struct Route {
  Address address;
  std::uint16_t port = 0;
  friend bool operator==(const Route&, const Route&) = default;
};

/// A route that is to be tried, no sooner than `delay` after the race began, unless nothing else
/// is under way.
struct Candidate {
  Route route;
  base::Duration delay{};
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

/// How routes did on one network: which was answered last, and which fail. A failure only delays,
/// and is forgotten in minutes: nothing is banned.
class Routes {
 public:
  struct Record {
    Route route;
    base::Instant good_at{};    ///< answered; zero: never
    base::Instant failed_at{};  ///< zero: not since it was good
    std::uint8_t failures = 0;  ///< in a row
    friend bool operator==(const Record&, const Record&) = default;
  };

  void on_good(const Route& route, base::Instant now);
  void on_failed(const Route& route, base::Instant now);
  /// The user wants it now: failures are forgotten, what was good is not.
  void forgive();
  void forget_the_future(base::Instant now);

  /// The penalty of its failures. Source: libsignal's connection history, same constants.
  base::Duration delay(const Route& route, base::Instant now) const;
  /// Answered last, if any was.
  const Record* last_good() const;
  const std::vector<Record>& all() const { return all_; }
  /// For a decoder. Returns: whether there was room.
  bool add(Record record);

  /// The routes as they are tried: the last good one first, then the ports in their order, in each
  /// the families in turns as the resolver put them (RFC 8305 §4); what failed lately last. At most
  /// kCandidatesMax.
  std::vector<Candidate> candidates(std::vector<Address> resolved,
                                    const std::vector<std::uint16_t>& ports,
                                    base::Instant now) const;

  friend bool operator==(const Routes&, const Routes&) = default;

 private:
  Record& record(const Route& route);

  std::vector<Record> all_;
};

}  // namespace wakeline::link
