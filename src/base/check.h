// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>

namespace wakeline::base {

/// Prints the broken invariant with its values on stderr and aborts. Source: style, "a bug".
[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               const std::string& values);

}  // namespace wakeline::base

/// Aborts when an invariant of ours is broken, in every build. Never for input of others.
#define WL_CHECK(expression)                                               \
  do {                                                                     \
    if (!(expression)) [[unlikely]]                                        \
      ::wakeline::base::check_failed(__FILE__, __LINE__, #expression, {}); \
  } while (false)

/// As WL_CHECK, with values: WL_CHECK_MSG(a < b, "a={} b={}", a, b).
#define WL_CHECK_MSG(expression, ...)                                                              \
  do {                                                                                             \
    if (!(expression)) [[unlikely]]                                                                \
      ::wakeline::base::check_failed(__FILE__, __LINE__, #expression, ::fmt::format(__VA_ARGS__)); \
  } while (false)
