// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "io/netlink.h"
#include "linux/netlink_messages.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// Reads a datagram, and each of its messages both as an address and as a route.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read_all = [&](std::uint16_t, base::BytesView body) {
    WL_CHECK(body.size() <= size);
    if (const auto address = sys::parse_address(body)) {
      WL_CHECK(!sys::to_string(address->address).empty());
    }
    // A next hop needs eight bytes at least.
    WL_CHECK(sys::parse_default_routes(body).size() <= body.size() / 8 + 1);
  };
  if (!io::read_netlink({data, size}, read_all)) return 0;
  return 0;
}
