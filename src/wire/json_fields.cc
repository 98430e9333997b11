// SPDX-License-Identifier: Apache-2.0
#include "wire/json_fields.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace wakeline::wire::json_fields {

using base::ErrorCode;

std::expected<json::object, Fault> parse_object(std::string_view text, json::storage_ptr storage) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code error;
  json::value value = json::parse(text, error, std::move(storage), options);
  if (error == json::error::too_deep) {
    return fault(fmt::format("is nested deeper than {} levels", kDepthMax));
  }
  if (error) return fault("is not JSON: " + error.message());
  if (!value.is_object()) return fault("must be a JSON object");
  return std::move(value.get_object());
}

std::unexpected<Fault> fault(std::string message, ErrorCode code) {
  return std::unexpected(Fault{code, {}, std::move(message)});
}

Checked under(std::string_view segment, Checked checked) {
  if (checked) return checked;
  std::string& field = checked.error().field;
  const bool joined = field.empty() || field.starts_with('[');
  field = fmt::format("{}{}{}", segment, joined ? "" : ".", field);
  return checked;
}

Checked check_number(std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value >= least && value <= most) return {};
  return fault(fmt::format("must be a whole number from {} to {}", least, most));
}

Checked check_text(std::string_view value, std::uint64_t least, std::uint64_t most) {
  if (value.size() > most) {
    return fault(fmt::format("must be at most {} bytes", most), ErrorCode::kTooLarge);
  }
  if (value.size() < least) return fault("must not be empty");
  // A text may end up in C, where a zero would cut it in silence.
  if (value.find('\0') != std::string_view::npos) return fault("must not hold U+0000");
  if (!base::is_utf8(value)) return fault("must be UTF-8");
  return {};
}

Checked check_count(std::size_t count, std::uint64_t most) {
  if (count <= most) return {};
  return fault(fmt::format("must have at most {} entries", most), ErrorCode::kTooLarge);
}

std::expected<std::uint64_t, Fault> to_number(const json::value& value, std::uint64_t least,
                                              std::uint64_t most) {
  // Boost.JSON keeps a whole number as int64 where that fits and as uint64 above; everything else
  // (1.0, 1e3, 2^64) is a double and no number of ours.
  std::uint64_t number = 0;
  if (value.is_uint64()) {
    number = value.get_uint64();
  } else if (value.is_int64() && value.get_int64() >= 0) {
    number = static_cast<std::uint64_t>(value.get_int64());
  } else {
    return fault(fmt::format("must be a whole number from {} to {}", least, most));
  }
  if (Checked checked = check_number(number, least, most); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return number;
}

}  // namespace wakeline::wire::json_fields
