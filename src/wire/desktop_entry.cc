// SPDX-License-Identifier: Apache-2.0
#include "wire/desktop_entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "wire/quote.h"

namespace wakeline::wire::desktop {
namespace {

constexpr std::string_view kGroup = "Desktop Entry";

std::unexpected<ManifestError> fault(int line, std::string_view key, std::string message) {
  return std::unexpected(
      ManifestError{base::ErrorCode::kMalformed, line, shortened(key), std::move(message)});
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

bool is_key(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// The character that "\c" stands for.
std::optional<char> escaped(char c) {
  switch (c) {
    case 's':
      return ' ';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case '\\':
      return '\\';
    default:
      return std::nullopt;
  }
}

/// One pass over the lines; where it is, and what it has.
class Lines {
 public:
  std::expected<void, ManifestError> take(std::string_view raw) {
    ++line_;
    const std::string_view text = trimmed(raw);
    if (text.empty() || text.starts_with('#')) return {};
    return text.starts_with('[') ? take_group(text) : take_key(text);
  }

  std::expected<Entry, ManifestError> finish() && {
    if (!found_) return fault(0, {}, "no [Desktop Entry]");
    return std::move(entry_);
  }

 private:
  std::expected<void, ManifestError> take_group(std::string_view text) {
    const std::string_view name = text.substr(1, text.find(']') - 1);
    if (!text.ends_with(']') || name.size() + 2 != text.size()) {
      return fault(line_, {}, "a group is written [name]");
    }
    inside_ = name == kGroup;
    if (inside_ && found_) return fault(line_, {}, "[Desktop Entry] twice");
    found_ = found_ || inside_;
    before_first_group_ = false;
    return {};
  }

  std::expected<void, ManifestError> take_key(std::string_view text) {
    if (before_first_group_) return fault(line_, {}, "a line before the first [group]");
    if (!inside_) return {};
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
      return fault(line_, {}, quoted(text) + " is not key=value");
    }
    const std::string_view key = trimmed(text.substr(0, equals));
    const std::size_t bracket = key.find('[');
    if (!is_key(key.substr(0, bracket))) return fault(line_, {}, quoted(key) + " is no key");
    if (bracket != std::string_view::npos) {
      if (!key.ends_with(']')) return fault(line_, {}, quoted(key) + " is no key");
      return {};  // a translation
    }
    if (!entry_.emplace(key, Value{trimmed(text.substr(equals + 1)), line_}).second) {
      return fault(line_, key, fmt::format("twice; first in line {}", entry_.at(key).line));
    }
    return {};
  }

  Entry entry_;
  int line_ = 0;
  bool before_first_group_ = true;
  bool inside_ = false;
  bool found_ = false;
};

}  // namespace

std::expected<Entry, ManifestError> read_entry(std::string_view text) {
  if (!base::is_utf8(text) || text.find('\0') != std::string_view::npos) {
    return fault(0, {}, "not UTF-8 text");
  }
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (auto taken = lines.take(text.substr(0, end)); !taken) {
      return std::unexpected(std::move(taken.error()));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::move(lines).finish();
}

std::expected<std::string, std::string> unescape(std::string_view value) {
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\\') {
      text += value[i];
      continue;
    }
    const auto c = i + 1 < value.size() ? escaped(value[i + 1]) : std::nullopt;
    if (!c) return std::unexpected(R"(a backslash must be one of \s \n \t \r \\)");
    text += *c;
    ++i;
  }
  return text;
}

std::expected<std::vector<std::string>, std::string> split_list(std::string_view value) {
  std::vector<std::string> parts;
  std::string part;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == ';') {
      parts.push_back(std::exchange(part, {}));
    } else if (value[i] != '\\') {
      part += value[i];
    } else {
      ++i;
      const auto c = i == value.size() ? std::nullopt
                     : value[i] == ';' ? std::optional(';')
                                       : escaped(value[i]);
      if (!c) return std::unexpected(R"(a backslash must be one of \; \s \n \t \r \\)");
      part += *c;
    }
  }
  if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

}  // namespace wakeline::wire::desktop
