// SPDX-License-Identifier: Apache-2.0
#include "host/media.h"

#include <algorithm>
#include <tuple>

#include "host/driver.h"
#include "linux/socket_scan.h"

namespace wakeline::host {

bool look_for_media(Driver& driver, AppRecord& app) {
  const wire::MediaRule& rule = app.manifest.media;
  if (rule.empty() && !app.in_media) return false;
  const auto matches = [&](std::uint16_t port) { return rule.matches(port); };
  const bool found = !rule.empty() && app.process->running() &&
                     std::ranges::any_of(sys::udp_ports(app.process->group().processes()), matches);
  if (std::exchange(app.in_media, found) == found) return found;
  driver.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    // Refused when the user took the right away: then it is suspended like any other.
    std::ignore = doze.on_audio_session(now, app.id, found, out);
  });
  return found;
}

}  // namespace wakeline::host
