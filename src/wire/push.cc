// SPDX-License-Identifier: Apache-2.0
#include "wire/push.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "wire/json_fields.h"
#include "wire/quote.h"

namespace wakeline::wire {
namespace {

bool is_one_of(char c, std::string_view others) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         others.find(c) != std::string_view::npos;
}

// The URL-safe base64 alphabet (RFC 8030 §5.4). Empty: no topic.
bool is_push_topic(std::string_view topic) {
  return std::ranges::all_of(topic, [](char c) { return is_one_of(c, "-_"); });
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

namespace json_fields {

template <>
struct Shape<PushContent> {
  static constexpr std::tuple kFields = {text("title", &PushContent::title, kTitleMax).optional(),
                                         text("body", &PushContent::body, kPushBodyMax).optional(),
                                         text("data", &PushContent::data, kPushBodyMax).optional()};
};
// What stands beside the content, in the same object.
template <>
struct Shape<PushRequest> {
  static constexpr std::tuple kFields = {
      text("device", &PushRequest::device, kDeviceNameMax, 1)
          .that(is_device_name,
                "must be letters, digits, '.', '_' and '-', not starting with "
                "'.' or '-'"),
      number("ttl_s", &PushRequest::ttl_s, 0, kTtlMax).optional(),
      choice("urgency", &PushRequest::urgency, Urgency::kHigh).optional(),
      text("topic", &PushRequest::topic, kTopicMax)
          .that(is_push_topic, "must be letters, digits, '-' and '_'")
          .optional(),
      text("idempotency_key", &PushRequest::idempotency_key, kIdempotencyKeyMax)
          .that(is_visible_ascii, "must be visible ASCII characters")
          .optional()};
};

}  // namespace json_fields

namespace {

using base::ErrorCode;
namespace fields = json_fields;
namespace json = boost::json;

std::string known_fields() {
  std::string known;
  const auto add = [&](std::string_view name) {
    known += known.empty() ? "" : ", ";
    known += name;
  };
  for (const std::string_view name : fields::names<PushRequest>()) add(name);
  for (const std::string_view name : fields::names<PushContent>()) add(name);
  return known;
}

template <class T>
bool has_field(std::string_view name) {
  static constexpr auto kNames = fields::names<T>();
  return std::ranges::find(kNames, name) != kNames.end();
}

// A typing error in an app server would otherwise change a push in silence.
fields::Checked check_names(const json::object& object) {
  for (const auto& member : object) {
    const std::string_view name = member.key();
    if (has_field<PushRequest>(name) || has_field<PushContent>(name)) continue;
    return fields::under(shortened(name), fields::fault("is unknown; known: " + known_fields()));
  }
  return {};
}

fields::Checked read_request(std::string_view text, PushRequest& request) {
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource storage(buffer.data(), buffer.size());
  auto object = fields::parse_object(text, &storage);
  if (!object) return std::unexpected(std::move(object.error()));
  if (auto checked = check_names(*object); !checked) return checked;
  if (auto checked = fields::read(*object, request); !checked) return checked;
  if (auto checked = fields::read(*object, request.content); !checked) return checked;
  if (request.content == PushContent{}) {
    return fields::under("body",
                         fields::fault("is missing: one of title, body and data is needed"));
  }
  if (!encode(request.content)) {
    return fields::under(
        request.content.body.size() > request.content.data.size() ? "body" : "data",
        fields::fault(fmt::format("is too long: title, body and data together must be at most {} "
                                  "bytes as JSON",
                                  kPushBodyMax),
                      ErrorCode::kTooLarge));
  }
  return {};
}

}  // namespace

std::string_view name(Urgency urgency) {
  static constexpr std::array<std::string_view, 4> kWords = {"very-low", "low", "normal", "high"};
  return kWords.at(static_cast<std::size_t>(urgency));
}

std::optional<Urgency> urgency_from_name(std::string_view wanted) {
  for (const Urgency urgency :
       {Urgency::kVeryLow, Urgency::kLow, Urgency::kNormal, Urgency::kHigh}) {
    if (name(urgency) == wanted) return urgency;
  }
  return std::nullopt;
}

std::string_view name(BodyEncoding encoding) {
  static constexpr std::array<std::string_view, 3> kWords = {"", "aes128gcm", "identity"};
  return kWords.at(static_cast<std::size_t>(encoding));
}

std::expected<PushRequest, JsonError> parse_push_request(std::string_view text) {
  if (text.size() > kPushRequestMax) {
    return std::unexpected(JsonError{
        ErrorCode::kTooLarge, {}, fmt::format("must be at most {} bytes", kPushRequestMax)});
  }
  PushRequest request;
  if (auto checked = read_request(text, request); !checked) {
    fields::Fault& fault = checked.error();
    return std::unexpected(JsonError{fault.code, std::move(fault.field), std::move(fault.message)});
  }
  return request;
}

base::Result<base::Bytes> encode(const PushContent& content) {
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource storage(buffer.data(), buffer.size());
  json::object object(&storage);
  if (const auto checked = fields::write(content, object); !checked) {
    const bool too_large = checked.error().code == ErrorCode::kTooLarge;
    return base::fail(too_large ? ErrorCode::kTooLarge : ErrorCode::kInvalidArgument,
                      "push_content");
  }
  const std::string text = json::serialize(object);
  if (text.size() > kPushBodyMax) return base::fail(ErrorCode::kTooLarge, "push_content");
  const base::BytesView bytes = base::as_bytes(text);
  return base::Bytes(bytes.begin(), bytes.end());
}

base::Result<PushContent> decode_push_content(base::BytesView bytes) {
  if (bytes.size() > kPushBodyMax) return base::fail(ErrorCode::kTooLarge, "push_content");
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource storage(buffer.data(), buffer.size());
  const auto object = fields::parse_object(base::as_text(bytes), &storage);
  if (!object) return base::fail(object.error().code, "push_content");
  PushContent content;
  if (const auto checked = fields::read(*object, content); !checked) {
    return base::fail(checked.error().code, "push_content");
  }
  return content;
}

std::string inbox_topic(std::string_view device) { return "wakeline/inbox/" + std::string(device); }

namespace {
constexpr std::string_view kGroupPrefix = "wakeline/group/";
}  // namespace

std::string group_topic(std::string_view group) {
  return std::string(kGroupPrefix) + std::string(group);
}

std::optional<std::string_view> group_of_topic(std::string_view topic) {
  if (!topic.starts_with(kGroupPrefix)) return std::nullopt;
  topic.remove_prefix(kGroupPrefix.size());
  if (!is_device_name(topic)) return std::nullopt;
  return topic;
}

std::string_view name(ReportKind kind) {
  static constexpr std::array<std::string_view, kReportKinds> kNames = {"reply", "receipt",
                                                                        "presence"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string report_topic(ReportKind kind, std::string_view device) {
  return "wakeline/" + std::string(name(kind)) + "/" + std::string(device);
}

std::optional<ReportKind> report_of_topic(std::string_view topic, std::string_view device) {
  for (std::size_t i = 0; i < kReportKinds; ++i) {
    const auto kind = static_cast<ReportKind>(i);
    if (topic == report_topic(kind, device)) return kind;
  }
  return std::nullopt;
}

bool is_device_name(std::string_view device) {
  return !device.empty() && device.size() <= kDeviceNameMax && device[0] != '.' &&
         device[0] != '-' &&
         std::ranges::all_of(device, [](char c) { return is_one_of(c, "._-"); });
}

}  // namespace wakeline::wire
