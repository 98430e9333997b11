// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "host/driver.h"
#include "linux/network_facts.h"

namespace wakeline::host {

/// Ends the tagged connections that go out from an address which this machine has lost (C31): their
/// apps read an error at once, and a suspended one is woken by it, instead of hearing nothing for
/// minutes. Where the kernel does not let us (no CAP_NET_ADMIN), a suspended app is woken as if the
/// error were there, and finds out by itself.
void end_lost_connections(Driver& driver, const std::vector<sys::IpAddress>& lost);

}  // namespace wakeline::host
