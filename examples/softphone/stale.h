// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

/// How old a message at least is that was just read: from the kernel, the time since the newest
/// byte came in on the connection. It is no upper bound: bytes behind the message make it younger.
std::optional<std::chrono::milliseconds> age_of_newest_byte(int fd);

/// How old a message is by its Date header (RFC 3261 §20.17), "Sat, 13 Nov 2010 23:29:00 GMT";
/// nullopt: no such date. Both clocks must be right, so it counts only from `Timer B` on.
std::optional<std::chrono::milliseconds> age_by_date(std::string_view date,
                                                     std::chrono::system_clock::time_point now);
