// SPDX-License-Identifier: Apache-2.0
#include "wire/host_message.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "wire/host_message_shapes.h"
#include "wire/quote.h"

namespace wakeline::wire::host {
namespace {

using base::ErrorCode;
namespace fields = json_fields;
namespace json = boost::json;

template <class E, std::size_t kCount>
std::string_view word_of(const std::array<std::string_view, kCount>& words, E value) {
  return words.at(static_cast<std::size_t>(value));
}

using Decoder = std::expected<Message, fields::Fault> (*)(const json::object&);
struct Row {
  std::string_view type;
  Decoder decode;
};

template <class M>
std::expected<Message, fields::Fault> decode_as(const json::object& object) {
  M message;
  if (auto checked = fields::read(object, message); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return message;
}

template <std::size_t... kIndex>
constexpr auto rows(std::index_sequence<kIndex...>) {
  return std::array{Row{fields::Shape<std::variant_alternative_t<kIndex, Message>>::kType,
                        &decode_as<std::variant_alternative_t<kIndex, Message>>}...};
}
constexpr auto kRows = rows(std::make_index_sequence<std::variant_size_v<Message>>());

MessageError error_of(fields::Fault fault, RequestId request) {
  return {fault.code, std::move(fault.field), std::move(fault.message), request};
}

RequestId request_of(const json::object& object) {
  const json::value* value = object.if_contains("request");
  if (value == nullptr) return 0;
  return static_cast<RequestId>(
      fields::to_number(*value, 1, std::numeric_limits<RequestId>::max()).value_or(0));
}

std::expected<Message, fields::Fault> decode_object(const json::object& object) {
  const auto in_field = [](std::string field, std::string message, ErrorCode code) {
    return std::unexpected(fields::Fault{code, std::move(field), std::move(message)});
  };
  const json::value* version = object.if_contains("v");
  if (version == nullptr) return in_field("v", "is missing", ErrorCode::kMalformed);
  if (!version->is_int64()) return in_field("v", "must be a number", ErrorCode::kMalformed);
  if (version->get_int64() != kProtocolVersion) {
    return in_field("v", fmt::format("only version {} is spoken here", kProtocolVersion),
                    ErrorCode::kUnsupported);
  }
  const json::value* type = object.if_contains("type");
  if (type == nullptr) return in_field("type", "is missing", ErrorCode::kMalformed);
  if (!type->is_string()) return in_field("type", "must be a text", ErrorCode::kMalformed);
  const std::string_view wanted = type->get_string();
  for (const Row& row : kRows) {
    if (row.type == wanted) return row.decode(object);
  }
  return in_field("type", quoted(wanted) + " is not a message of this version",
                  ErrorCode::kUnsupported);
}

}  // namespace

std::string_view name(LaunchReason reason) {
  static constexpr std::array<std::string_view, 5> kWords = {"user", "boot", "crash",
                                                             "notification", "adopted"};
  return word_of(kWords, reason);
}
std::string_view name(AppState state) {
  static constexpr std::array<std::string_view, 6> kWords = {
      "stopped", "starting", "foreground", "background", "suspended", "waiting"};
  return word_of(kWords, state);
}
std::string_view name(WakeCause cause) {
  static constexpr std::array<std::string_view, 14> kWords = {
      "none",         "socket_data",   "socket_end", "socket_error", "keep_alive",
      "notification", "network",       "foreground", "wake_request", "task",
      "control",      "host_stopping", "ipc",        "call"};
  return word_of(kWords, cause);
}
std::string_view name(CallState state) {
  static constexpr std::array<std::string_view, 3> kWords = {"ended", "incoming", "active"};
  return word_of(kWords, state);
}
std::string_view name(Urgency urgency) {
  static constexpr std::array<std::string_view, 3> kWords = {"low", "normal", "critical"};
  return word_of(kWords, urgency);
}
std::string_view name(SignalWord signal) {
  static constexpr std::array<std::string_view, 4> kWords = {"interrupt", "terminate", "hangup",
                                                             "quit"};
  return word_of(kWords, signal);
}
std::string_view name(Command command) {
  static constexpr std::array<std::string_view, 4> kWords = {"launch", "foreground", "background",
                                                             "close"};
  return word_of(kWords, command);
}

std::expected<Message, MessageError> decode(std::string_view datagram) {
  if (datagram.size() > kMessageMax) {
    return std::unexpected(MessageError{
        ErrorCode::kTooLarge, {}, fmt::format("must be at most {} bytes", kMessageMax), 0});
  }
  // Nearly every message fits here; a longer one goes on to the heap.
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource storage(buffer.data(), buffer.size());
  auto object = fields::parse_object(datagram, &storage);
  if (!object) return std::unexpected(error_of(std::move(object.error()), 0));
  auto message = decode_object(*object);
  if (!message) return std::unexpected(error_of(std::move(message.error()), request_of(*object)));
  return *std::move(message);
}

base::Result<std::string> encode(const Message& message) {
  std::array<unsigned char, 4096> buffer;
  json::monotonic_resource storage(buffer.data(), buffer.size());
  json::object object(&storage);
  const fields::Checked checked = std::visit(
      [&]<class M>(const M& one) {
        int version = kProtocolVersion;
        if constexpr (requires { one.version; }) version = one.version;
        object["v"] = version;
        object["type"] = fields::Shape<M>::kType;
        return fields::write(one, object);
      },
      message);
  if (!checked) {
    const bool too_large = checked.error().code == ErrorCode::kTooLarge;
    return base::fail(too_large ? ErrorCode::kTooLarge : ErrorCode::kInvalidArgument,
                      "host_message");
  }
  std::string datagram = json::serialize(object);
  if (datagram.size() > kMessageMax) return base::fail(ErrorCode::kTooLarge, "host_message");
  return datagram;
}

}  // namespace wakeline::wire::host
