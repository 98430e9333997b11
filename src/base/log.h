// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace wakeline::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Sets what is printed on stderr from now on; "debug", "info" (the default), "warning" or "error".
/// Returns: false for another word, which changes nothing.
bool set_log_level(std::string_view level);
bool log_enabled(LogLevel level);
/// One line on stderr: time, level, part, text. Thread-safe. Never a secret in `text`.
void log_line(LogLevel level, std::string_view part, std::string_view text);

/// log(LogLevel::kInfo, "host", "app {} suspended", name);
template <class... Args>
void log(LogLevel level, std::string_view part, fmt::format_string<Args...> format,
         Args&&... args) {
  if (log_enabled(level)) log_line(level, part, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace wakeline::base
