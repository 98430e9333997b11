// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "base/bounded_list.h"
#include "base/time.h"
#include "wire/mqtt.h"

/// One device's session at the server: who may send it what, what is in flight, when its silence
/// means that it is gone.
namespace wakeline::session {

using base::Duration;
using base::Instant;
using wire::mqtt::Reason;
using wire::mqtt::Version;

/// A push's number in its device's inbox; rises by device and epoch, starts at 1.
using Sequence = std::uint64_t;

/// Limits of one server, shared by all its sessions.
struct Config {
  std::uint16_t receive_maximum = 64;  ///< most pushes in flight to a device, whatever it offers
  std::uint16_t keep_alive_max_s =
      3'600;  ///< a longer or absent keep-alive is answered with this Server Keep Alive
  std::uint32_t session_expiry_max_s = 0xFFFF'FFFF;
  std::uint64_t epoch = 0;  ///< of the store; another value tells clients to restart their count
  Duration spread{};        ///< W of link.md §2, told to every client
  friend bool operator==(const Config&, const Config&) = default;
};

/// A packet to write. Never a Publish: those are named by `Publish` below and built by the driver.
struct Write {
  wire::mqtt::Packet packet;
  friend bool operator==(const Write&, const Write&) = default;
};
/// Read the push of that sequence from the store and send it as PUBLISH QoS 1 under that packet id.
/// When the store has it no more (expired, replaced), call on_gone.
struct Publish {
  Sequence sequence;
  std::uint16_t packet_id;
  bool duplicate;  ///< sent before on this session
  friend bool operator==(const Publish&, const Publish&) = default;
};
/// Ask the store for at most `limit` sequences greater than `after`, and answer with on_pending.
struct FetchPending {
  Sequence after;
  std::uint16_t limit;
  friend bool operator==(const FetchPending&, const FetchPending&) = default;
};
/// Delete the push: its device has it.
struct Remove {
  Sequence sequence;
  friend bool operator==(const Remove&, const Remove&) = default;
};
/// Delete every push up to and including `sequence`: the device said that its app has accepted
/// them.
struct RemoveThrough {
  Sequence sequence;
  friend bool operator==(const RemoveThrough&, const RemoveThrough&) = default;
};
/// Close the connection, after a DISCONNECT or CONNACK where one was written.
struct CloseLink {
  Reason reason;
  friend bool operator==(const CloseLink&, const CloseLink&) = default;
};

using Action = std::variant<Write, Publish, FetchPending, Remove, RemoveThrough, CloseLink>;
using Actions = base::BoundedList<Action, 256>;

/// The session of one device. A value; small, because a server holds very many that sleep: while
/// nothing is in flight it owns no heap memory. The device's name and token stay with the driver:
/// it authenticates before on_connect.
class Session {
 public:
  /// An authenticated CONNECT on a new connection. An older connection of the device was closed by
  /// the driver (kSessionTakenOver) before.
  void on_connect(Instant now, const Config& config, const wire::mqtt::Connect& connect,
                  Actions& out);
  /// Any later packet. A protocol error is answered as the standard says and ends in CloseLink.
  void on_packet(Instant now, const Config& config, const wire::mqtt::Packet& packet, Actions& out);
  /// Bytes that are no packet.
  void on_malformed(Instant now, base::ErrorCode error, Actions& out);
  /// The connection is gone. What was in flight waits in the store.
  void on_closed(Instant now);
  /// A push was stored durably under this number. Numbers of one device come in rising order.
  void on_push_stored(Instant now, const Config& config, Sequence sequence, Actions& out);
  /// The store's answer to FetchPending, rising; fewer than `limit` means that there are no more.
  void on_pending(Instant now, const Config& config, std::span<const Sequence> sequences, bool more,
                  Actions& out);
  /// The store has that push no more.
  void on_gone(Instant now, const Config& config, Sequence sequence, Actions& out);
  /// The server stops or moves: DISCONNECT with `drain`, and close.
  void on_server_stopping(Instant now, Duration drain, Actions& out);

  bool online() const { return online_; }
  Version version() const { return version_; }
  std::size_t in_flight() const { return in_flight_.size(); }

  Instant next_deadline() const { return silent_at_; }
  void on_deadline(Instant now, Actions& out);

  friend bool operator==(const Session&, const Session&) = default;

 private:
  struct InFlight {
    Sequence sequence;
    std::uint16_t packet_id;
    friend bool operator==(const InFlight&, const InFlight&) = default;
  };

  void fetch_more(const Config& config, Actions& out);

  Instant silent_at_ = base::kNever;  ///< 1.5 × keep-alive after the last packet (§3.1.2.10)
  Sequence sent_through_ = 0;         ///< the highest sequence published on this connection
  Sequence stored_through_ = 0;       ///< the highest that the store is known to hold
  std::vector<InFlight> in_flight_;
  std::uint16_t keep_alive_s_ = 0;
  std::uint16_t window_ = 0;  ///< min(config, the device's Receive Maximum)
  std::uint16_t next_packet_id_ = 1;
  Version version_ = Version::k5;
  bool online_ = false;
  bool fetching_ = false;
};

}  // namespace wakeline::session
