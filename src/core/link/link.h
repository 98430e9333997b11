// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/random.h"
#include "base/timer_table.h"
#include "core/link/backoff.h"
#include "core/link/inbox.h"
#include "core/link/inflow.h"
#include "core/link/race.h"
#include "core/link/rtt.h"
#include "core/link/types.h"

namespace wakeline::link {

/// The longest `retry-after` that is honoured, so that a broken server does not silence a client.
inline constexpr Duration kRetryAfterMax = std::chrono::hours(1);

/// Bytes of a device's token.
inline constexpr std::size_t kTokenMax = 1'024;

/// Whether a link can be made of it. Errors: kInvalidArgument, kTooLarge; `where` names the field.
base::Result<void> check(const Config& config);

/// The client's connection keeper: it resolves, races addresses, speaks MQTT 5, resumes the
/// session, keeps alive, finds a dead line, comes back without a storm, and hands each push to the
/// app exactly once. A value: no clock, no IO, copyable, comparable.
///
/// Exactly once: a push is delivered; the app accepts it; the acceptance is written durably
/// (Persist); only then PUBACK goes out. A push that the server sends again is acknowledged and not
/// delivered when memory knows it. `docs/protocol.md` has the proof obligations.
class Link {
 public:
  /// `config` has passed check().
  Link(Config config, Memory memory, base::Random random);

  void start(Instant now, Actions& out);
  /// DISCONNECT, close; nothing more until start. What the app accepts later is still remembered.
  void stop(Instant now, Actions& out);

  void on_resolved(Instant now, std::uint64_t generation, std::vector<Address> addresses,
                   Actions& out);
  void on_resolve_failed(Instant now, std::uint64_t generation, Actions& out);
  /// TCP and TLS of that attempt stand.
  void on_connected(Instant now, AttemptId attempt, Actions& out);
  /// The attempt or the live connection is over. `why`: kConnectFailed, kTlsFailed, kPeerClosed
  /// (end or reset).
  void on_failed(Instant now, AttemptId attempt, Why why, Actions& out);
  /// Returns: the bytes taken, at least one. When fewer than given (so that one event never makes
  /// more actions than `Actions` holds), carry out `out` and call again with the rest.
  [[nodiscard]] std::size_t on_bytes(Instant now, AttemptId attempt, base::BytesView bytes,
                                     Actions& out);
  void on_persisted(Instant now, std::uint64_t serial, Actions& out);

  /// The app took the push (its handler returned, or it said so later).
  void accept(Instant now, DeliveryId delivery, Actions& out);

  /// The keep-alive handler runs, the host woke the app for another reason than this link's own
  /// socket, or the machine slept: prove the line (link.md §4) or, when waiting, try now.
  /// Not for bytes or the end of the link's socket: they speak for themselves, and a try at once
  /// of every client of a server that just died is the storm that Backoff prevents.
  void on_woken(Instant now, Actions& out);
  /// Facts changed: `online` whether any usable address is there; `local_address_gone` whether the
  /// live connection's own address is not.
  void on_network_changed(Instant now, bool online, bool local_address_gone, Actions& out);
  void on_foreground(Instant now, bool foreground, Actions& out);
  /// The task behind HoldAwake is over before its time (C21). Not asked for again until something
  /// new happens.
  void on_hold_expired(Instant now);

  State state() const { return state_; }
  /// The attempt that is online; none otherwise.
  AttemptId live() const { return state_ == State::kReady ? live_->id : AttemptId{}; }
  const Memory& memory() const { return memory_; }

  Instant next_deadline() const { return timers_.next(); }
  void on_deadline(Instant now, Actions& out);

  friend bool operator==(const Link&, const Link&) = default;

 private:
  enum class Timer : std::uint8_t { kRetry, kResolve, kRace, kPing, kHedge, kAnswer, kCount };
  /// When to come back after the live connection is lost.
  enum class Return : std::uint8_t {
    kAtOnce,   ///< only this client noticed: no storm
    kSpread,   ///< every client of the server may have lost it at this moment
    kFailure,  ///< as after a connection that was refused
  };
  struct Loss {
    Why why;
    Return how = Return::kFailure;
    std::optional<Duration> asked = {};  ///< the wait that the server asked for
    std::string detail = {};
  };
  /// The connection that was answered.
  struct Live {
    AttemptId id;
    Inflow inflow;
    Instant since;                ///< ready
    Instant heard_at;             ///< the last bytes
    Instant asked_at;             ///< PINGREQ or SUBSCRIBE
    Duration keep_alive{};        ///< as the server wants it; zero: none
    bool numbered = false;        ///< our server: an epoch, and a number on each push
    bool subscribing = false;     ///< SUBACK is awaited
    bool pinging = false;         ///< PINGRESP is awaited
    bool asked_patience = false;  ///< the answer's deadline was given a second time
    friend bool operator==(const Live&, const Live&) = default;
  };

  // link.cc: the way to a connection and back.
  void connect_now(Instant now, Why why, Actions& out);
  void try_now(Instant now, Why why, Actions& out);
  void begin_race(Instant now, Actions& out);
  void run_race(Instant now, Actions& out);
  void resolve_failed(Instant now, Actions& out);
  void lost(Instant now, Loss loss, Actions& out);
  void failed(Instant now, Loss loss, Actions& out);
  void wait(Instant now, Why why, Duration delay, std::string detail, Actions& out);
  void check_line(Instant now, Actions& out);
  void ping(Instant now, Actions& out);
  void arm_ping(Instant now);
  void on_answer_late(Instant now, Instant due, Actions& out);
  AttemptId next_attempt(Actions& out);
  Instant quiet_until(Instant now) const;
  void persist(Actions& out);
  void set_state(State state, Why why, Instant until, std::string detail, Actions& out);
  bool busy(Instant now) const;
  void settle(Instant now, Actions& out);

  // link_packets.cc: what is said over it.
  Inflow* inflow_of(AttemptId attempt);
  void say_connect(Instant now, AttemptId attempt, Actions& out);
  void on_packet(Instant now, AttemptId attempt, wire::mqtt::Packet packet, Actions& out);
  void on_connack(Instant now, AttemptId attempt, const wire::mqtt::Connack& connack, Actions& out);
  void on_refused(Instant now, const wire::mqtt::Connack& connack, Actions& out);
  void on_ready(Instant now, Actions& out);
  void on_publish(Instant now, wire::mqtt::Publish publish, Actions& out);
  void on_suback(Instant now, const wire::mqtt::Suback& suback, Actions& out);
  void on_pingresp(Instant now, Actions& out);
  void on_disconnect(Instant now, const wire::mqtt::Disconnect& disconnect, Actions& out);
  void on_protocol_error(Instant now, AttemptId attempt, wire::mqtt::Reason reason, Actions& out);
  void acknowledge(std::uint16_t packet_id, Actions& out);
  void send(AttemptId attempt, const wire::mqtt::Packet& packet, Actions& out);
  std::optional<Duration> note_retry_after(Instant now, const wire::mqtt::Properties& properties,
                                           Actions& out);

  Config config_;
  Memory memory_;
  base::Random random_;
  State state_ = State::kStopped;
  Why why_ = Why::kNone;
  Instant until_{};
  base::TimerTable<Timer> timers_;

  std::uint64_t generation_ = 0;  ///< of the last Resolve
  bool resolving_ = false;
  std::vector<Address> addresses_;  ///< of the last answer, in the order to try them
  Instant resolved_at_{};
  std::optional<Address> last_good_;
  Race race_;
  Why race_why_ = Why::kConnectFailed;  ///< what the last failed attempt died of
  std::optional<Live> live_;
  std::uint64_t attempt_;  ///< the number of the last attempt

  Backoff backoff_;
  Rtt rtt_;
  Inbox inbox_;
  Instant not_before_{};     ///< bad credentials: no sooner, whatever happens
  Instant hurried_at_;       ///< the last try that didn't wait for its time
  bool subscribed_ = false;  ///< the server's session of ours has the subscription
  bool online_ = true;
  bool foreground_ = false;

  std::uint64_t serial_ = 0;  ///< of the last Persist
  bool persisting_ = false;
  bool persist_again_ = false;
  bool held_ = false;
  bool hold_expired_ = false;
};

}  // namespace wakeline::link
