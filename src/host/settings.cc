// SPDX-License-Identifier: Apache-2.0
#include "host/settings.h"

#include <fmt/format.h>
#include <poll.h>

#include <iterator>
#include <utility>

// Values, not exceptions.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "io/clock.h"
#include "io/file.h"
#include "wire/toml_text.h"

namespace wakeline::host {
namespace {

using wire::NotificationStyle;

/// Another `wakeline apps set` is done within this.
constexpr base::Duration kLockPatience = std::chrono::seconds(5);
constexpr int kLockPollMs = 10;

std::unexpected<std::string> fault(const toml::node& node, std::string_view what) {
  return std::unexpected(fmt::format("line {}: {}", node.source().begin.line, what));
}

std::optional<NotificationStyle> style_of(std::string_view word) {
  for (const auto style :
       {NotificationStyle::kBanner, NotificationStyle::kAlert, NotificationStyle::kNone}) {
    if (name(style) == word) return style;
  }
  return std::nullopt;
}

std::expected<AppSettings, std::string> read_app(const toml::table& table) {
  AppSettings settings;
  for (const auto& [key, value] : table) {
    if (key == "style") {
      const auto word = value.value_exact<std::string>();
      settings.style = word ? style_of(*word) : std::nullopt;
      if (!settings.style) return fault(value, "style: must be \"banner\", \"alert\" or \"none\"");
    } else if (key == "voip" || key == "audio") {
      const auto granted = value.value_exact<bool>();
      if (!granted) return fault(value, fmt::format("{}: must be true or false", key.str()));
      (key == "voip" ? settings.voip : settings.audio) = *granted;
    } else {
      return fault(value, "unknown key; known: style, voip, audio");
    }
  }
  return settings;
}

/// "yes", "no" or "default" of a mode.
bool set_mode(std::string_view word, std::optional<bool>& out) {
  if (word == "default") {
    out.reset();
  } else if (word == "yes" || word == "no") {
    out = word == "yes";
  } else {
    return false;
  }
  return true;
}

std::expected<void, std::string> change(AppSettings& settings, std::string_view text) {
  const auto equals = text.find('=');
  const std::string_view key = text.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  bool done = false;
  if (key == "style") {
    settings.style = style_of(value);
    done = settings.style || value == "default";
  } else if (key == "voip") {
    done = set_mode(value, settings.voip);
  } else if (key == "audio") {
    done = set_mode(value, settings.audio);
  } else {
    return std::unexpected(
        fmt::format("'{}' is no setting; there are style=banner|alert|none|default and voip, "
                    "audio=yes|no|default",
                    text));
  }
  if (done) return {};
  return std::unexpected(
      fmt::format("'{}': must be {}", text,
                  key == "style" ? "banner, alert, none or default" : "yes, no or default"));
}

base::Result<io::UniqueFd> lock(const std::string& path) {
  const base::Instant end = io::now() + kLockPatience;
  for (;;) {
    auto locked = io::lock_file(path);
    if (locked || locked.error().code != base::ErrorCode::kBusy || io::now() > end) return locked;
    ::poll(nullptr, 0, kLockPollMs);
  }
}

}  // namespace

std::string settings_path(const std::string& state_folder) {
  return state_folder + "/settings.toml";
}

std::expected<Settings, std::string> parse_settings(std::string_view text) {
  const auto ascii = wire::ascii_toml(text);
  if (!ascii)
    return std::unexpected(fmt::format("line {}: {}", ascii.error().line, ascii.error().what));
  const toml::parse_result parsed = toml::parse(*ascii);
  if (!parsed) {
    return std::unexpected(fmt::format("line {}: {}", parsed.error().source().begin.line,
                                       parsed.error().description()));
  }
  Settings settings;
  for (const auto& [key, value] : parsed.table()) {
    const toml::table* table = value.as_table();
    if (table == nullptr || !wire::is_app_id(key.str())) {
      return fault(value, fmt::format("'{}' is no table of an app's settings", key.str()));
    }
    auto app = read_app(*table);
    if (!app) return std::unexpected(std::move(app.error()));
    if (!app->empty()) settings.emplace(key.str(), *app);
  }
  return settings;
}

std::string to_text(const Settings& settings) {
  std::string text = "# Written by `wakeline apps set`; what is not here is as the app wants it.\n";
  auto out = std::back_inserter(text);
  for (const auto& [app, one] : settings) {
    if (one.empty()) continue;
    fmt::format_to(out, "\n[\"{}\"]\n", app);
    if (one.style) fmt::format_to(out, "style = \"{}\"\n", name(*one.style));
    if (one.voip) fmt::format_to(out, "voip = {}\n", *one.voip);
    if (one.audio) fmt::format_to(out, "audio = {}\n", *one.audio);
  }
  return text;
}

std::expected<Settings, std::string> load_settings(const std::string& state_folder) {
  const std::string path = settings_path(state_folder);
  const auto text = io::read_regular_file(path, kSettingsMax);
  if (!text) {
    if (text.error().code == base::ErrorCode::kNotFound) return Settings();
    return std::unexpected(path + ": " + base::to_string(text.error()));
  }
  auto settings = parse_settings(*text);
  if (!settings) return std::unexpected(path + ": " + settings.error());
  return settings;
}

std::expected<AppSettings, std::string> change_settings(const std::string& state_folder,
                                                        const std::string& app,
                                                        const std::vector<std::string>& changes) {
  if (auto made = io::make_folder(state_folder); !made) {
    return std::unexpected(state_folder + ": " + base::to_string(made.error()));
  }
  const std::string path = settings_path(state_folder);
  const auto locked = lock(path + ".lock");
  if (!locked) return std::unexpected(path + ".lock: " + base::to_string(locked.error()));
  auto settings = load_settings(state_folder);
  if (!settings) return std::unexpected(std::move(settings.error()));
  AppSettings& wanted = (*settings)[app];
  for (const std::string& text : changes) {
    if (auto changed = change(wanted, text); !changed) {
      return std::unexpected(std::move(changed.error()));
    }
  }
  const AppSettings result = wanted;
  if (result.empty()) settings->erase(app);
  if (auto written = io::write_file(path, to_text(*settings)); !written) {
    return std::unexpected(path + ": " + base::to_string(written.error()));
  }
  return result;
}

wire::Manifest as_granted(wire::Manifest manifest, const Settings& settings) {
  const auto found = settings.find(manifest.id);
  if (found == settings.end()) return manifest;
  const AppSettings& user = found->second;
  if (user.style) manifest.style = *user.style;
  manifest.audio = manifest.audio && user.audio.value_or(true);
  if (!manifest.audio) manifest.media = {};
  if (!user.voip.value_or(true)) {
    manifest.voip = false;
    manifest.sockets = {};
    manifest.keep_alive = {};
    manifest.tcp_keep_alive = {};
    manifest.merge_pings = {};
  }
  return manifest;
}

}  // namespace wakeline::host
