// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "core/link/inflow.h"
#include "core/link/types.h"

namespace wakeline::link {

/// A silent server that has the CONNECT is left for the next address after so long (link.md §3).
inline constexpr Duration kAnswerPatience = std::chrono::seconds(3);

/// The addresses of a host as they are tried: families take turns, the first as the resolver put
/// it. Source: RFC 8305 §4. `last_good`, if it is among them, goes first. At most kCandidatesMax.
std::vector<Address> candidate_order(std::vector<Address> resolved,
                                     const std::optional<Address>& last_good);

/// Several addresses tried side by side: each gets a head start over the next, a failure starts the
/// next at once, at most kRacingMax are in flight. Only one at a time *speaks* (sends CONNECT),
/// because a second CONNECT would take the session away from the first; the others stand by,
/// connected. The link decides who has won: the one that is answered.
class Race {
 public:
  enum class Phase : std::uint8_t { kConnecting, kStandby, kSpeaking };
  struct Attempt {
    AttemptId id;
    Address address;
    Phase phase = Phase::kConnecting;
    Instant deadline;  ///< for connection and answer together
    Instant spoke_at;
    Inflow inflow;
    friend bool operator==(const Attempt&, const Attempt&) = default;
  };

  void begin(Instant now, std::vector<Address> candidates);
  bool running() const { return next_ < candidates_.size() || !attempts_.empty(); }

  /// Whether the next candidate is to be started now, and that start.
  bool may_start(Instant now) const { return start_at() <= now; }
  void start(Instant now, AttemptId id, const Config& config, Actions& out);

  /// TCP and TLS stand.
  void on_connected(AttemptId id);
  /// The attempt is over; the next may start at once.
  void remove(Instant now, AttemptId id);
  /// Closes attempts that are over their time. Returns: whether there were any.
  bool expire(Instant now, Actions& out);
  /// Who has to send CONNECT now, if anybody. A speaker that lost its turn is closed.
  std::optional<AttemptId> take_turn(Instant now, Actions& out);
  Attempt* find(AttemptId id);

  /// Ends the race; closes all but `winner`.
  void finish(AttemptId winner, Actions& out);
  Instant next_deadline() const;

  friend bool operator==(const Race&, const Race&) = default;

 private:
  const Attempt* in_phase(Phase phase) const;
  Instant start_at() const;

  std::vector<Address> candidates_;
  std::size_t next_ = 0;   ///< the candidate to start next
  Instant stagger_until_;  ///< the head start of the youngest attempt
  std::vector<Attempt> attempts_;
};

}  // namespace wakeline::link
