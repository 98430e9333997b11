// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "wire/manifest.h"

namespace wakeline::host {

inline constexpr std::size_t kSettingsMax = 1'048'576;  ///< bytes of the file

/// What the user decided about one app; it goes before what the app's manifest says.
struct AppSettings {
  std::optional<wire::NotificationStyle> style;
  std::optional<bool> voip;   ///< false: this background mode is not granted
  std::optional<bool> audio;  ///< the same

  bool empty() const { return !style && !voip && !audio; }
  friend bool operator==(const AppSettings&, const AppSettings&) = default;
};
/// By app id; without those that decide nothing.
using Settings = std::map<std::string, AppSettings, std::less<>>;

/// settings.toml in `state_folder`.
std::string settings_path(const std::string& state_folder);

/// Reads the file's text: a table for each app, `style`, `voip`, `audio`. The error is a sentence
/// with the line: nothing is taken of a file with a fault, a typing error must not grant a mode.
std::expected<Settings, std::string> parse_settings(std::string_view text);
/// The text that parse_settings reads as `settings`.
std::string to_text(const Settings& settings);

/// Empty where there is no file. The error names the file.
std::expected<Settings, std::string> load_settings(const std::string& state_folder);
/// Changes one app's settings in the file, whole or not at all, and alone: another one who does so
/// at the same time waits. `changes` holds KEY=VALUE: style=banner|alert|none|default,
/// voip=yes|no|default, audio=yes|no|default. The error is a sentence.
std::expected<AppSettings, std::string> change_settings(const std::string& state_folder,
                                                        const std::string& app,
                                                        const std::vector<std::string>& changes);

/// The manifest as the user's settings leave it: what is not granted is not declared.
wire::Manifest as_granted(wire::Manifest manifest, const Settings& settings);

}  // namespace wakeline::host
