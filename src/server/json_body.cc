// SPDX-License-Identifier: Apache-2.0
#include "server/json_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "server/http_reply.h"

namespace wakeline::server {

using base::ErrorCode;
namespace json = boost::json;

namespace {

constexpr std::size_t kNestingMax = 4;

std::unexpected<HttpResponse> wrong(std::string_view message, std::string_view field = {}) {
  return std::unexpected(failure_reply(400, ErrorCode::kMalformed, message, field));
}

}  // namespace

std::expected<void, HttpResponse> check_members(const json::object& object,
                                                std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    const std::string_view name = member.key();
    if (std::ranges::find(known, name) == known.end())
      return wrong("is unknown", name.substr(0, 64));
  }
  return {};
}

std::expected<json::object, HttpResponse> read_object(
    const HttpRequest& request, std::initializer_list<std::string_view> known) {
  if (request.body.empty()) return json::object();
  if (!is_json(request.field("content-type"))) {
    return std::unexpected(
        failure_reply(415, ErrorCode::kUnsupported, "the body must be application/json"));
  }
  json::error_code error;
  json::parse_options options;
  options.max_depth = kNestingMax;
  json::value value = json::parse(request.body, error, {}, options);
  if (error || !value.is_object()) return wrong("the body must be a JSON object");
  if (auto checked = check_members(value.get_object(), known); !checked)
    return std::unexpected(std::move(checked.error()));
  return std::move(value.get_object());
}

std::expected<std::string, HttpResponse> read_text(const json::object& object,
                                                   std::string_view name, std::size_t most) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return wrong("must be a text", name);
  if (value->get_string().size() > most)
    return wrong(fmt::format("must be at most {} bytes", most), name);
  return std::string(value->get_string());
}

std::string_view query_value(const HttpRequest& request, std::string_view name) {
  const std::size_t mark = request.target.find('?');
  std::string_view rest = mark == std::string::npos
                              ? std::string_view()
                              : std::string_view(request.target).substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
      return pair.substr(name.size() + 1);
  }
  return {};
}

std::optional<std::uint64_t> query_number(const HttpRequest& request, std::string_view name,
                                          std::uint64_t otherwise, std::uint64_t most) {
  const std::string_view text = query_value(request, name);
  if (text.empty()) return otherwise;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

}  // namespace wakeline::server
