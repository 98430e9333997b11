// SPDX-License-Identifier: Apache-2.0
#include "wire/shown_notices.h"

#include <limits>

#include "wire/json_fields.h"
#include "wire/manifest.h"

namespace wakeline::wire {
namespace json_fields {

template <>
struct Shape<ShownNotice> {
  static constexpr std::tuple kFields = {
      number("number", &ShownNotice::number, 1, std::numeric_limits<std::int64_t>::max()),
      text("app", &ShownNotice::app, host::kNameMax, 1).that(is_app_id, "must be an app's id"),
      text("tag", &ShownNotice::tag, host::kNameMax).optional(),
      text("payload", &ShownNotice::payload, host::kPayloadMax).optional(),
      text("server", &ShownNotice::server, kNoticeServerMax, 1),
      number("place", &ShownNotice::place, 1)};
};
template <>
struct Shape<ShownNotices> {
  static constexpr std::tuple kFields = {list("notices", &ShownNotices::notices, kShownNoticesMax)};
};

}  // namespace json_fields

namespace {

base::Error error_of(const json_fields::Fault& fault) { return {fault.code, "shown notices", 0}; }

}  // namespace

base::Result<std::string> to_text(const ShownNotices& shown) {
  json_fields::json::object object;
  if (const auto written = json_fields::write(shown, object); !written) {
    return base::fail(error_of(written.error()));
  }
  return json_fields::json::serialize(object);
}

base::Result<ShownNotices> parse_shown_notices(std::string_view text) {
  if (text.size() > kShownNoticesBytesMax) {
    return base::fail(base::ErrorCode::kTooLarge, "shown notices");
  }
  const auto object = json_fields::parse_object(text, {});
  if (!object) return base::fail(error_of(object.error()));
  ShownNotices shown;
  if (const auto read = json_fields::read(*object, shown); !read) {
    return base::fail(error_of(read.error()));
  }
  return shown;
}

}  // namespace wakeline::wire
