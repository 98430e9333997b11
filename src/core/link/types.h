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
#include "wire/mqtt.h"

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

inline constexpr std::size_t kCandidatesMax = 16;  ///< addresses of one resolution that are tried
inline constexpr std::size_t kRacingMax = 3;       ///< connections tried at once (link.md §3)
inline constexpr std::size_t kUnacceptedMax =
    64;  ///< pushes given to the app and not accepted yet; our Receive Maximum

struct Config {
  std::string host;
  std::uint16_t port = 8883;
  std::string device;  ///< client id and user name
  base::Bytes token;   ///< password
  Duration heartbeat = std::chrono::seconds(
      240);  ///< H: the kernel's keep-alive idle time, without a wake of the app
  Duration keep_alive = std::chrono::seconds(600);      ///< the application's ping (C33)
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
  Instant not_before{};              ///< the server asked for quiet until then (`retry-after`)

  /// Every push up to here was accepted: what CONNECT says as `received`.
  Sequence received() const { return unaccepted.empty() ? accepted_high : unaccepted.front() - 1; }
  friend bool operator==(const Memory&, const Memory&) = default;
};

/// One address to try; `text` is numeric ("127.0.0.1", "::1").
struct Address {
  bool ipv6 = false;
  std::string text;
  friend bool operator==(const Address&, const Address&) = default;
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
  friend bool operator==(const Delivery&, const Delivery&) = default;
};

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
  kOnline
};
std::string_view name(Why);

// --- actions
// -------------------------------------------------------------------------------------------------
/// Look the name up; answer with on_resolved or on_resolve_failed, with the generation.
struct Resolve {
  std::uint64_t generation;
  std::string host;
  std::uint16_t port;
  friend bool operator==(const Resolve&, const Resolve&) = default;
};
/// Connect TCP and TLS to that address; kernel keep-alive by `heartbeat` (C39); tag the socket;
/// answer with on_connected or on_failed.
struct Connect {
  AttemptId attempt;
  Address address;
  std::uint16_t port;
  Duration heartbeat;
  friend bool operator==(const Connect&, const Connect&) = default;
};
struct Write {
  AttemptId attempt;
  base::Bytes bytes;
  friend bool operator==(const Write&, const Write&) = default;
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

using Action =
    std::variant<Resolve, Connect, Write, Close, HoldAwake, LetGo, Persist, Deliver, Report>;
using Actions = base::BoundedList<Action, 512>;

}  // namespace wakeline::link
