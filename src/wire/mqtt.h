// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

/// MQTT control packets as values, and their bytes: versions 3.1.1 and 5.0, both roles.
/// Source: OASIS MQTT 5.0 and 3.1.1; section numbers below are those of 5.0.
namespace wakeline::wire::mqtt {

/// The protocol's version, as the CONNECT packet names it.
enum class Version : std::uint8_t { k311 = 4, k5 = 5 };

/// The largest packet that we accept and send, fixed header included, in bytes. Origin: a push is
/// at most 4,096 B of body (RFC 8030 §7.2) and its properties; the rest is room for other brokers'
/// messages.
inline constexpr std::size_t kPacketMax = 65'536;
/// The largest CONNECT that is read before the peer has authenticated, in bytes.
inline constexpr std::size_t kConnectMax = 4'096;
/// Topics, filters or reasons in one packet; more is kUnsupported. Each takes more memory than
/// bytes.
inline constexpr std::size_t kTopicsMax = 256;
/// User properties that are kept of one packet. The standard knows no bound, and a broker passes on
/// all that a publisher gave: a packet with more is read without the rest, see `is_cut`.
inline constexpr std::size_t kUserPropertiesMax = 16;

enum class Qos : std::uint8_t { kAtMostOnce = 0, kAtLeastOnce = 1, kExactlyOnce = 2 };

/// Reason codes that we send or act on. Source: §2.4. Others pass through as numbers.
enum class Reason : std::uint8_t {
  kSuccess = 0x00,      ///< of a SUBACK: granted QoS 0
  kGrantedQos1 = 0x01,  ///< SUBACK alone
  kDisconnectWithWill = 0x04,
  kNoMatchingSubscribers = 0x10,
  kNoSubscriptionExisted = 0x11,
  kUnspecified = 0x80,
  kMalformedPacket = 0x81,
  kProtocolError = 0x82,
  kImplementationSpecific = 0x83,
  kUnsupportedVersion = 0x84,
  kClientIdNotValid = 0x85,
  kBadCredentials = 0x86,
  kNotAuthorized = 0x87,
  kServerUnavailable = 0x88,
  kServerBusy = 0x89,
  kServerShuttingDown = 0x8B,
  kBadAuthMethod = 0x8C,
  kKeepAliveTimeout = 0x8D,
  kSessionTakenOver = 0x8E,
  kTopicFilterInvalid = 0x8F,
  kTopicNameInvalid = 0x90,
  kPacketIdInUse = 0x91,
  kPacketIdNotFound = 0x92,
  kReceiveMaximumExceeded = 0x93,
  kTopicAliasInvalid = 0x94,
  kPacketTooLarge = 0x95,
  kQuotaExceeded = 0x97,
  kAdministrativeAction = 0x98,
  kQosNotSupported = 0x9B,
  kUseAnotherServer = 0x9C,
  kRetainNotSupported = 0x9A,
  kSharedNotSupported = 0x9E,
  kConnectionRateExceeded = 0x9F,
  kSubscriptionIdsNotSupported = 0xA1,
};

/// The properties of any packet; a packet's codec accepts only those that §2.2.2.2 allows there,
/// and each once.
struct Properties {
  std::optional<std::uint8_t> payload_format;
  std::optional<std::uint32_t> message_expiry_s;
  std::optional<std::string> content_type;
  std::optional<std::string> response_topic;
  std::optional<base::Bytes> correlation_data;
  std::optional<std::uint32_t> subscription_id;
  std::optional<std::uint32_t> session_expiry_s;
  std::optional<std::string> assigned_client_id;
  std::optional<std::uint16_t> server_keep_alive_s;
  std::optional<std::string> auth_method;
  std::optional<base::Bytes> auth_data;
  std::optional<std::uint8_t> request_problem_information;
  std::optional<std::uint32_t> will_delay_s;
  std::optional<std::uint8_t> request_response_information;
  std::optional<std::string> response_information;
  std::optional<std::string> server_reference;
  std::optional<std::string> reason_string;
  std::optional<std::uint16_t> receive_maximum;
  std::optional<std::uint16_t> topic_alias_maximum;
  std::optional<std::uint16_t> topic_alias;
  std::optional<std::uint8_t> maximum_qos;
  std::optional<std::uint8_t> retain_available;
  std::vector<std::pair<std::string, std::string>> user;  ///< at most kUserPropertiesMax
  bool more_user = false;  ///< there were further ones, which are left out
  std::optional<std::uint32_t> maximum_packet_size;
  std::optional<std::uint8_t> wildcard_available;
  std::optional<std::uint8_t> subscription_ids_available;
  std::optional<std::uint8_t> shared_available;

  /// The first user property of that name.
  std::optional<std::string_view> user_value(std::string_view name) const;
  friend bool operator==(const Properties&, const Properties&) = default;
};

struct Will {
  std::string topic;
  base::Bytes payload{};
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  Properties properties{};
  friend bool operator==(const Will&, const Will&) = default;
};

struct Connect {
  Version version = Version::k5;
  bool clean_start = true;
  std::uint16_t keep_alive_s = 0;  ///< 0: none
  std::string client_id;
  std::optional<std::string> user_name{};
  std::optional<base::Bytes> password{};
  std::optional<Will> will{};
  Properties properties{};
  friend bool operator==(const Connect&, const Connect&) = default;
};

/// `reason` of a 3.1.1 peer is the return code 0–5 mapped to the 5.0 reason of the same meaning,
/// and back.
struct Connack {
  bool session_present = false;
  Reason reason = Reason::kSuccess;
  Properties properties{};
  friend bool operator==(const Connack&, const Connack&) = default;
};

struct Publish {
  std::string topic;
  base::Bytes payload{};
  Qos qos = Qos::kAtMostOnce;
  bool retain = false;
  bool duplicate = false;
  std::uint16_t packet_id = 0;  ///< 0 with QoS 0 only
  Properties properties{};
  friend bool operator==(const Publish&, const Publish&) = default;
};

/// PUBACK, PUBREC, PUBREL and PUBCOMP have one shape.
enum class AckKind : std::uint8_t { kPuback = 4, kPubrec = 5, kPubrel = 6, kPubcomp = 7 };
struct Ack {
  AckKind kind = AckKind::kPuback;
  std::uint16_t packet_id = 0;
  Reason reason = Reason::kSuccess;
  Properties properties{};
  friend bool operator==(const Ack&, const Ack&) = default;
};

struct TopicRequest {
  std::string filter;
  Qos qos = Qos::kAtMostOnce;
  bool no_local = false;
  bool retain_as_published = false;
  std::uint8_t retain_handling = 0;
  friend bool operator==(const TopicRequest&, const TopicRequest&) = default;
};
struct Subscribe {
  std::uint16_t packet_id = 0;
  std::vector<TopicRequest> topics{};
  Properties properties{};
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};
/// SUBACK; `reasons` holds the granted QoS (0–2) or a reason ≥ 0x80 for each topic.
struct Suback {
  std::uint16_t packet_id = 0;
  std::vector<Reason> reasons{};
  Properties properties{};
  friend bool operator==(const Suback&, const Suback&) = default;
};
struct Unsubscribe {
  std::uint16_t packet_id = 0;
  std::vector<std::string> filters{};
  Properties properties{};
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};
struct Unsuback {
  std::uint16_t packet_id = 0;
  std::vector<Reason> reasons{};
  Properties properties{};
  friend bool operator==(const Unsuback&, const Unsuback&) = default;
};
struct Pingreq {
  friend bool operator==(const Pingreq&, const Pingreq&) = default;
};
struct Pingresp {
  friend bool operator==(const Pingresp&, const Pingresp&) = default;
};
struct Disconnect {
  Reason reason = Reason::kSuccess;
  Properties properties{};
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};
struct Auth {
  Reason reason = Reason::kSuccess;
  Properties properties{};
  friend bool operator==(const Auth&, const Auth&) = default;
};

using Packet = std::variant<Connect, Connack, Publish, Ack, Subscribe, Suback, Unsubscribe,
                            Unsuback, Pingreq, Pingresp, Disconnect, Auth>;

/// What the front of a stream holds.
struct Decoded {
  std::size_t consumed = 0;  ///< bytes of the packet; 0 when more input is needed
  Packet packet;             ///< valid when `consumed` > 0
};

/// Decodes one packet from the front of `input`.
/// Shape:    fixed header 2–5 B and body, together at most `limit` B. A CONNECT carries its own
///           version; `version` is that of the connection for every other packet.
/// Returns:  `consumed` 0 when more input is needed.
/// Errors:   kMalformed (reserved bits, truncation inside a field, UTF-8, a property twice or
///           misplaced, packet id 0), kTooLarge (over `limit`, found from the fixed header alone),
///           kUnsupported (protocol name or version; over kTopicsMax).
/// Lifetime: the packet owns its bytes.
base::Result<Decoded> decode(base::BytesView input, Version version,
                             std::size_t limit = kPacketMax);
/// Whether the first byte is that of a CONNECT.
constexpr bool begins_connect(base::BytesView bytes) {
  return !bytes.empty() && bytes.front() == 0x10;
}
/// Whether it came with more user properties than are kept, in itself or in its will. Such a packet
/// cannot be encoded.
bool is_cut(const Packet& packet);

/// Appends the packet's bytes to `out`. Properties and reasons are left out for 3.1.1.
/// Errors: kTooLarge (packet over kPacketMax or a string over 65,535 B), kInvalidArgument (a field
/// that cannot be encoded);
///         `out` is unchanged then.
base::Result<void> encode(const Packet& packet, Version version, base::Bytes& out);

/// "PUBLISH id=3 qos=1 topic=inbox 128 B": one line for traces; never a password or payload.
std::string to_line(const Packet& packet);

/// Whether a topic name has no wildcard, or a filter has its wildcards where §4.7 allows them.
bool is_topic_name(std::string_view topic);
bool is_topic_filter(std::string_view filter);
/// Whether `filter` selects `topic`. Both valid. Source: §4.7.
bool matches(std::string_view filter, std::string_view topic);

}  // namespace wakeline::wire::mqtt
