// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wakeline::cli {

/// The instant that `text` means, in ns since 1970: "90s", "15min", "2h", "3d" before `now_ns`; or
/// a local time, "14:30" (today), "2026-11-21", "2026-11-21 14:30", seconds where wanted. Nullopt:
/// it is none of these.
std::optional<std::int64_t> since(std::string_view text, std::int64_t now_ns);

}  // namespace wakeline::cli
