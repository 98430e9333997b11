// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "wire/manifest.h"

/// The syntax of desktop entry files, without any key's meaning. Only for manifest.cc.
/// Source: freedesktop.org Desktop Entry Specification 1.5.
namespace wakeline::wire::desktop {

struct Value {
  std::string_view text;  ///< as written, escapes and all
  int line = 0;
};
/// The keys of [Desktop Entry]; views into the file's text. Localised keys, Name[de], are left out.
using Entry = std::map<std::string_view, Value>;

/// Errors: not UTF-8, a line that is no key, group or comment, a key before the first group or
/// twice, no [Desktop Entry] or two.
std::expected<Entry, ManifestError> read_entry(std::string_view text);

/// Undoes \s \n \t \r \\. The error is a sentence. Source: §4.
std::expected<std::string, std::string> unescape(std::string_view value);
/// The parts of "a;b;c" or "a;b;c;", escapes undone, \; among them. Source: §4.
std::expected<std::vector<std::string>, std::string> split_list(std::string_view value);
/// The arguments of an Exec value whose escapes are undone. Field codes are dropped, and with them
/// an argument that held nothing else; %% becomes %. Source: §7.
std::expected<std::vector<std::string>, std::string> split_command(std::string_view exec);

}  // namespace wakeline::wire::desktop
