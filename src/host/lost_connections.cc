// SPDX-License-Identifier: Apache-2.0
#include "host/lost_connections.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "host/app_sockets.h"
#include "linux/socket_destroy.h"
#include "linux/socket_probe.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using base::LogLevel;

struct ToWake {
  doze::AppId app;
  doze::TagId tag;
  bool udp;
};

/// The ends of a tagged socket; nullopt for one that is gone or that has none. The duplicate
/// lives for the reading alone.
std::optional<sys::SocketEnds> ends_of(const TagRecord& tag) {
  const auto duplicate = duplicate_of(tag);
  if (!duplicate) return std::nullopt;
  const auto ends = sys::socket_ends(duplicate->get());
  return ends ? std::optional(*ends) : std::nullopt;
}

}  // namespace

void end_lost_connections(Driver& driver, const std::vector<sys::IpAddress>& lost) {
  if (lost.empty()) return;
  std::vector<ToWake> to_wake;
  for (const auto& [id, app] : driver.apps()) {
    for (const auto& [tag, record] : app->tags) {
      const auto ends = ends_of(record);
      if (!ends || !std::ranges::binary_search(lost, ends->local)) continue;
      const auto ended = sys::destroy_socket(*ends, record.cookie);
      driver.note(app.get(), "network", ended ? "connection_ended" : "address_lost",
                  sys::to_string(ends->local));
      if (ended) continue;
      base::log(LogLevel::kInfo, "host", "{}: its address {} is gone; its connection stays: {}", id,
                sys::to_string(ends->local), base::to_string(ended.error()));
      if (app->suspended) to_wake.push_back({app->id, tag, record.udp});
    }
  }
  for (const auto& [id, tag, udp] : to_wake) {
    // A UDP socket has no connection that would have ended: it is watched on.
    const auto event = udp ? doze::SocketEvent::kData : doze::SocketEvent::kDoubt;
    driver.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_socket_event(now, id, tag, event, out);
    });
  }
}

}  // namespace wakeline::host
