// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bounded_list.h"
#include "base/boxed.h"
#include "base/bytes.h"
#include "base/time.h"
#include "wire/mqtt.h"
#include "wire/push.h"

/// One device's session at the server: who may send it what, what is in flight, when its silence
/// means that it is gone.
namespace wakeline::session {

using base::Duration;
using base::Instant;
using wire::mqtt::Reason;
using wire::mqtt::Version;

/// A push's number in its device's inbox; rises by device and epoch, starts at 1.
using Sequence = std::uint64_t;

/// Pushes in flight to one device, whatever a configuration says; bounds one event's actions.
inline constexpr std::uint16_t kInFlightMax = 128;
/// Reports of one device that wait for the disk: our Receive Maximum (§3.2.2.3.3).
inline constexpr std::uint16_t kReportsMax = 16;
/// Topic aliases that a device may set: it has three topics of its own.
inline constexpr std::uint16_t kTopicAliasMax = 4;
/// SUBSCRIBEs and UNSUBSCRIBEs of one device that wait for the disk.
inline constexpr std::size_t kGroupRequestsMax = 4;
/// All that one device has waiting for the disk, over its connections: reports, also those with QoS
/// 0, and groups. Whoever says more is sent away: the disk is there for all. Origin: four requests
/// of wire::mqtt::kTopicsMax groups.
inline constexpr std::size_t kWaitingMax = kGroupRequestsMax * wire::mqtt::kTopicsMax;

/// A device that takes smaller packets, in bytes, gets no reason strings and user properties
/// (§3.1.2.11.4).
inline constexpr std::uint32_t kRoomy = 256;

/// What a device may publish: one bit for each wire::ReportKind.
using Rights = std::uint8_t;
inline constexpr Rights kAllRights = (1U << wire::kReportKinds) - 1;

/// What the store has of a device's quiet.
struct Quiet {
  wire::Urgency lowest = wire::Urgency::kVeryLow;  ///< of the pushes that it takes
  /// Where quiet was last over: some numbers up to it were withheld, and never come; 0: none.
  Sequence through = 0;
  friend bool operator==(const Quiet&, const Quiet&) = default;
};

/// Limits of one server, shared by all its sessions.
struct Config {
  std::uint16_t receive_maximum = 64;  ///< most pushes in flight to a device, whatever it offers
  std::uint16_t keep_alive_max_s =
      3'600;  ///< a longer or absent keep-alive is answered with this Server Keep Alive
  std::uint32_t session_expiry_max_s = 0xFFFF'FFFF;
  std::uint64_t epoch = 0;  ///< of the store; another value tells clients to restart their count
  Duration spread{};        ///< W of link.md §2, told to every client
  bool probes = false;      ///< the driver serves connections that say `probe`; told to clients
  friend bool operator==(const Config&, const Config&) = default;
};

/// A packet to write. Never a Publish: those are named by `Publish` below and built by the driver.
struct Write {
  wire::mqtt::Packet packet;
  friend bool operator==(const Write&, const Write&) = default;
};
/// Read the push of that sequence from the store and send it as PUBLISH QoS 1 under that packet id.
/// When the store has it no more (expired, replaced) or it is larger than packet_max(), call
/// on_gone; when no subscription asks for it, on_unwanted; when one with QoS 0 does (sends_once),
/// send it without a packet id and call on_sent_once.
struct Publish {
  Sequence sequence;
  std::uint16_t packet_id;
  bool duplicate;  ///< sent before in this session
  /// Says with it that numbers up to here may be missing because of quiet (`withheld`); 0: nothing.
  Sequence withheld = 0;
  friend bool operator==(const Publish&, const Publish&) = default;
};
/// Ask the store for at most `limit` sequences greater than `after`, and answer with on_pending.
/// The answer sees at least every push that on_push_stored had named before.
struct FetchPending {
  std::uint32_t id;  ///< to be echoed: an answer to an older question does nothing
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
/// Store what the device published (or left as its will), durably, then call on_report_stored, also
/// when its connection is gone.
struct Report {
  wire::ReportKind kind;
  std::uint16_t packet_id;  ///< 0: nobody waits for it (QoS 0, or a will)
  base::Bytes body;
  std::string content_type;
  base::Bytes correlation;
  std::string key = {};  ///< idempotency key; empty: none
  friend bool operator==(const Report&, const Report&) = default;
};
/// The device asks to join or leave a group. Check that it may, make it durable, then call
/// on_group_done, also when its connection is gone.
struct ChangeGroup {
  std::uint16_t packet_id;
  std::uint16_t index;  ///< which of the packet's filters
  bool join;
  std::string group;
  friend bool operator==(const ChangeGroup&, const ChangeGroup&) = default;
};
/// Make it durable that of this device's pushes only those of that urgency, or higher ones, go out,
/// now and for those to come; then call on_urgency_set, or on_urgency_failed. Lower ones are
/// withheld; when the device takes them again, they get new numbers, above all others. One of a
/// session is under way at a time.
struct SetUrgency {
  /// Nothing is withheld of what is in the store already.
  static constexpr Sequence kNone = ~Sequence{0};
  wire::Urgency lowest;
  Sequence after;  ///< of what is in the store already, only numbers above it are withheld
  friend bool operator==(const SetUrgency&, const SetUrgency&) = default;
};
/// A clean start: the device leaves every group.
struct LeaveGroups {
  friend bool operator==(const LeaveGroups&, const LeaveGroups&) = default;
};
/// Close the connection, after a DISCONNECT or CONNACK where one was written.
struct CloseLink {
  Reason reason;
  friend bool operator==(const CloseLink&, const CloseLink&) = default;
};

using Action = std::variant<Write, Publish, FetchPending, Remove, RemoveThrough, CloseLink, Report,
                            ChangeGroup, LeaveGroups, SetUrgency>;
/// The longest list: a SUBSCRIBE with groups alone, its answer, an urgency and a fetch.
using Actions = base::BoundedList<Action, 2 * wire::mqtt::kTopicsMax>;

/// "PUBLISH seq=7 id=3 dup": one line for traces; never a password or payload.
std::string to_line(const Action& action);

/// What a device is told that may not do what it asks for.
struct Refusal {
  Reason reason;
  const char* what;
};
/// Why the CONNECT of a device that has authenticated is not accepted; nothing where it is. To be
/// asked before an older connection of the device is ended for it (MQTT-3.1.4-3).
std::optional<Refusal> refusal_of(std::string_view device, const wire::mqtt::Connect& connect,
                                  Rights rights);

/// The session of one device. A value; small, because a server holds very many that sleep: while
/// nothing is in flight it owns no heap memory. The device's name and token stay with the driver,
/// which authenticates before on_connect and passes the name where it is needed.
///
/// The queue is the store's, not the session's: pushes flow while the device is subscribed to its
/// inbox, and wait in the store otherwise. CONNECT with our property `attempt` subscribes as well.
/// A clean start or the session's end forgets the subscription and what was in flight, never a
/// push.
class Session {
 public:
  /// An authenticated CONNECT on a new connection. An older connection of the device was ended
  /// before (on_expelled with kSessionTakenOver, on_closed).
  void on_connect(Instant now, const Config& config, std::string_view device,
                  const wire::mqtt::Connect& connect, Actions& out, Rights rights = kAllRights,
                  const Quiet& quiet = {});
  /// Whether a CONNECT is of an older attempt of our own client than the one that is online: it
  /// came late, and must not take the device over.
  bool outdates(const Config& config, const wire::mqtt::Connect& connect) const;
  /// Of the connection that is online; 0: it said none.
  std::uint64_t attempt() const { return attempt_; }
  /// Any later packet. A protocol error is answered as the standard says and ends in CloseLink.
  void on_packet(Instant now, const Config& config, std::string_view device,
                 const wire::mqtt::Packet& packet, Actions& out);
  /// Bytes that are no packet.
  void on_malformed(Instant now, base::ErrorCode error, Actions& out);
  /// The connection is gone. What was in flight waits in the store.
  void on_closed(Instant now);
  /// A push was stored durably under this number. Numbers of one device come in rising order.
  void on_push_stored(Instant now, const Config& config, Sequence sequence, Actions& out);
  /// The store's answer to FetchPending, rising; `more`: there are others above the last one, which
  /// is only so when `sequences` is not empty.
  void on_pending(Instant now, const Config& config, std::uint32_t id,
                  std::span<const Sequence> sequences, bool more, Actions& out);
  /// The store has that push no more.
  void on_gone(Instant now, const Config& config, Sequence sequence, Actions& out);
  /// No subscription asks for that push, see subscription_for: it waits for one that does.
  void on_unwanted(Instant now, const Config& config, Sequence sequence, Actions& out);
  /// That push was queued with QoS 0: nobody will acknowledge it.
  void on_sent_once(Sequence sequence);
  /// Everything that was queued is the kernel's: what went with QoS 0 is done with.
  void on_written(Actions& out);
  /// Whether on_written would change anything.
  bool awaits_writing() const { return std::ranges::any_of(in_flight_, &InFlight::once); }
  /// The report of that packet id is durable (kSuccess), or why not. `packet_id` 0: nobody waits
  /// for it, or who did was on a connection that is gone.
  void on_report_stored(Instant now, std::uint16_t packet_id, Reason reason, Actions& out);
  /// What became of ChangeGroup: kSuccess, kNotAuthorized, kQuotaExceeded (the group is full),
  /// kNoSubscriptionExisted, kUnspecified.
  /// `packet_id` 0: of a connection that is gone.
  void on_group_done(Instant now, std::uint16_t packet_id, std::uint16_t index,
                     std::string_view group, Reason reason, Actions& out);
  /// What SetUrgency asked for is durable. `highest`: the highest number that the device has now.
  void on_urgency_set(const Quiet& quiet, Sequence highest, Actions& out);
  /// It could not be made durable: the device hears at its next CONNECT what counts.
  void on_urgency_failed(Instant now, Actions& out);
  /// The server stops or moves: DISCONNECT with `drain`, and close.
  void on_server_stopping(Instant now, Duration drain, Actions& out);
  /// The driver ends the connection: taken over, device removed, store failed.
  void on_expelled(Instant now, Reason reason, Actions& out);

  /// The session as bytes, for another process of the same machine; without SUBSCRIBEs that wait
  /// for the store, which the driver answers before.
  void freeze(base::Bytes& out) const;
  /// Nothing for bytes of another build or kind.
  static std::optional<Session> thaw(base::BytesView bytes);
  /// After `thaw`: goes on with what it was about to ask.
  void on_thawed(Instant now, const Config& config, Actions& out);

  /// What it may publish from now on.
  void set_rights(Rights rights) { rights_ = rights; }

  /// Pushes below it are withheld, and not to be told by on_push_stored.
  wire::Urgency lowest_urgency() const { return lowest_; }

  bool online() const { return online_; }
  /// Whether pushes flow: online and subscribed.
  bool receiving() const { return online_ && subscribed(); }
  /// Which subscription a push belongs to: one to a group comes under the group's topic where the
  /// device subscribed to that, and any other under the inbox (MQTT-3.3.2-3). `group` empty: the
  /// push is to the device itself.
  enum class Subscription : std::uint8_t { kNone, kInbox, kGroup };
  Subscription subscription_for(std::string_view group) const;
  /// Whether that subscription was granted QoS 0, as it asked (MQTT-3.8.4-8).
  bool sends_once(Subscription subscription, std::string_view group) const;
  Version version() const { return version_; }
  std::size_t in_flight() const { return in_flight_.size(); }
  /// The largest packet that the device takes, in bytes.
  std::uint32_t packet_max() const { return packet_max_; }
  /// Reports and groups that wait for the disk, of former connections too.
  std::size_t waiting() const { return extra_ ? extra_->waiting : 0; }
  /// Offline, nothing to remember, and no answer to come: the driver may drop the value.
  bool forgettable() const {
    return !online_ && !exists_ && !settling_ && waiting() == 0 && will_at() == base::kNever;
  }
  /// Whether the device takes a topic alias from us; one is enough, for its inbox.
  bool takes_topic_alias() const { return online_ && topic_alias_; }

  /// Online: when the device's silence is too long. Offline: when the session expires.
  Instant next_deadline() const { return std::min(deadline_, will_at()); }
  void on_deadline(Instant now, Actions& out);

  friend bool operator==(const Session&, const Session&) = default;

 private:
  struct InFlight {
    Sequence sequence;
    std::uint16_t packet_id;
    bool sent;             ///< on this connection: it counts against the window
    bool once = false;     ///< with QoS 0; of this connection
    bool telling = false;  ///< sent with `withheld`
    friend bool operator==(const InFlight&, const InFlight&) = default;
  };

  /// SUBSCRIBE or UNSUBSCRIBE that waits for its groups.
  struct GroupRequest {
    std::uint16_t packet_id;
    std::uint16_t waits;  ///< for so many of its filters
    bool join;
    std::vector<Reason> reasons;
    friend bool operator==(const GroupRequest&, const GroupRequest&) = default;
  };
  /// What few devices have: a sleeping one that only receives owns none of it.
  struct Extra {
    std::vector<wire::mqtt::Will> will;        ///< at most one
    Instant will_at = base::kNever;            ///< offline: when it is due
    std::size_t waiting = 0;                   ///< Report and ChangeGroup without an answer
    std::vector<std::uint16_t> reports;        ///< packet ids of them; of this connection
    std::vector<std::string> aliases;          ///< by number - 1; of this connection
    std::vector<GroupRequest> group_requests;  ///< at most kGroupRequestsMax; of this connection
    std::vector<std::string> groups;           ///< joined in this session, by name
    std::vector<std::string> once_groups;      ///< of those the ones with QoS 0, by name
    /// Quiet is over on this connection: told with each push until one of them is acknowledged.
    Sequence withheld_through = 0;
    friend bool operator==(const Extra&, const Extra&) = default;
  };

  bool thaw_extra(base::ByteReader& reader, bool with_quiet);
  bool in_group() const { return extra_ && !extra_->groups.empty(); }
  bool subscribed() const { return subscribed_ || in_group(); }
  void begin_reading();
  Instant will_at() const { return extra_ ? extra_->will_at : base::kNever; }
  void leave_will(Instant now);
  void publish_will(Actions& out);
  void drop_connection_state();
  void answer(const GroupRequest& request, Actions& out);
  void ask_for(wire::Urgency lowest, Sequence after, Actions& out);
  void heard(Instant now);
  void disconnect(Instant now, Reason reason, const char* what, Actions& out);
  void forget();
  void accept(const Config& config, const wire::mqtt::Connect& connect);
  wire::mqtt::Connack connack(const Config& config, std::string_view device,
                              const wire::mqtt::Connect& connect, bool present,
                              Sequence withheld_through) const;
  void on_subscribe(Instant now, std::string_view device, const wire::mqtt::Subscribe& subscribe,
                    Actions& out);
  void on_unsubscribe(Instant now, std::string_view device,
                      const wire::mqtt::Unsubscribe& unsubscribe, Actions& out);
  void tell(Report report, Actions& out);
  bool take_group_request(Instant now, const GroupRequest& request, Actions& out);
  void on_publish(Instant now, std::string_view device, const wire::mqtt::Publish& publish,
                  Actions& out);
  void on_ack(Instant now, const wire::mqtt::Ack& ack, Actions& out);
  void on_disconnect(Instant now, const Config& config, const wire::mqtt::Disconnect& packet,
                     Actions& out);
  std::size_t unacknowledged() const;
  void publish(Sequence sequence, Actions& out);
  void send(InFlight& push, bool duplicate, Actions& out);
  void pump(Actions& out);
  std::uint16_t take_packet_id();

  Instant deadline_ = base::kNever;  ///< 1.5 × keep-alive after the last packet (§3.1.2.10)
  Sequence sent_through_ = 0;        ///< the highest sequence published in this session
  Sequence stored_through_ = 0;      ///< the highest that the store is known to have held
  Sequence fetch_through_ = 0;       ///< `stored_through_` when the question was asked
  std::uint64_t attempt_ = 0;        ///< of the connection that is online; 0: it said none
  base::Boxed<Extra> extra_;
  std::vector<InFlight> in_flight_;  ///< rising by sequence; first those that were sent
  std::uint32_t session_expiry_s_ = 0;
  std::uint32_t packet_max_ = wire::mqtt::kPacketMax;
  std::uint32_t fetch_id_ = 0;
  std::uint16_t keep_alive_s_ = 0;
  std::uint16_t window_ = 0;  ///< min(config, the device's Receive Maximum)
  std::uint16_t next_packet_id_ = 1;
  Rights rights_ = kAllRights;
  Version version_ = Version::k5;
  wire::Urgency lowest_ = wire::Urgency::kVeryLow;  ///< of the pushes that go out
  bool settling_ = false;  ///< SetUrgency is under way: no push goes out before its answer
  bool spares_ = false;    ///< another is to come, with SetUrgency::kNone
  bool online_ = false;
  bool exists_ = false;      ///< the standard's session state is there: "session present"
  bool subscribed_ = false;  ///< to its inbox
  bool once_ = false;        ///< that with QoS 0
  bool topic_alias_ = false;
  bool fetching_ = false;
  bool unwanted_ = false;  ///< some up to `sent_through_` wait for a subscription
  bool rereads_ = false;   ///< there is one now: from the beginning, when nothing is in flight
  bool unasked_ = false;   ///< the store holds, or may hold, pushes that were never announced to us
};

}  // namespace wakeline::session
