// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bounded_list.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/strong_id.h"
#include "base/time.h"
#include "core/link/network.h"
#include "wire/mqtt.h"
#include "wire/push.h"

/// The values that go into and come out of the client's connection keeper; `link.h` holds the
/// machine.
namespace wakeline::link {

using base::Duration;
using base::Instant;

/// One try at a connection; rises for ever within a link. Results of an older one are dropped
/// (C32).
using AttemptId = base::StrongId<struct AttemptTag>;
/// One push given to the app in this process; rises for ever within a link.
using DeliveryId = base::StrongId<struct DeliveryTag>;
using Sequence = std::uint64_t;

inline constexpr std::size_t kRacingMax = 3;  ///< connections tried at once (link.md §3)
inline constexpr std::size_t kUnacceptedMax =
    64;  ///< pushes given to the app and not accepted yet; our Receive Maximum
inline constexpr std::size_t kOutboxMax = 64;       ///< messages of the app that wait
inline constexpr std::size_t kOutboxWindow = 16;    ///< of them in flight, as our server takes them
inline constexpr std::size_t kOutboxWordMax = 256;  ///< bytes of a topic, a type, a correlation
/// The longest that a message waits, as a push does.
inline constexpr Duration kOutboxTimeMax = std::chrono::hours(24 * 28);

struct Config {
  std::string host;
  std::uint16_t port = 8883;
  std::string device;                               ///< client id and user name
  base::Bytes token;                                ///< password
  std::vector<std::uint16_t> more_ports;            ///< tried after `port`, for instance 443
  HeartbeatPolicy heartbeat;                        ///< H: what keeps the NATs' memory
  Duration keep_alive = std::chrono::seconds(600);  ///< the application's ping (C33)
  /// The kernel sends a keep-alive every H while the app sleeps (link.md §0). False where it sleeps
  /// too: then the link itself speaks, in windows [0.75 H, H] that next_wake() names.
  bool kernel_keeps_alive = true;
  Duration connect_timeout = std::chrono::seconds(10);  ///< for one attempt: TCP, TLS and CONNACK
  Duration stagger =
      std::chrono::milliseconds(250);  ///< head start of each candidate over the next
  Duration ping_timeout_min = std::chrono::seconds(1);
  /// Ping by a timer of the link. False under a host: its keep-alive handler is the clock then
  /// (on_woken), and no timer runs while the app sleeps. In the foreground the timer runs anyway.
  bool ping_by_timer = true;
  std::uint32_t session_expiry_s = 0xFFFF'FFFF;
  friend bool operator==(const Config&, const Config&) = default;
};

/// What outlives the process: written whole, by rename. `memory.h` has its text.
/// Every push up to `accepted_high` was accepted by the app, but for those in `unaccepted`. They
/// are in flight at the server, so that its window bounds them.
struct Memory {
  std::uint64_t epoch = 0;           ///< of the server's store; 0: never heard
  Sequence accepted_high = 0;        ///< the highest push that the app accepted
  std::vector<Sequence> unaccepted;  ///< below it, rising; at most kUnacceptedMax
  std::uint64_t attempts = 0;        ///< attempt epochs up to here may have been used
  Duration spread{};                 ///< the server's last W in whole ms; zero: never heard
  /// The server asked for quiet until then (`retry-after`); over with the next login. Kept by the
  /// wall clock in the text, so that it holds over a restart of the machine.
  Instant not_before{};
  /// The app takes pushes of that urgency or a higher one; nothing: it never said.
  std::optional<wire::Urgency> lowest;
  /// The server withholds some, or has, and has not said yet up to where: numbers that are passed
  /// over may come yet, under other numbers.
  bool withheld = false;
  Networks networks;  ///< what was learnt of each

  /// Every push up to here was accepted: what CONNECT says as `received`.
  Sequence received() const { return unaccepted.empty() ? accepted_high : unaccepted.front() - 1; }
  friend bool operator==(const Memory&, const Memory&) = default;
};

/// What the driver knows of the machine's network. Compared as a whole: an event that changes
/// nothing of it is none.
struct NetworkFacts {
  bool online = true;    ///< any usable address; a hint, never a reason to do nothing (C31)
  std::string key = {};  ///< of the network that carries new connections; see is_network_key
  std::uint64_t fingerprint = 0;    ///< of addresses, routes, name servers
  bool local_address_gone = false;  ///< the live connection's own
  friend bool operator==(const NetworkFacts&, const NetworkFacts&) = default;
};

/// What the kernel knows of the live connection, asked at a wake before anything is sent.
struct LineFacts {
  bool ended = false;         ///< POLLERR, POLLHUP, or an error waits in the socket
  bool address_gone = false;  ///< its own address is no longer the machine's
  bool resending = false;     ///< bytes of ours were sent again and are not acknowledged
  friend bool operator==(const LineFacts&, const LineFacts&) = default;
};

/// When a wake would be of use. `latest` kNever: never.
struct WakeWindow {
  Instant earliest = base::kNever;
  Instant latest = base::kNever;
  friend bool operator==(const WakeWindow&, const WakeWindow&) = default;
};

/// A push as the app gets it.
struct Delivery {
  DeliveryId id;          ///< what accept() takes
  Sequence sequence = 0;  ///< 0 from a broker that numbers nothing
  /// The server says that it sent it before, so an earlier run of this app may have had it. False
  /// proves nothing: a server that was restarted does not know.
  bool duplicate = false;
  std::string topic;
  base::Bytes payload;
  std::string urgency;
  std::string encoding = {};  ///< of the payload, a BodyEncoding's name; empty: our JSON, or unsaid
  friend bool operator==(const Delivery&, const Delivery&) = default;
};

/// A message of the app for its server.
struct Message {
  std::uint64_t number = 0;  ///< rises with each; given by the outbox
  std::string key;           ///< visible ASCII: a message that comes twice is one
  std::string topic;
  std::string content_type = {};
  base::Bytes correlation = {};
  base::Bytes body = {};
  Instant until = base::kNever;  ///< of no use any more then
  friend bool operator==(const Message&, const Message&) = default;
};

enum class SendResult : std::uint8_t { kSent, kExpired, kRefused };
std::string_view name(SendResult);

enum class State : std::uint8_t { kStopped, kNoNetwork, kWaiting, kConnecting, kReady };
std::string_view name(State);

/// Why the link is in its state; a stable word for people, logs and metrics.
enum class Why : std::uint8_t {
  kNone,
  kStarted,
  kRetry,  ///< the wait is over
  kWoken,
  kStoppedByApp,
  kResolveFailed,
  kConnectFailed,
  kTlsFailed,
  kRefused,
  kBadCredentials,
  kPeerClosed,
  kPeerSilent,
  kProtocolError,
  kServerBusy,
  kServerDraining,
  kTakenOver,
  kNetworkChanged,
  kPeerReset,  ///< by the peer or a NAT on the way
  kOnline
};
std::string_view name(Why);

// --- actions
// -------------------------------------------------------------------------------------------------
/// Look the name up; answer with on_resolved or on_resolve_failed, with the generation; before
/// that, where one family is quicker, with on_resolved_in_part.
struct Resolve {
  std::uint64_t generation;
  std::string host;
  std::uint16_t port;
  friend bool operator==(const Resolve&, const Resolve&) = default;
};
/// Connect TCP and TLS to that address; kernel keep-alive by `heartbeat` (C39), none where it is
/// zero; tag the socket, but for a probe; answer with on_connected or on_failed. Where TLS is used,
/// and not for a probe, on_tcp comes before: TLS begins with Secure.
struct Connect {
  AttemptId attempt;
  Address address;
  std::uint16_t port;
  Duration heartbeat;
  bool probe = false;  ///< a second flow, idle on purpose, that finds out what a NAT bears
  friend bool operator==(const Connect&, const Connect&) = default;
};
/// TCP of that attempt stands: begin TLS. At most one handshake is under way until it is late.
struct Secure {
  AttemptId attempt;
  friend bool operator==(const Secure&, const Secure&) = default;
};
struct Write {
  AttemptId attempt;
  base::Bytes bytes;
  friend bool operator==(const Write&, const Write&) = default;
};
/// The kernel's keep-alive of that connection has another idle time now.
struct SetHeartbeat {
  AttemptId attempt;
  Duration heartbeat;
  friend bool operator==(const SetHeartbeat&, const SetHeartbeat&) = default;
};
struct Close {
  AttemptId attempt;
  friend bool operator==(const Close&, const Close&) = default;
};
/// Hold a background task while work is under way; LetGo ends it. At most one is held.
struct HoldAwake {
  Why why;
  friend bool operator==(const HoldAwake&, const HoldAwake&) = default;
};
struct LetGo {
  friend bool operator==(const LetGo&, const LetGo&) = default;
};
/// Write `memory` durably, then answer with on_persisted(serial). At most one is under way; a disk
/// that fails is retried by the driver.
struct Persist {
  std::uint64_t serial;
  Memory memory;
  friend bool operator==(const Persist&, const Persist&) = default;
};
/// Give the push to the app; when the app has taken it, call accept(delivery.id).
struct Deliver {
  Delivery delivery;
  friend bool operator==(const Deliver&, const Deliver&) = default;
};
/// The state changed; exactly one a change. `until` for kWaiting.
struct Report {
  State state;
  Why why;
  Instant until;
  std::string detail;  ///< the server's reason string, if any
  friend bool operator==(const Report&, const Report&) = default;
};

/// Write the app's outbox durably, then answer with on_outbox_stored or on_outbox_failed. At most
/// one is under way.
struct StoreOutbox {
  std::uint64_t serial;
  std::vector<Message> messages;
  friend bool operator==(const StoreOutbox&, const StoreOutbox&) = default;
};
/// Tell the app what became of its message; when it knows, call outcome_taken(number).
struct Outcome {
  std::uint64_t number;
  std::string key;
  SendResult result;
  bool maybe_received;  ///< it went out, and no answer came in time
  std::string detail;   ///< why it was refused
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
/// Tell the app that pushes which the server had accepted never come: expired, replaced, withdrawn.
struct Missed {
  Sequence first;
  Sequence last;
  std::uint64_t count;  ///< of the numbers between them
  friend bool operator==(const Missed&, const Missed&) = default;
};

using Action = std::variant<Resolve, Connect, Secure, Write, SetHeartbeat, Close, HoldAwake, LetGo,
                            Persist, Deliver, Report, StoreOutbox, Outcome, Missed>;
using Actions = base::BoundedList<Action, 512>;

}  // namespace wakeline::link
