// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

/// A push: what an app server hands in, what the queue keeps, what a device receives.
namespace wakeline::wire {

/// Limits of one push, in bytes. Origin: RFC 8030 §7.2 asks for at least 4,096 B of body.
inline constexpr std::size_t kPushBodyMax = 4'096;
inline constexpr std::size_t kTitleMax = 256;
inline constexpr std::size_t kTopicMax = 32;  ///< RFC 8030 §5.4
inline constexpr std::size_t kDeviceNameMax = 64;
inline constexpr std::size_t kIdempotencyKeyMax = 64;
/// JSON of one push request; a body of kPushBodyMax may be escaped sixfold in it.
inline constexpr std::size_t kPushRequestMax = 32'768;
/// Pushes of one batch, and its JSON in bytes.
inline constexpr std::size_t kPushBatchMax = 100;
inline constexpr std::size_t kPushBatchBytesMax = 131'072;
/// Four weeks in seconds, as the Web Push services give.
inline constexpr std::uint32_t kTtlMax = 2'419'200;

/// Source: RFC 8030 §5.3.
enum class Urgency : std::uint8_t { kVeryLow, kLow, kNormal, kHigh };
std::string_view name(Urgency urgency);
std::optional<Urgency> urgency_from_name(std::string_view wanted);

/// How the body of a push is to be read: our own JSON, which only we make, or what an app server's
/// bytes are.
enum class BodyEncoding : std::uint8_t {
  kContent,    ///< PushContent as JSON
  kAes128gcm,  ///< encrypted for the device's app (RFC 8188, RFC 8291)
  kIdentity    ///< as the app server sent it
};
/// The value of `property::kContentEncoding`; empty for kContent, which has none.
std::string_view name(BodyEncoding encoding);

/// The readable notification inside a push of our JSON API; the body of a push is opaque otherwise.
struct PushContent {
  std::string title;
  std::string body;
  std::string data;  ///< the app's own, UTF-8
  friend bool operator==(const PushContent&, const PushContent&) = default;
};

/// A push request of the JSON API, checked: to one device, or to all devices of a user or a group.
struct PushRequest {
  std::string device;  ///< exactly one of these three is not empty
  std::string user;
  std::string group;
  PushContent content;
  std::uint32_t ttl_s = kTtlMax;  ///< 0: only to a device that is connected now
  Urgency urgency = Urgency::kNormal;
  std::string topic;            ///< URL-safe base64 alphabet; empty: none
  std::string idempotency_key;  ///< visible ASCII; empty: none
  friend bool operator==(const PushRequest&, const PushRequest&) = default;
};

/// An error in JSON text, for its sender.
struct JsonError {
  base::ErrorCode code = base::ErrorCode::kMalformed;
  std::string field;    ///< "ttl_s"; empty when the text is no JSON
  std::string message;  ///< "must be a whole number from 0 to 2419200"
  friend bool operator==(const JsonError&, const JsonError&) = default;
};

/// Reads one push:
/// {"device","user","group","title","body","data","ttl_s","urgency","topic","idempotency_key"}; one
/// of device, user, group and one of title, body, data are required; an unknown field is an error.
/// Errors: kMalformed, kTooLarge.
std::expected<PushRequest, JsonError> parse_push_request(std::string_view text);

/// The body of `POST /v1/push`: one push, or {"pushes":[…]} with 1 to kPushBatchMax of them.
struct PushBatch {
  std::vector<PushRequest> pushes;
  bool listed = false;  ///< it came as a list
};
/// Errors: kMalformed, kTooLarge; the field begins with "pushes[3]." where one of a list is wrong.
std::expected<PushBatch, JsonError> parse_push_batch(std::string_view text);

/// The bytes of a PUBLISH: JSON {"title","body","data"}, only what is not empty.
/// Errors: kTooLarge over kPushBodyMax, kInvalidArgument (not UTF-8, or with U+0000).
base::Result<base::Bytes> encode(const PushContent& content);
/// Unknown fields are passed over (a newer server). Errors: kMalformed, kTooLarge.
base::Result<PushContent> decode_push_content(base::BytesView bytes);

/// User properties and topics by which our server and our client understand each other over MQTT 5.
/// A broker that knows none of them still works (at-least-once, defaults). Documented in
/// docs/protocol.md.
namespace property {
inline constexpr std::string_view kSequence =
    "seq";  ///< PUBLISH: decimal, 64 bit, rises by device and epoch
inline constexpr std::string_view kEpoch =
    "epoch";  ///< CONNACK: hex; another value restarts the sequences. CONNECT: that of `received`
inline constexpr std::string_view kReceived =
    "received";  ///< CONNECT: all up to it are accepted; void unless `epoch` is the server's
inline constexpr std::string_view kAttempt =
    "attempt";  ///< CONNECT: decimal, rises with each attempt of a client; who says it gets the
                ///< inbox without SUBSCRIBE. CONNACK 0x83: that of the connection which is online
inline constexpr std::string_view kProbe =
    "probe";  ///< CONNACK: such connections are served. CONNECT: this is one; it holds no session
inline constexpr std::string_view kSpread = "spread";  ///< CONNACK: reconnect window W, in ms
inline constexpr std::string_view kDrain = "drain";    ///< DISCONNECT 0x98/0x9C: move within, in ms
inline constexpr std::string_view kRetryAfter =
    "retry-after";                                       ///< CONNACK 0x89/0x97, DISCONNECT: in ms
inline constexpr std::string_view kUrgency = "urgency";  ///< PUBLISH: Urgency's name
inline constexpr std::string_view kWithheld =
    "withheld";  ///< CONNACK, PUBLISH: numbers up to it may be missing because of quiet
inline constexpr std::string_view kKey =
    "key";  ///< PUBLISH of a device: idempotency key; what comes twice with it is one report
inline constexpr std::string_view kContentEncoding =
    "content-encoding";  ///< PUBLISH: BodyEncoding's name; absent: PushContent
}  // namespace property

/// The topic of a device's own inbox: "wakeline/inbox/NAME".
std::string inbox_topic(std::string_view device);
/// "wakeline/group/NAME": pushes for every device that joined the group.
std::string group_topic(std::string_view group);
/// The group of such a topic; nothing for another topic, or one whose name is_device_name refuses.
std::optional<std::string_view> group_of_topic(std::string_view topic);

/// What a device tells its app server.
enum class ReportKind : std::uint8_t { kReply, kReceipt, kPresence };
inline constexpr std::size_t kReportKinds = 3;
std::string_view name(ReportKind kind);
/// "wakeline/reply/NAME", "wakeline/receipt/NAME", "wakeline/presence/NAME".
std::string report_topic(ReportKind kind, std::string_view device);
/// What a device publishes there; nothing for a topic that is not one of its own three.
std::optional<ReportKind> report_of_topic(std::string_view topic, std::string_view device);
/// At most kIdempotencyKeyMax of visible ASCII; also none.
bool is_idempotency_key(std::string_view key);
/// 1..kDeviceNameMax characters of [A-Za-z0-9._-], not starting with a dot or dash.
bool is_device_name(std::string_view device);

}  // namespace wakeline::wire
