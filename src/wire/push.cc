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
  static constexpr std::tuple kFields = {
      text("title", &PushContent::title, wire::kTitleMax).optional(),
      text("body", &PushContent::body, kPushBodyMax).optional(),
      text("data", &PushContent::data, kPushBodyMax).optional()};
};
constexpr std::string_view kNameRule =
    "must be letters, digits, '.', '_' and '-', not starting with '.' or '-'";

// What stands beside the content, in the same object.
template <>
struct Shape<PushRequest> {
  static constexpr std::tuple kFields = {
      text("device", &PushRequest::device, kDeviceNameMax, 1)
          .that(is_device_name, kNameRule)
          .optional(),
      text("user", &PushRequest::user, kDeviceNameMax, 1)
          .that(is_device_name, kNameRule)
          .optional(),
      text("group", &PushRequest::group, kDeviceNameMax, 1)
          .that(is_device_name, kNameRule)
          .optional(),
      number("ttl_s", &PushRequest::ttl_s, 0, kTtlMax).optional(),
      choice("urgency", &PushRequest::urgency, wire::Urgency::kHigh).optional(),
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

constexpr std::string_view kPushes = "pushes";

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

fields::Checked check_target(const PushRequest& request) {
  const bool device = !request.device.empty();
  const bool user = !request.user.empty();
  if (!device && !user && request.group.empty()) {
    return fields::under("device",
                         fields::fault("is missing: one of device, user and group is needed"));
  }
  if ((device || user) && !request.group.empty())
    return fields::under("group", fields::fault("stands beside another target: one is allowed"));
  if (device && user)
    return fields::under("user", fields::fault("stands beside another target: one is allowed"));
  return {};
}

fields::Checked read_request(const json::object& object, PushRequest& request) {
  if (auto checked = check_names(object); !checked) return checked;
  if (auto checked = fields::read(object, request); !checked) return checked;
  if (auto checked = check_target(request); !checked) return checked;
  if (auto checked = fields::read(object, request.content); !checked) return checked;
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

fields::Checked read_list(const json::object& object, std::vector<PushRequest>& pushes) {
  for (const auto& member : object) {
    if (member.key() != kPushes)
      return fields::under(shortened(member.key()), fields::fault("is unknown beside pushes"));
  }
  const json::value& list = object.at(kPushes);
  if (!list.is_array()) return fields::under(kPushes, fields::fault("must be a list"));
  const json::array& entries = list.get_array();
  if (entries.empty()) return fields::under(kPushes, fields::fault("must not be empty"));
  if (auto checked = fields::check_count(entries.size(), kPushBatchMax); !checked)
    return fields::under(kPushes, std::move(checked));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    fields::Checked checked = entries[i].is_object()
                                  ? read_request(entries[i].get_object(), pushes.emplace_back())
                                  : fields::Checked(fields::fault("must be an object"));
    if (!checked)
      return fields::under(kPushes, fields::under(fmt::format("[{}]", i), std::move(checked)));
  }
  return {};
}

fields::Checked read_batch(std::string_view text, PushBatch& batch) {
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource storage(buffer.data(), buffer.size());
  const auto object = fields::parse_object(text, &storage);
  if (!object) return std::unexpected(object.error());
  batch.listed = object->contains(kPushes);
  if (batch.listed) return read_list(*object, batch.pushes);
  if (text.size() > kPushRequestMax) {
    return fields::fault(fmt::format("must be at most {} bytes", kPushRequestMax),
                         ErrorCode::kTooLarge);
  }
  return read_request(*object, batch.pushes.emplace_back());
}

JsonError to_error(fields::Fault fault) {
  return {fault.code, std::move(fault.field), std::move(fault.message)};
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
  auto batch = parse_push_batch(text);
  if (!batch) return std::unexpected(std::move(batch.error()));
  if (batch->listed) {
    return std::unexpected(
        JsonError{ErrorCode::kMalformed, std::string(kPushes), "is unknown: one push is wanted"});
  }
  return std::move(batch->pushes.front());
}

std::expected<PushBatch, JsonError> parse_push_batch(std::string_view text) {
  if (text.size() > kPushBatchBytesMax) {
    return std::unexpected(JsonError{
        ErrorCode::kTooLarge, {}, fmt::format("must be at most {} bytes", kPushBatchBytesMax)});
  }
  PushBatch batch;
  if (auto checked = read_batch(text, batch); !checked)
    return std::unexpected(to_error(std::move(checked.error())));
  return batch;
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

bool is_idempotency_key(std::string_view key) {
  return key.size() <= kIdempotencyKeyMax &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7F'; });
}

bool is_device_name(std::string_view device) {
  return !device.empty() && device.size() <= kDeviceNameMax && device[0] != '.' &&
         device[0] != '-' &&
         std::ranges::all_of(device, [](char c) { return is_one_of(c, "._-"); });
}

}  // namespace wakeline::wire
