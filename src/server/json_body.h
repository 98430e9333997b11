// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "server/http_message.h"

/// Requests whose body is one small object of texts.
namespace wakeline::server {

/// The object, whose members are among `known`; the empty body is the empty object.
/// Or the answer: 400, 415.
std::expected<boost::json::object, HttpResponse> read_object(
    const HttpRequest& request, std::initializer_list<std::string_view> known);
/// The members of an object within it are checked alike.
std::expected<void, HttpResponse> check_members(const boost::json::object& object,
                                                std::initializer_list<std::string_view> known);
/// Empty when it is missing. Or the answer: 400, when it is no text or longer than `most` bytes.
std::expected<std::string, HttpResponse> read_text(const boost::json::object& object,
                                                   std::string_view name, std::size_t most);
/// A parameter of the query; empty when it is missing. Only of values that need no escape.
std::string_view query_value(const HttpRequest& request, std::string_view name);

/// The highest number that a column of the store takes: they are signed.
inline constexpr std::uint64_t kStoredMax = ~std::uint64_t{0} >> 1;

/// The number in the query; `otherwise` where the parameter is missing, nothing when it is none
/// from 0 to `most`.
std::optional<std::uint64_t> query_number(const HttpRequest& request, std::string_view name,
                                          std::uint64_t otherwise, std::uint64_t most);

}  // namespace wakeline::server
