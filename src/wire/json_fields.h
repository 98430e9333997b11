// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <expected>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/error.h"

/// A struct and its JSON object, from one table: each member is named once, with its limits, and
/// read and written by that. Only for the sources of wire, which specialise `Shape`:
///   template <> struct Shape<Point> {
///     static constexpr std::tuple kFields = {number("x", &Point::x), text("label", &Point::label,
///     64)};
///   };
namespace wakeline::wire::json_fields {

namespace json = boost::json;

/// Nesting that is read. Our own messages need 4 levels; a newer peer may have some more.
inline constexpr std::size_t kDepthMax = 8;

struct Fault {
  base::ErrorCode code = base::ErrorCode::kMalformed;
  std::string field;  ///< "notification.actions[2].id"; empty when the text is no JSON object
  std::string message;
};
using Checked = std::expected<void, Fault>;

/// One member of `Owner`. `least` and `most` bound a number, the bytes of a text, the entries of a
/// list or the values of an enumeration.
template <class Owner, class T>
struct Field {
  std::string_view name;
  T Owner::* member;
  std::uint64_t least;
  std::uint64_t most;
  bool required = true;
  bool (*valid)(std::string_view) = nullptr;  // texts only: a rule beyond the length,
  std::string_view rule = {};                 // and how it is told

  /// May be missing, and is left out when it holds what a fresh `Owner` holds.
  constexpr Field optional() const {
    Field copy = *this;
    copy.required = false;
    return copy;
  }
  constexpr Field that(bool (*test)(std::string_view), std::string_view told) const {
    Field copy = *this;
    copy.valid = test;
    copy.rule = told;
    return copy;
  }
};

/// A number that is never negative.
template <class Owner, std::integral T>
constexpr Field<Owner, T> number(std::string_view name, T Owner::* member, std::uint64_t least = 0,
                                 std::uint64_t most = std::numeric_limits<T>::max()) {
  return {name, member, least, most};
}
template <class Owner>
constexpr Field<Owner, bool> flag(std::string_view name, bool Owner::* member) {
  return {name, member, 0, 1};
}
template <class Owner>
constexpr Field<Owner, std::string> text(std::string_view name, std::string Owner::* member,
                                         std::uint64_t most, std::uint64_t least = 0) {
  return {name, member, least, most};
}
/// An enumeration without gaps, by its words: `name(E)`.
template <class Owner, class E>
constexpr Field<Owner, E> choice(std::string_view name, E Owner::* member, E last, E first = E{}) {
  return {name, member, std::to_underlying(first), std::to_underlying(last)};
}
template <class Owner, class T>
constexpr Field<Owner, T> object(std::string_view name, T Owner::* member) {
  return {name, member, 0, 0};
}
template <class Owner, class T>
constexpr Field<Owner, std::vector<T>> list(std::string_view name, std::vector<T> Owner::* member,
                                            std::uint64_t most) {
  return {name, member, 0, most};
}

template <class T>
struct Shape;

/// Parses one JSON object; `storage` must outlive it. Of a name that comes twice the last one
/// counts. Errors: kMalformed (not JSON, not UTF-8, nested too deep, no object).
std::expected<json::object, Fault> parse_object(std::string_view text, json::storage_ptr storage);

std::unexpected<Fault> fault(std::string message,
                             base::ErrorCode code = base::ErrorCode::kMalformed);
/// Puts a segment, "actions" or "[2]", before the field of an error.
Checked under(std::string_view segment, Checked checked);

// The checks that both directions share; the caller names the field.
Checked check_number(std::uint64_t value, std::uint64_t least, std::uint64_t most);
Checked check_text(std::string_view value, std::uint64_t least, std::uint64_t most);
Checked check_count(std::size_t count, std::uint64_t most);
std::expected<std::uint64_t, Fault> to_number(const json::value& value, std::uint64_t least,
                                              std::uint64_t most);

/// Reads every field of `T`; unknown ones are passed over.
template <class T>
Checked read(const json::object& in, T& out);
/// Adds every field of `in`. Errors: those of `read`, so that what was written can be read.
template <class T>
Checked write(const T& in, json::object& out);

template <class Owner, class T>
Checked check_value(const Field<Owner, T>& field, const T& value) {
  if constexpr (std::same_as<T, std::string>) {
    if (Checked checked = check_text(value, field.least, field.most); !checked) return checked;
    if (field.valid != nullptr && !field.valid(value)) return fault(std::string(field.rule));
  } else if constexpr (std::is_enum_v<T>) {
    return check_number(std::to_underlying(value), field.least, field.most);
  } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    if (std::cmp_less(value, 0)) return fault("must not be negative");
    return check_number(static_cast<std::uint64_t>(value), field.least, field.most);
  }
  return {};
}

template <class Owner, class T>
Checked read_choice(const json::value& in, const Field<Owner, T>& field, T& out) {
  std::string known;
  for (std::uint64_t i = field.least; i <= field.most; ++i) {
    const std::string_view word = name(static_cast<T>(i));
    if (in.is_string() && std::string_view(in.get_string()) == word) {
      out = static_cast<T>(i);
      return {};
    }
    known += known.empty() ? "" : ", ";
    known += word;
  }
  return fault("must be one of: " + known);
}

template <class Owner, class T>
Checked read_value(const json::value& in, const Field<Owner, T>& field, T& out) {
  if constexpr (std::same_as<T, bool>) {
    if (!in.is_bool()) return fault("must be true or false");
    out = in.get_bool();
  } else if constexpr (std::integral<T>) {
    const auto value = to_number(in, field.least, field.most);
    if (!value) return std::unexpected(value.error());
    out = static_cast<T>(*value);
  } else if constexpr (std::is_enum_v<T>) {
    return read_choice(in, field, out);
  } else if constexpr (std::same_as<T, std::string>) {
    if (!in.is_string()) return fault("must be a text");
    out = std::string_view(in.get_string());
    return check_value(field, out);
  } else {
    if (!in.is_object()) return fault("must be an object");
    return read(in.get_object(), out);
  }
  return {};
}

template <class Owner, class T>
Checked read_value(const json::value& in, const Field<Owner, std::vector<T>>& field,
                   std::vector<T>& out) {
  if (!in.is_array()) return fault("must be a list");
  const json::array& entries = in.get_array();
  if (Checked checked = check_count(entries.size(), field.most); !checked) return checked;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Checked checked = entries[i].is_object() ? read(entries[i].get_object(), out.emplace_back())
                                             : Checked(fault("must be an object"));
    if (!checked) return under("[" + std::to_string(i) + "]", std::move(checked));
  }
  return {};
}

template <class Owner, class T>
Checked write_value(const Field<Owner, T>& field, const T& in, json::value& out) {
  if (Checked checked = check_value(field, in); !checked) return checked;
  if constexpr (std::is_enum_v<T>) {
    out.emplace_string() = std::string_view(name(in));
  } else if constexpr (std::same_as<T, std::string>) {
    out.emplace_string() = std::string_view(in);
  } else if constexpr (std::integral<T>) {
    out = in;
  } else {
    return write(in, out.emplace_object());
  }
  return {};
}

template <class Owner, class T>
Checked write_value(const Field<Owner, std::vector<T>>& field, const std::vector<T>& in,
                    json::value& out) {
  if (Checked checked = check_count(in.size(), field.most); !checked) return checked;
  json::array& entries = out.emplace_array();
  for (std::size_t i = 0; i < in.size(); ++i) {
    json::value& entry = entries.emplace_back(nullptr);
    if (Checked checked = write(in[i], entry.emplace_object()); !checked) {
      return under("[" + std::to_string(i) + "]", std::move(checked));
    }
  }
  return {};
}

template <class T>
Checked read(const json::object& in, T& out) {
  Checked result;
  const auto read_one = [&](const auto& field) {
    if (const json::value* value = in.if_contains(field.name)) {
      result = under(field.name, read_value(*value, field, out.*field.member));
    } else if (field.required) {
      result = under(field.name, fault("is missing"));
    }
    return result.has_value();
  };
  std::apply([&](const auto&... fields) { (void)(read_one(fields) && ...); }, Shape<T>::kFields);
  return result;
}

template <class T>
Checked write(const T& in, json::object& out) {
  Checked result;
  const T fresh{};
  const auto write_one = [&](const auto& field) {
    const auto& value = in.*field.member;
    if (field.required || value != fresh.*field.member) {
      result = under(field.name, write_value(field, value, out[field.name]));
    }
    return result.has_value();
  };
  std::apply([&](const auto&... fields) { (void)(write_one(fields) && ...); }, Shape<T>::kFields);
  return result;
}

/// The names of T's fields.
template <class T>
constexpr auto names() {
  return std::apply([](const auto&... fields) { return std::array{fields.name...}; },
                    Shape<T>::kFields);
}

}  // namespace wakeline::wire::json_fields
