// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "sim/scenario.h"

namespace wakeline::sim {

/// Limits of a file, so that a scenario ends; a storm's clients have their own.
inline constexpr std::size_t kScenarioBytesMax = 256 * 1024;
inline constexpr std::size_t kDevicesMax = 1'000;
inline constexpr std::size_t kAppsMax = 4'000;
inline constexpr std::size_t kPushesPlannedMax = 2'000'000;
inline constexpr std::size_t kStormClientsMax = 2'000'000;
inline constexpr Duration kLastsMax = std::chrono::hours(24 * 31);

/// What is wrong with a file, and where.
struct ScenarioError {
  std::size_t line = 0;  ///< 0: nowhere in particular
  std::string what;
};
/// "commuter.toml:12: there is no key 'natt' in [[network]]; …".
std::string to_string(const ScenarioError& error, std::string_view file);

/// Reads a scenario out of the text of a file; docs/simulator.md has the keys. Every key is known,
/// in its range and of its type, and every name leads somewhere, or it is an error.
std::expected<Scenario, ScenarioError> read_scenario(std::string_view text, std::string_view name);

/// "250ms", "90s", "7h30min", "-1h"; nullopt for anything else, and for what is over a year.
std::optional<Duration> parse_duration(std::string_view text);

/// A scenario that the program brings along, out of tests/scenarios.
struct ScenarioText {
  std::string_view name;
  std::string_view text;
};
/// By name.
std::span<const ScenarioText> scenario_texts();
/// Such a scenario; nullptr for another name.
const Scenario* find_scenario(std::string_view name);

}  // namespace wakeline::sim
