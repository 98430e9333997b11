// SPDX-License-Identifier: Apache-2.0
#include "core/doze/types.h"

namespace wakeline::doze {

Profile Profile::linux_default() { return {}; }

Profile Profile::ios() {
  Profile profile;
  profile.name = "ios";
  profile.limit_action = LimitAction::kKill;
  profile.wake_on_network = false;
  profile.run_budget = Duration::zero();
  profile.wakes_per_day = 0;
  profile.udp_tags = false;
  return profile;
}

Profile Profile::ios_classic() {
  Profile profile;
  profile.name = "ios-classic";
  profile.keep_alive_budget = std::chrono::seconds(30);
  profile.keep_alive_overrun_kills = true;
  profile.task_pool = std::chrono::seconds(600);
  profile.limit_action = LimitAction::kNone;
  profile.wake_on_end = false;
  profile.wake_on_network = false;
  profile.linger = Duration::zero();
  profile.run_budget = Duration::zero();
  profile.wakes_per_day = 0;
  profile.udp_tags = false;
  return profile;
}

std::optional<Profile> profile_of_name(std::string_view name) {
  for (const Profile& profile : {Profile::linux_default(), Profile::ios(), Profile::ios_classic()})
    if (profile.name == name) return profile;
  return std::nullopt;
}

}  // namespace wakeline::doze
