// SPDX-License-Identifier: Apache-2.0
#include "host/options.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <variant>

namespace wakeline::host {
namespace {

using base::Duration;
using base::ErrorCode;
using doze::Profile;

using Field = std::variant<Duration Profile::*, int Profile::*, bool Profile::*,
                           doze::LimitAction Profile::*>;

struct NamedField {
  std::string_view name;
  Field field;
};

constexpr std::array kFields = {
    NamedField{"wake_window", &Profile::wake_window},
    NamedField{"launch_window", &Profile::launch_window},
    NamedField{"keep_alive_min", &Profile::keep_alive_min},
    NamedField{"keep_alive_budget", &Profile::keep_alive_budget},
    NamedField{"keep_alive_overrun_kills", &Profile::keep_alive_overrun_kills},
    NamedField{"task_pool", &Profile::task_pool},
    NamedField{"task_warning", &Profile::task_warning},
    NamedField{"limit_action", &Profile::limit_action},
    NamedField{"limit_wakes", &Profile::limit_wakes},
    NamedField{"limit_span", &Profile::limit_span},
    NamedField{"limit_delay_first", &Profile::limit_delay_first},
    NamedField{"limit_delay_max", &Profile::limit_delay_max},
    NamedField{"limit_quiet", &Profile::limit_quiet},
    NamedField{"wake_on_end", &Profile::wake_on_end},
    NamedField{"wake_on_network", &Profile::wake_on_network},
    NamedField{"linger", &Profile::linger},
    NamedField{"sample_interval", &Profile::sample_interval},
    NamedField{"relaunch_first", &Profile::relaunch_first},
    NamedField{"relaunch_max", &Profile::relaunch_max},
    NamedField{"relaunch_quick", &Profile::relaunch_quick},
    NamedField{"keep_alive_early_percent", &Profile::keep_alive_early_percent},
    NamedField{"alarm_ride", &Profile::alarm_ride},
    NamedField{"run_budget", &Profile::run_budget},
    NamedField{"run_budget_span", &Profile::run_budget_span},
    NamedField{"wakes_per_day", &Profile::wakes_per_day},
    NamedField{"udp_tags", &Profile::udp_tags},
    NamedField{"ipc_slice", &Profile::ipc_slice},
    NamedField{"ipc_gap", &Profile::ipc_gap},
    NamedField{"reclaim_after", &Profile::reclaim_after},
};

std::optional<std::int64_t> parse_whole(std::string_view text, std::string_view& rest) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  rest = text.substr(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool parse(std::string_view text, Duration& out) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits = {{
      {"ns", 1},
      {"us", 1'000},
      {"ms", 1'000'000},
      {"s", 1'000'000'000},
      {"min", 60'000'000'000},
      {"h", 3'600'000'000'000},
  }};
  std::string_view unit;
  const auto value = parse_whole(text, unit);
  if (!value) return false;
  for (const auto& [name, scale] : kUnits) {
    if (unit != name) continue;
    if (*value > Duration::max().count() / scale) return false;
    out = Duration(*value * scale);
    return true;
  }
  return false;
}

bool parse(std::string_view text, int& out) {
  std::string_view rest;
  const auto value = parse_whole(text, rest);
  if (!value || !rest.empty() || !std::in_range<int>(*value)) return false;
  out = static_cast<int>(*value);
  return true;
}

bool parse(std::string_view text, bool& out) {
  if (text != "true" && text != "false") return false;
  out = text == "true";
  return true;
}

bool parse(std::string_view text, doze::LimitAction& out) {
  if (text == "none") {
    out = doze::LimitAction::kNone;
  } else if (text == "kill") {
    out = doze::LimitAction::kKill;
  } else if (text == "delay") {
    out = doze::LimitAction::kDelay;
  } else {
    return false;
  }
  return true;
}

std::unexpected<StartError> bad_field(ErrorCode code, const char* where, std::string subject) {
  return std::unexpected(StartError{{code, where, 0}, std::move(subject)});
}

}  // namespace

std::string to_string(const StartError& error) {
  return error.subject + ": " + base::to_string(error.error);
}

std::string socket_path(const std::string& runtime_folder) { return runtime_folder + "/host.sock"; }

base::Result<Profile> profile_by_name(std::string_view name) {
  if (auto profile = doze::profile_of_name(name)) return *profile;
  return base::fail(ErrorCode::kNotFound, "profile");
}

std::expected<void, StartError> override_profile(Profile& profile, std::string_view assignment) {
  const auto equals = assignment.find('=');
  const std::string_view key = assignment.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : assignment.substr(equals + 1);
  for (const NamedField& named : kFields) {
    if (named.name != key) continue;
    const bool done =
        std::visit([&](auto field) { return parse(value, profile.*field); }, named.field);
    if (done) return {};
    return bad_field(ErrorCode::kInvalidArgument, "profile.value",
                     "profile." + std::string(assignment));
  }
  return bad_field(ErrorCode::kNotFound, "profile.key", "profile." + std::string(key));
}

std::expected<void, StartError> check(const HostOptions& options) {
  const Profile& profile = options.profile;
  for (const NamedField& named : kFields) {
    const auto* duration = std::get_if<Duration Profile::*>(&named.field);
    if (duration != nullptr && profile.*(*duration) < Duration::zero()) {
      return bad_field(ErrorCode::kInvalidArgument, "profile.value",
                       "profile." + std::string(named.name));
    }
  }
  // Zero would make the machine's next deadline "now" for ever.
  if (profile.sample_interval <= Duration::zero()) {
    return bad_field(ErrorCode::kInvalidArgument, "profile.value", "profile.sample_interval");
  }
  if (profile.wake_window <= Duration::zero()) {
    return bad_field(ErrorCode::kInvalidArgument, "profile.value", "profile.wake_window");
  }
  if (profile.keep_alive_early_percent < 0 || profile.keep_alive_early_percent > 100) {
    return bad_field(ErrorCode::kInvalidArgument, "profile.value",
                     "profile.keep_alive_early_percent");
  }
  if (profile.ipc_slice <= Duration::zero()) {
    return bad_field(ErrorCode::kInvalidArgument, "profile.value", "profile.ipc_slice");
  }
  if (profile.run_budget > profile.run_budget_span) {
    return bad_field(ErrorCode::kInvalidArgument, "profile.value", "profile.run_budget");
  }
  if (profile.wakes_per_day < 0) {
    return bad_field(ErrorCode::kInvalidArgument, "profile.value", "profile.wakes_per_day");
  }
  if (profile.limit_wakes < 0) {
    return bad_field(ErrorCode::kInvalidArgument, "profile.value", "profile.limit_wakes");
  }
  if (options.kill_grace < Duration::zero()) {
    return bad_field(ErrorCode::kInvalidArgument, "options.value", "kill_grace");
  }
  return {};
}

}  // namespace wakeline::host
