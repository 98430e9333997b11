// SPDX-License-Identifier: Apache-2.0
#include "wire/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "wire/desktop_entry.h"
#include "wire/quote.h"

namespace wakeline::wire {
namespace {

using base::ErrorCode;
using desktop::Entry;
using desktop::Value;

constexpr std::string_view kOurPrefix = "X-Wakeline-";
constexpr std::string_view kId = "X-Wakeline-Id";
constexpr std::string_view kModes = "X-Wakeline-BackgroundModes";
constexpr std::string_view kEnvironment = "X-Wakeline-Environment";
constexpr std::string_view kVoip = "X-Wakeline-Voip";
constexpr std::string_view kKeepAlive = "X-Wakeline-KeepAlive";
constexpr std::string_view kTcpKeepAlive = "X-Wakeline-TcpKeepAlive";
constexpr std::string_view kMedia = "X-Wakeline-Media";
constexpr std::string_view kMergePings = "X-Wakeline-MergePings";
constexpr std::string_view kExitsOnSuspend = "X-Wakeline-ExitsOnSuspend";
constexpr std::string_view kRelaunch = "X-Wakeline-Relaunch";
constexpr std::string_view kReclaim = "X-Wakeline-Reclaim";
constexpr std::string_view kIpc = "X-Wakeline-Ipc";
constexpr std::string_view kStyle = "X-Wakeline-NotificationStyle";
constexpr std::array kOurKeys = {kId,           kModes, kEnvironment, kVoip,           kKeepAlive,
                                 kTcpKeepAlive, kMedia, kMergePings,  kExitsOnSuspend, kRelaunch,
                                 kReclaim,      kIpc,   kStyle};

std::unexpected<ManifestError> fault(int line, std::string_view key, std::string message,
                                     ErrorCode code = ErrorCode::kMalformed) {
  return std::unexpected(ManifestError{code, line, shortened(key), std::move(message)});
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

using Checked = std::expected<void, ManifestError>;

/// The one value of a key, and the line that a fault in it is told with.
class Reader {
 public:
  Reader(const Entry& entry, std::vector<ManifestError>* warnings)
      : entry_(entry), warnings_(warnings) {}

  Checked read(Manifest& out, std::string_view file_id) {
    warn_of_unknown_keys();
    for (const auto& step : {&Reader::read_type, &Reader::read_name, &Reader::read_command,
                             &Reader::read_path, &Reader::read_modes, &Reader::read_environment,
                             &Reader::read_voip, &Reader::read_media, &Reader::read_settings}) {
      if (Checked checked = (this->*step)(out); !checked) return checked;
    }
    return read_id(out, file_id);
  }

 private:
  const Value* find(std::string_view key) const {
    const auto found = entry_.find(key);
    return found == entry_.end() ? nullptr : &found->second;
  }

  /// A key that a newer version knows must not keep an app from running.
  void warn_of_unknown_keys() {
    if (warnings_ == nullptr) return;
    for (const auto& [key, value] : entry_) {
      if (!key.starts_with(kOurPrefix) || std::ranges::find(kOurKeys, key) != kOurKeys.end()) {
        continue;
      }
      warnings_->push_back(
          {ErrorCode::kUnsupported, value.line, shortened(key),
           fmt::format("unknown key, passed over; known: {}", fmt::join(kOurKeys, ", "))});
    }
  }

  Checked read_type(Manifest&) {
    const Value* type = find("Type");
    if (type == nullptr) return fault(0, "Type", "missing; an app has Type=Application");
    if (type->text == "Application") return {};
    return fault(type->line, "Type", "must be Application");
  }

  // A key's value with its escapes undone; `where` gets its line.
  std::expected<std::string, ManifestError> text_of(std::string_view key, const Value& value) {
    auto text = desktop::unescape(value.text);
    if (!text) return fault(value.line, key, std::move(text.error()));
    return *std::move(text);
  }

  Checked read_name(Manifest& out) {
    const Value* value = find("Name");
    if (value == nullptr) return fault(0, "Name", "missing");
    auto text = text_of("Name", *value);
    if (!text) return std::unexpected(std::move(text.error()));
    if (text->empty()) return fault(value->line, "Name", "must not be empty");
    if (text->size() > kAppNameMax) {
      return fault(value->line, "Name", fmt::format("must be at most {} bytes", kAppNameMax),
                   ErrorCode::kTooLarge);
    }
    out.name = *std::move(text);
    return {};
  }

  Checked read_command(Manifest& out) {
    const Value* value = find("Exec");
    if (value == nullptr) return fault(0, "Exec", "missing");
    auto text = text_of("Exec", *value);
    if (!text) return std::unexpected(std::move(text.error()));
    auto command = desktop::split_command(*text);
    if (!command) return fault(value->line, "Exec", std::move(command.error()));
    if (command->size() > kArgumentsMax) {
      return fault(value->line, "Exec", fmt::format("more than {} arguments", kArgumentsMax),
                   ErrorCode::kTooLarge);
    }
    out.command = *std::move(command);
    return {};
  }

  Checked read_path(Manifest& out) {
    const Value* value = find("Path");
    if (value == nullptr) return {};
    auto text = text_of("Path", *value);
    if (!text) return std::unexpected(std::move(text.error()));
    if (!text->starts_with('/')) return fault(value->line, "Path", "must start with '/'");
    out.working_directory = *std::move(text);
    return {};
  }

  Checked read_modes(Manifest& out) {
    const Value* value = find(kModes);
    if (value == nullptr) return {};
    auto modes = desktop::split_list(value->text);
    if (!modes) return fault(value->line, kModes, std::move(modes.error()));
    for (const std::string& mode : *modes) {
      if (mode == "voip") {
        out.voip = true;
      } else if (mode == "audio") {
        out.audio = true;
      } else {
        return fault(value->line, kModes,
                     fmt::format("unknown mode {}; known: voip, audio", quoted(mode)));
      }
    }
    return {};
  }

  Checked read_environment(Manifest& out) {
    const Value* value = find(kEnvironment);
    if (value == nullptr) return {};
    auto variables = desktop::split_list(value->text);
    if (!variables) return fault(value->line, kEnvironment, std::move(variables.error()));
    if (variables->size() > kArgumentsMax) {
      return fault(value->line, kEnvironment, fmt::format("more than {} variables", kArgumentsMax),
                   ErrorCode::kTooLarge);
    }
    std::vector<std::string_view> seen;
    for (const std::string& variable : *variables) {
      const std::size_t equals = variable.find('=');
      const std::string_view name = std::string_view(variable).substr(0, equals);
      if (equals == std::string::npos || !is_variable_name(name)) {
        return fault(value->line, kEnvironment,
                     fmt::format("{} is not NAME=value", quoted(variable)));
      }
      if (std::ranges::find(seen, name) != seen.end()) {
        return fault(value->line, kEnvironment, fmt::format("{} twice", quoted(name)));
      }
      seen.push_back(name);
    }
    out.environment = *std::move(variables);
    return {};
  }

  Checked read_voip(Manifest& out) {
    const Value* value = find(kVoip);
    if (value == nullptr) return {};
    auto rule = parse_socket_rule(value->text);
    if (!rule) return fault(value->line, kVoip, std::move(rule.error()));
    out.sockets = *std::move(rule);
    out.voip = true;
    return {};
  }

  Checked read_media(Manifest& out) {
    const Value* value = find(kMedia);
    if (value == nullptr) return {};
    auto rule = parse_media_rule(value->text);
    if (!rule) return fault(value->line, kMedia, std::move(rule.error()));
    out.media = *rule;
    out.audio = true;
    return {};
  }

  Checked read_settings(Manifest& out) {
    if (Checked checked = read_seconds(kMergePings, kMergePingsMaxS, out.merge_pings); !checked) {
      return checked;
    }
    if (Checked checked = read_seconds(kKeepAlive, kTimeoutMaxS, out.keep_alive); !checked) {
      return checked;
    }
    if (Checked checked = read_seconds(kTcpKeepAlive, kTcpKeepAliveMaxS, out.tcp_keep_alive);
        !checked) {
      return checked;
    }
    for (const auto& [key, field] :
         {std::pair{kExitsOnSuspend, &Manifest::exits_on_suspend},
          std::pair{kRelaunch, &Manifest::relaunch}, std::pair{kReclaim, &Manifest::reclaim}}) {
      if (Checked checked = read_flag(key, out.*field); !checked) return checked;
    }
    if (Checked checked = read_choice(kIpc, IpcPolicy::kIgnore, out.ipc); !checked) return checked;
    if (Checked checked = read_choice(kStyle, NotificationStyle::kNone, out.style); !checked) {
      return checked;
    }
    return check_together(out);
  }

  Checked check_together(const Manifest& out) {
    // The kernel's probes are set on the sockets that the rule finds, and on no other (C7).
    if (out.tcp_keep_alive > base::Duration::zero() && out.sockets.empty()) {
      return fault(find(kTcpKeepAlive)->line, kTcpKeepAlive,
                   fmt::format("needs {}, which says of which sockets", kVoip));
    }
    for (const auto& [key, span] :
         {std::pair{kKeepAlive, out.keep_alive}, std::pair{kMergePings, out.merge_pings}}) {
      if (span > base::Duration::zero() && !out.voip) {
        return fault(find(key)->line, key, fmt::format("needs {}=voip; or {}", kModes, kVoip));
      }
    }
    return {};
  }

  Checked read_seconds(std::string_view key, std::int64_t most, base::Duration& out) {
    const Value* value = find(key);
    if (value == nullptr) return {};
    const std::string_view text = value->text;
    std::int64_t seconds = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, seconds);
    if (error != std::errc() || stop != end || seconds < 1 || seconds > most) {
      return fault(value->line, key,
                   fmt::format("must be a whole number of seconds from 1 to {}", most));
    }
    out = std::chrono::seconds(seconds);
    return {};
  }

  // Source: §4, "boolean".
  Checked read_flag(std::string_view key, bool& out) {
    const Value* value = find(key);
    if (value == nullptr) return {};
    if (value->text != "true" && value->text != "false") {
      return fault(value->line, key, "must be true or false");
    }
    out = value->text == "true";
    return {};
  }

  template <class E>
  Checked read_choice(std::string_view key, E last, E& out) {
    const Value* value = find(key);
    if (value == nullptr) return {};
    std::string known;
    for (int i = 0; i <= std::to_underlying(last); ++i) {
      const std::string_view word = name(static_cast<E>(i));
      if (value->text == word) {
        out = static_cast<E>(i);
        return {};
      }
      known += known.empty() ? "" : ", ";
      known += word;
    }
    return fault(value->line, key, fmt::format("{} is none of: {}", quoted(value->text), known));
  }

  Checked read_id(Manifest& out, std::string_view file_id) {
    const Value* value = find(kId);
    const std::string_view id = value == nullptr ? file_id : std::string_view(value->text);
    if (!is_app_id(id)) {
      return fault(value == nullptr ? 0 : value->line, kId,
                   fmt::format("{} is no id: 1 to {} of a-z, 0-9, '.', '_', '-', not starting "
                               "with '.'{}",
                               quoted(id), kAppNameMax,
                               value == nullptr ? "; rename the file or set X-Wakeline-Id" : ""));
    }
    out.id = id;
    return {};
  }

  const Entry& entry_;
  std::vector<ManifestError>* warnings_;
};

}  // namespace

bool is_app_id(std::string_view id) {
  return !id.empty() && id.size() <= kAppNameMax && id[0] != '.' &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

std::string_view name(IpcPolicy policy) {
  static constexpr std::array<std::string_view, 3> kWords = {"drain", "wake", "ignore"};
  return kWords.at(std::to_underlying(policy));
}
std::string_view name(NotificationStyle style) {
  static constexpr std::array<std::string_view, 3> kWords = {"banner", "alert", "none"};
  return kWords.at(std::to_underlying(style));
}

std::expected<Manifest, ManifestError> parse_desktop_entry(std::string_view text,
                                                           std::string_view id,
                                                           std::vector<ManifestError>* warnings) {
  if (text.size() > kManifestMax) {
    return fault(0, {}, fmt::format("longer than {} bytes", kManifestMax), ErrorCode::kTooLarge);
  }
  const auto entry = desktop::read_entry(text);
  if (!entry) return std::unexpected(entry.error());
  Manifest manifest;
  if (Checked checked = Reader(*entry, warnings).read(manifest, id); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return manifest;
}

std::string to_string(const ManifestError& error, std::string_view file) {
  std::string text(file);
  if (error.line > 0) text += fmt::format(":{}", error.line);
  text += ": ";
  if (!error.key.empty()) text += error.key + ": ";
  return text + error.message;
}

}  // namespace wakeline::wire
