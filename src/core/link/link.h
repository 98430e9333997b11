// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>

#include "base/random.h"
#include "base/timer_table.h"
#include "core/link/backoff.h"
#include "core/link/inbox.h"
#include "core/link/inflow.h"
#include "core/link/outbox.h"
#include "core/link/race.h"
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
  /// `config` has passed check(); `outbox` is what an earlier run left.
  Link(Config config, Memory memory, base::Random random, std::vector<Message> outbox = {});

  void start(Instant now, Actions& out);
  /// DISCONNECT, close; nothing more until start. What the app accepts later is still remembered.
  void stop(Instant now, Actions& out);

  void on_resolved(Instant now, std::uint64_t generation, std::vector<Address> addresses,
                   Actions& out);
  /// Some addresses, and the rest comes: one family was quicker (RFC 8305 §3).
  void on_resolved_in_part(Instant now, std::uint64_t generation, std::vector<Address> addresses,
                           Actions& out);
  void on_resolve_failed(Instant now, std::uint64_t generation, Actions& out);
  /// TCP of that attempt stands, TLS is to follow when Secure asks for it. A driver whose lines
  /// need no TLS says on_connected alone.
  void on_tcp(Instant now, AttemptId attempt, Actions& out);
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

  /// The app takes pushes of that urgency or a higher one from now on: our server withholds the
  /// rest, with new numbers when it is given after all. Remembered; another broker gives all.
  void ask_for(Instant now, wire::Urgency lowest, Actions& out);

  /// The app took the push (its handler returned, or it said so later).
  void accept(Instant now, DeliveryId delivery, Actions& out);

  /// A message for the app's server. It goes out once it is on disk, online or later, and its
  /// Outcome follows. `message` has passed check().
  /// Returns: the StoreOutbox after which it is safe; 0: its key waits there already.
  /// Errors: kBusy (kOutboxMax wait: none is dropped for another).
  base::Result<std::uint64_t> send(Instant now, Message message, Actions& out);
  void on_outbox_stored(Instant now, std::uint64_t serial, Actions& out);
  /// It is not on disk. What it would have made safe is not sent; the rest is written again later.
  void on_outbox_failed(Instant now, std::uint64_t serial, Actions& out);
  /// The app knows what became of the message.
  void outcome_taken(Instant now, std::uint64_t number, Actions& out);
  std::size_t outbox_size() const { return outbox_.size(); }
  /// The outbox as a last write makes it safe; nullopt: the disk has all of it.
  std::optional<std::vector<Message>> unstored_outbox() const;

  /// The keep-alive handler runs, the host woke the app for another reason than this link's own
  /// socket, or the machine slept: prove the line (link.md §4) or, when waiting, try now.
  /// Not for bytes or the end of the link's socket: they speak for themselves, and a try at once
  /// of every client of a server that just died is the storm that Backoff prevents.
  void on_woken(Instant now, Actions& out) { on_woken(now, LineFacts{}, out); }
  /// As above; what the kernel knows of the live connection is free evidence, taken first.
  void on_woken(Instant now, const LineFacts& line, Actions& out);
  /// The machine's addresses, routes or name servers may have changed. Facts that are the same as
  /// before are passed over; others settle for a moment first, unless the line's address is gone.
  void on_network_changed(Instant now, const NetworkFacts& facts, Actions& out);
  /// The user wants it now: the history of routes is forgotten, and a wait is cut short.
  void on_kick(Instant now, Actions& out);
  void on_foreground(Instant now, bool foreground, Actions& out);
  /// The task behind HoldAwake is over before its time (C21). Not asked for again until something
  /// new happens.
  void on_hold_expired(Instant now);

  State state() const { return state_; }
  /// The attempt that is online; none otherwise.
  AttemptId live() const { return state_ == State::kReady ? live_->id : AttemptId{}; }
  const Memory& memory() const { return memory_; }
  /// What is known of the present network.
  const Network& network() const { return network_; }
  Duration heartbeat() const { return config_.heartbeat.decide(network_.gaps, {}).heartbeat; }

  Instant next_deadline() const { return timers_.next(); }
  /// When a host that suspends this process should wake it, besides the keep-alive (C40).
  WakeWindow next_wake() const;
  void on_deadline(Instant now, Actions& out);

  friend bool operator==(const Link&, const Link&) = default;

 private:
  enum class Timer : std::uint8_t {
    kRetry,
    kResolve,
    kRace,
    kPing,
    kHedge,
    kAnswer,
    kNetwork,
    kMove,
    kProbe,
    kOutbox,  ///< a message's time is over, a pause is, an answer is late
    kCount
  };
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
    Instant since;         ///< ready
    Instant heard_at;      ///< the last bytes
    Instant active_at;     ///< the last bytes of either side
    Instant asked_at;      ///< PINGREQ or SUBSCRIBE
    Duration asked_gap{};  ///< silence before the PINGREQ
    Route route;
    Duration heartbeat{};         ///< as the connection has it
    Duration keep_alive{};        ///< as the server wants it; zero: none
    Duration declared{};          ///< as CONNECT said it
    int tries = 0;                ///< PINGREQs that went unanswered, the present one included
    bool numbered = false;        ///< our server: an epoch, and a number on each push
    bool probes = false;          ///< the server serves probe flows
    bool subscribing = false;     ///< SUBACK is awaited
    bool asking = false;          ///< another SUBACK is: the server was told of an urgency
    bool pinging = false;         ///< PINGRESP is awaited
    bool asked_patience = false;  ///< the answer's deadline was given a second time
    friend bool operator==(const Live&, const Live&) = default;
  };
  /// The line is gone, and silence may be what killed it: it is evidence if the same server is
  /// back at once (link.md §1, rules 2 and 3).
  struct Suspect {
    Duration gap{};
    Instant at;
    friend bool operator==(const Suspect&, const Suspect&) = default;
  };
  /// The second flow: connected, greeted, silent for its gap, asked.
  struct Probe {
    enum class Phase : std::uint8_t { kConnecting, kGreeting, kIdle, kAsking, kDoubted };
    AttemptId id;
    Phase phase = Phase::kConnecting;
    Duration gap{};  ///< wanted; when asked, what it became
    Instant silent_at;
    bool asked_patience = false;
    Inflow inflow;
    friend bool operator==(const Probe&, const Probe&) = default;
  };

  // link.cc: the way to a connection and back.
  void connect_now(Instant now, Why why, Actions& out);
  void try_now(Instant now, Why why, Actions& out);
  Instant may_hurry_at() const;
  void resolve(Instant now, Actions& out);
  void take_addresses(Instant now, std::vector<Address> addresses, Actions& out);
  void begin_race(Instant now, Actions& out);
  void run_race(Instant now, Actions& out);
  void resolve_failed(Instant now, Actions& out);
  void lost(Instant now, Loss loss, Actions& out);
  void failed(Instant now, Loss loss, Actions& out);
  void wait(Instant now, Why why, Duration delay, std::string detail, Actions& out);
  AttemptId next_attempt(Actions& out);
  Instant quiet_until() const;
  void persist(Actions& out);
  void set_state(State state, Why why, Instant until, std::string detail, Actions& out);
  bool busy(Instant now) const;
  void settle(Instant now, Actions& out);

  // link_line.cc: whether it lives, and how long it may be silent.
  void check_line(Instant now, Actions& out);
  void ping(Instant now, Actions& out);
  void ask(Instant now, Actions& out);
  void arm_ping(Instant spoke);
  void on_answer_late(Instant now, Instant due, Actions& out);
  void line_died(Instant now, Why why, Actions& out);
  bool killed_by_silence(Instant now, Why why) const;
  Duration gap_of(Duration silence) const;
  Duration declared_keep_alive() const;
  void learn_alive(Instant now, Duration silence, Actions& out);
  void learn(Instant now, const GapEvidence& evidence, Actions& out);
  void note_writes(Instant now, const Actions& out);

  // link_network.cc: which network, and the way from one to the next.
  void settle_network(Instant now, Actions& out);
  void use_network(Instant now, const std::string& key);
  void try_on_network(Instant now, bool anew, Actions& out);
  void move(Instant now, Actions& out);
  std::vector<Candidate> candidates(Instant now) const;
  void use_stale(Instant now);

  // link_probe.cc: the second flow.
  void begin_probe(Instant now, Actions& out);
  void on_probe_timer(Instant now, Instant due, Actions& out);
  void on_probe_packet(Instant now, const wire::mqtt::Packet& packet, Actions& out);
  void on_probe_ended(Instant now, Actions& out);
  void probe_died(Instant now, Actions& out);
  void end_probe(Actions& out);

  // link_outbox.cc: the app's messages.
  void run_outbox(Instant now, Actions& out);
  void arm_outbox();
  void store_outbox(Actions& out);
  void on_ack(Instant now, const wire::mqtt::Ack& ack, Actions& out);
  bool outbox_busy(Instant now) const;

  // link_packets.cc: what is said over it.
  Inflow* inflow_of(AttemptId attempt);
  void say_connect(Instant now, AttemptId attempt, Actions& out);
  void on_packet(Instant now, AttemptId attempt, wire::mqtt::Packet packet, Actions& out);
  void on_connack(Instant now, AttemptId attempt, const wire::mqtt::Connack& connack, Actions& out);
  void on_refused(Instant now, const wire::mqtt::Connack& connack, Actions& out);
  void count_on_from(const wire::mqtt::Properties& properties, Actions& out);
  void on_ready(Instant now, Actions& out);
  void on_publish(Instant now, wire::mqtt::Publish publish, Actions& out);
  void on_suback(Instant now, const wire::mqtt::Suback& suback, Actions& out);
  void say_lowest(Actions& out);
  bool note_quiet(wire::Urgency lowest);
  bool note_quiet_over(Sequence through);
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
  std::vector<Address> addresses_;  ///< of the last answer
  Instant resolved_at_{};
  Race race_;
  Why race_why_ = Why::kConnectFailed;  ///< what the last failed attempt died of
  std::optional<Live> live_;
  bool began_elsewhere_ = false;  ///< the try under way, on another network or none
  bool moving_ = false;           ///< the race may take the session away from the live line
  std::optional<Suspect> suspect_;
  std::optional<Probe> probe_;
  std::uint64_t attempt_;  ///< the number of the last attempt

  Backoff backoff_;
  Network network_;  ///< of the present key; goes to memory when that is written
  NetworkFacts facts_;
  NetworkFacts new_facts_;            ///< that settle; Timer::kNetwork
  std::array<Instant, 3> changes_{};  ///< the last changes of network, the newest first
  Inbox inbox_;
  Outbox outbox_;
  std::uint64_t outbox_serial_ = 0;  ///< of the last StoreOutbox
  bool storing_ = false;
  Instant store_again_ = base::kNever;       ///< after one that failed
  Instant outbox_answer_at_ = base::kNever;  ///< an answer is late then, and the line asked
  Instant outbox_resume_ = base::kNever;     ///< the server wanted none until then
  std::uint32_t outbox_pauses_ = 0;          ///< in a row
  Instant not_before_{};                     ///< bad credentials: no sooner, whatever happens
  Instant hurried_at_;                       ///< the last try that didn't wait for its time
  bool subscribed_ = false;                  ///< the server's session of ours has the subscription
  std::optional<wire::Urgency> said_;        ///< the urgency that the server was told of last
  bool foreground_ = false;

  std::uint64_t serial_ = 0;  ///< of the last Persist
  bool persisting_ = false;
  bool persist_again_ = false;
  bool held_ = false;
  bool hold_expired_ = false;
};

}  // namespace wakeline::link
