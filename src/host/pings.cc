// SPDX-License-Identifier: Apache-2.0
#include "host/pings.h"

#include <array>

#include "wire/sip_ping.h"

namespace wakeline::host {

bool leave_pings(sys::SocketWatch& watch, const AppRecord& app, sys::WatchKey key) {
  if (app.manifest.merge_pings == base::Duration::zero()) return false;
  // First the count, then the bytes: what comes in between is an event of its own.
  const auto known = watch.read(key);
  if (!known || known->ended || known->unread > wire::kPingBytesMax) return false;
  std::array<char, wire::kPingBytesMax + 1> bytes;
  const auto size = watch.peek(key, bytes);
  if (!size || !wire::holds_only_sip_pings({bytes.data(), *size})) return false;
  return watch.rearm(key, *known).has_value();
}

}  // namespace wakeline::host
