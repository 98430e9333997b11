// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "core/link/inflow.h"
#include "core/link/types.h"

namespace wakeline::link {

/// Several routes tried side by side: each gets a head start over the next, a failure starts the
/// next at once, at most kRacingMax are in flight. TCP races; the TLS handshake, which costs both
/// sides the most, is one route's at a time until it is late (link.md §3). Only one at a time
/// *speaks* (sends CONNECT), because a second CONNECT would take the session away from the first;
/// the others stand by, connected. The link decides who has won: the one that is answered.
class Race {
 public:
  /// kTcp: TCP stands, and its turn for TLS has not come. kStandby: TLS stands too.
  enum class Phase : std::uint8_t { kConnecting, kTcp, kSecuring, kStandby, kSpeaking };
  struct Attempt {
    AttemptId id;
    Route route;
    Phase phase = Phase::kConnecting;
    Instant deadline;  ///< for connection and answer together
    Instant began_at;
    Duration patience{};  ///< for its TLS handshake, by what its TCP took
    Instant secure_by;    ///< TLS is late then
    Instant spoke_at;
    Inflow inflow;
    friend bool operator==(const Attempt&, const Attempt&) = default;
  };

  /// How long one route has a head start, and how long a server may take to answer.
  struct Pace {
    Duration stagger{};
    Duration answer{};
    friend bool operator==(const Pace&, const Pace&) = default;
  };

  void begin(Instant now, std::vector<Candidate> candidates, Pace pace);
  /// Another answer of the resolver for the race that is on: what was started is passed over, the
  /// rest is tried in this order, what is not in it last.
  void add(std::vector<Candidate> candidates);
  bool running() const { return next_ < candidates_.size() || !attempts_.empty(); }

  /// Whether the next candidate is to be started now, and that start.
  bool may_start(Instant now) const { return start_at() <= now; }
  void start(Instant now, AttemptId id, Duration timeout, Duration heartbeat, Actions& out);

  /// TCP stands, and TLS is to follow.
  void on_tcp(Instant now, AttemptId id);
  /// Who has to begin TLS now, if anybody.
  std::optional<AttemptId> take_handshake(Instant now);
  /// TCP and TLS stand.
  void on_connected(AttemptId id);
  /// The attempt is over; the next may start at once.
  void remove(Instant now, AttemptId id);
  /// Closes attempts that are over their time. Returns: their routes.
  std::vector<Route> expire(Instant now, Actions& out);
  /// A speaker that is late while another stands by is closed. Returns: its route.
  std::optional<Route> end_turn(Instant now, Actions& out);
  /// Who has to send CONNECT now, if anybody.
  std::optional<AttemptId> take_turn(Instant now);
  bool has_standby() const { return in_phase(Phase::kStandby) != nullptr; }
  bool has_speaker() const { return in_phase(Phase::kSpeaking) != nullptr; }
  Attempt* find(AttemptId id);

  /// Ends the race; closes all but `winner`.
  void finish(AttemptId winner, Actions& out);
  Instant next_deadline() const;

  friend bool operator==(const Race&, const Race&) = default;

 private:
  const Attempt* in_phase(Phase phase) const;
  Instant start_at() const;
  Instant handshake_at() const;
  Instant needed_at() const;

  std::vector<Candidate> candidates_;
  Pace pace_;
  Instant begun_at_;
  std::size_t next_ = 0;   ///< the candidate to start next
  Instant stagger_until_;  ///< the head start of the youngest attempt
  std::vector<Attempt> attempts_;
};

}  // namespace wakeline::link
