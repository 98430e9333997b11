// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace wakeline::base {
namespace {

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "wakeline", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%H:%M:%S.%e %^%l%$ %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum native(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

bool set_log_level(std::string_view level) {
  if (level == "debug") return logger().set_level(spdlog::level::debug), true;
  if (level == "info") return logger().set_level(spdlog::level::info), true;
  if (level == "warning") return logger().set_level(spdlog::level::warn), true;
  if (level == "error") return logger().set_level(spdlog::level::err), true;
  return false;
}

bool log_enabled(LogLevel level) { return logger().should_log(native(level)); }

void log_line(LogLevel level, std::string_view part, std::string_view text) {
  logger().log(native(level), "{}: {}", part, text);
}

}  // namespace wakeline::base
