// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "core/doze/types.h"
#include "host/app_record.h"
#include "linux/socket_watch.h"

namespace wakeline::host {

/// Members of a watch group from here on are io_uring descriptors, below it tags.
inline constexpr std::uint64_t kRingMember = std::uint64_t{1} << 63;

/// What was found of an app.
struct AppReading {
  doze::Reading reading;
  /// Tags whose number means another socket now, or that may no longer be read: the app has closed
  /// them, or they cannot wake it any more.
  std::vector<doze::TagId> gone;
};

/// Duplicates the tagged socket, if its number still means it (C5). Errors: as
/// sys::duplicate_socket.
base::Result<io::UniqueFd> duplicate_of(const TagRecord& tag);

/// Reads CPU time, and whether a request of the app is unread. Errors: what AppGroup::cpu_time
/// says.
base::Result<AppReading> read_cpu(AppRecord& app);
/// Adds every tagged socket, each read through a duplicate that lives for the reading alone; with
/// `keep_duplicates` (only for a frozen app) it stays in its TagRecord. Errors: kOs (no descriptors
/// left).
base::Result<void> read_sockets(AppRecord& app, bool keep_duplicates, AppReading& result);

/// Watches one tag of the suspended app, and with the first one the app's io_urings too.
/// Errors: kNotFound (the socket is gone), as SocketWatch::add.
base::Result<void> watch_tag(sys::SocketWatch& watch, AppRecord& app, const doze::Watch& action);

/// Closes every duplicate of the app's descriptors: before it runs or dies.
void drop_duplicates(sys::SocketWatch& watch, AppRecord& app);

}  // namespace wakeline::host
