// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "wire/manifest.h"

namespace wakeline::wire {
namespace {

/// What a backslash must precede inside double quotes of Exec. Source: §7.
constexpr std::string_view kEscapedInQuotes = "\"`$\\";

/// The escapes of a value. Spaces only where they would be trimmed. Source: §4.
std::string escaped(std::string_view value, bool in_list = false) {
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\') {
      text += "\\\\";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\r') {
      text += "\\r";
    } else if (c == ' ' && (i == 0 || i + 1 == value.size())) {
      text += "\\s";
    } else if (c == ';' && in_list) {
      text += "\\;";
    } else {
      text += c;
    }
  }
  return text;
}

/// Every argument in double quotes: then nothing but these four and the percent sign is special.
std::string exec_of(const std::vector<std::string>& command) {
  std::string text;
  for (const std::string& argument : command) {
    text += text.empty() ? "\"" : " \"";
    for (const char c : argument) {
      if (kEscapedInQuotes.find(c) != std::string_view::npos) text += '\\';
      if (c == '%') text += '%';
      text += c;
    }
    text += '"';
  }
  return text;
}

std::int64_t in_seconds(base::Duration span) {
  return std::chrono::duration_cast<std::chrono::seconds>(span).count();
}

}  // namespace

base::Result<std::string> write_desktop_entry(const Manifest& manifest) {
  const Manifest fresh;
  std::string text = "[Desktop Entry]\nType=Application\n";
  const auto line = [&text](std::string_view key, std::string_view value) {
    fmt::format_to(std::back_inserter(text), "{}={}\n", key, value);
  };
  line("Name", escaped(manifest.name));
  line("Exec", escaped(exec_of(manifest.command)));
  if (!manifest.working_directory.empty()) line("Path", escaped(manifest.working_directory));
  line("X-Wakeline-Id", manifest.id);
  if (manifest.voip || manifest.audio) {
    line("X-Wakeline-BackgroundModes",
         fmt::format("{}{}", manifest.voip ? "voip;" : "", manifest.audio ? "audio;" : ""));
  }
  if (!manifest.environment.empty()) {
    std::string list;
    for (const std::string& variable : manifest.environment) list += escaped(variable, true) + ";";
    line("X-Wakeline-Environment", list);
  }
  if (!manifest.sockets.empty()) line("X-Wakeline-Voip", to_string(manifest.sockets));
  if (manifest.keep_alive != fresh.keep_alive) {
    line("X-Wakeline-KeepAlive", std::to_string(in_seconds(manifest.keep_alive)));
  }
  if (manifest.tcp_keep_alive != fresh.tcp_keep_alive) {
    line("X-Wakeline-TcpKeepAlive", std::to_string(in_seconds(manifest.tcp_keep_alive)));
  }
  if (!manifest.media.empty()) line("X-Wakeline-Media", to_string(manifest.media));
  if (manifest.merge_pings != fresh.merge_pings) {
    line("X-Wakeline-MergePings", std::to_string(in_seconds(manifest.merge_pings)));
  }
  if (manifest.exits_on_suspend) line("X-Wakeline-ExitsOnSuspend", "true");
  if (!manifest.relaunch) line("X-Wakeline-Relaunch", "false");
  if (manifest.reclaim) line("X-Wakeline-Reclaim", "true");
  if (manifest.ipc != fresh.ipc) line("X-Wakeline-Ipc", name(manifest.ipc));
  if (manifest.style != fresh.style) line("X-Wakeline-NotificationStyle", name(manifest.style));

  // Whatever no entry can hold shows here: the reader is the judge of it.
  const auto read = parse_desktop_entry(text, manifest.id);
  if (!read) return base::fail(read.error().code, "desktop entry");
  if (*read != manifest) return base::fail(base::ErrorCode::kInvalidArgument, "desktop entry");
  return text;
}

}  // namespace wakeline::wire
