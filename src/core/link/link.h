// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>

#include "base/random.h"
#include "base/timer_table.h"
#include "core/link/types.h"

namespace wakeline::link {

/// The client's connection keeper: it resolves, races addresses, speaks MQTT 5, resumes the
/// session, keeps alive, finds a dead line, comes back without a storm, and hands each push to the
/// app exactly once. A value: no clock, no IO, copyable, comparable.
///
/// Exactly once: a push is delivered; the app accepts it; the acceptance is written durably
/// (Persist); only then PUBACK goes out. A push that the server sends again is acknowledged and not
/// delivered when memory knows it. `docs/protocol.md` has the proof obligations.
class Link {
 public:
  Link(Config config, Memory memory, base::Random random);

  void start(Instant now, Actions& out);
  /// DISCONNECT, close; nothing more until start.
  void stop(Instant now, Actions& out);

  void on_resolved(Instant now, std::uint64_t generation, std::vector<Address> addresses,
                   Actions& out);
  void on_resolve_failed(Instant now, std::uint64_t generation, Actions& out);
  void on_connected(Instant now, AttemptId attempt, Actions& out);
  /// The attempt or the live connection is over. `why`: kConnectFailed, kTlsFailed, kPeerClosed
  /// (end or reset).
  void on_failed(Instant now, AttemptId attempt, Why why, Actions& out);
  void on_bytes(Instant now, AttemptId attempt, base::BytesView bytes, Actions& out);
  void on_persisted(Instant now, std::uint64_t serial, Actions& out);

  /// The app took the push (its handler returned, or it said so later).
  void accept(Instant now, Sequence sequence, Actions& out);

  /// The host woke the app, the keep-alive handler runs, or the machine slept: prove the line
  /// (link.md §4) or, when waiting, try now.
  void on_woken(Instant now, Actions& out);
  /// Facts changed: `online` whether any usable address is there; `addresses_gone` whether the live
  /// connection's local address is.
  void on_network_changed(Instant now, bool online, bool local_address_gone, Actions& out);
  void on_foreground(Instant now, bool foreground, Actions& out);

  State state() const { return state_; }
  AttemptId live() const;  ///< the attempt that is online; none otherwise
  const Memory& memory() const { return memory_; }

  Instant next_deadline() const { return timers_.next(); }
  void on_deadline(Instant now, Actions& out);

  friend bool operator==(const Link&, const Link&) = default;

 private:
  enum class Timer : std::uint8_t { kRetry, kStagger, kConnect, kPing, kPong, kCount };

  Config config_;
  Memory memory_;
  base::Random random_;
  State state_ = State::kStopped;
  base::TimerTable<Timer> timers_;
};

}  // namespace wakeline::link
