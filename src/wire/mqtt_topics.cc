// SPDX-License-Identifier: Apache-2.0
#include "wire/mqtt_codec.h"

namespace wakeline::wire::mqtt {
namespace {

// The part before the next '/', which is cut off `rest` with it. `more` tells whether there was
// one: a name that ends in '/' has an empty level after it.
std::string_view next_level(std::string_view& rest, bool& more) {
  const std::size_t slash = rest.find('/');
  more = slash != std::string_view::npos;
  const std::string_view level = rest.substr(0, slash);
  rest = more ? rest.substr(slash + 1) : std::string_view();
  return level;
}

bool has_topic_length(std::string_view text) {
  return !text.empty() && text.size() <= codec::kFieldMax &&
         text.find('\0') == std::string_view::npos;
}

}  // namespace

bool is_topic_name(std::string_view topic) {
  return has_topic_length(topic) && topic.find_first_of("+#") == std::string_view::npos;
}

bool is_topic_filter(std::string_view filter) {
  if (!has_topic_length(filter)) return false;
  for (bool more = true; more;) {
    const std::string_view level = next_level(filter, more);
    const bool has_wildcard = level.find_first_of("+#") != std::string_view::npos;
    if (has_wildcard && level.size() != 1) return false;
    if (level == "#" && more) return false;
  }
  return true;
}

bool matches(std::string_view filter, std::string_view topic) {
  // A server's own topics are hidden from wildcards at the first level (§4.7.2).
  if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) return false;
  bool more_filter = true;
  bool more_topic = true;
  while (more_filter && more_topic) {
    const std::string_view wanted = next_level(filter, more_filter);
    if (wanted == "#") return true;
    const std::string_view level = next_level(topic, more_topic);
    if (wanted != "+" && wanted != level) return false;
  }
  // "a/#" selects "a" too (§4.7.1.2).
  return (!more_filter || filter == "#") && !more_topic;
}

}  // namespace wakeline::wire::mqtt
