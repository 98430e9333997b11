// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host/app_record.h"
#include "linux/socket_watch.h"

namespace wakeline::host {

/// Whether all that waits in the watched connection is pings of SIP, which the app's manifest lets
/// wait (merge_pings). Then the socket is watched on: what comes next is looked at again. Looks
/// without taking a byte, and only where the manifest asks for it; false whenever in doubt.
bool leave_pings(sys::SocketWatch& watch, const AppRecord& app, sys::WatchKey key);

}  // namespace wakeline::host
