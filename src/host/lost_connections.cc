// SPDX-License-Identifier: Apache-2.0
#include "host/lost_connections.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "linux/socket_probe.h"
#include "linux/tcp_destroy.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using base::LogLevel;

/// The ends of a tagged connection; nullopt for one that is gone or that has none. The duplicate
/// lives for the reading alone.
std::optional<sys::TcpEnds> ends_of(const TagRecord& tag) {
  const auto duplicate = sys::duplicate_socket(tag.pidfd->get(), tag.fd, tag.cookie);
  if (!duplicate) return std::nullopt;
  const auto ends = sys::tcp_ends(duplicate->get());
  return ends ? std::optional(*ends) : std::nullopt;
}

}  // namespace

void end_lost_connections(Driver& driver, const std::vector<sys::IpAddress>& lost) {
  if (lost.empty()) return;
  std::vector<std::pair<doze::AppId, doze::TagId>> to_wake;
  for (const auto& [id, app] : driver.apps()) {
    for (const auto& [tag, record] : app->tags) {
      const auto ends = ends_of(record);
      if (!ends || !std::ranges::binary_search(lost, ends->local)) continue;
      const auto ended = sys::destroy_tcp(*ends, record.cookie);
      driver.note(app.get(), "network", ended ? "connection_ended" : "address_lost",
                  sys::to_string(ends->local));
      if (ended) continue;
      base::log(LogLevel::kInfo, "host", "{}: its address {} is gone; its connection stays: {}", id,
                sys::to_string(ends->local), base::to_string(ended.error()));
      if (app->suspended) to_wake.emplace_back(app->id, tag);
    }
  }
  for (const auto& [id, tag] : to_wake) {
    driver.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_socket_event(now, id, tag, doze::SocketEvent::kError, out);
    });
  }
}

}  // namespace wakeline::host
