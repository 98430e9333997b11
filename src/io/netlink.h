// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>

#include "base/bytes.h"
#include "base/error.h"
#include "io/unique_fd.h"

/// Questions to the kernel over netlink. Source: netlink(7), <linux/netlink.h>.
namespace wakeline::io {

/// A value at the front of the bytes, which need not be aligned for it; false: too short.
template <class T>
bool read_value(base::BytesView bytes, T& value) {
  if (bytes.size() < sizeof value) return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  return true;
}

/// Netlink's parts are padded to four bytes; the last one may lack the padding.
inline base::BytesView after_part(base::BytesView bytes, std::size_t size) {
  return bytes.subspan(std::min(bytes.size(), (size + 3) & ~std::size_t{3}));
}

/// Calls `use(type, value)` with each attribute; what is malformed ends the list.
template <class Use>
void for_each_attribute(base::BytesView bytes, Use use) {
  rtattr header = {};
  while (read_value(bytes, header)) {
    if (header.rta_len < sizeof header || header.rta_len > bytes.size()) return;
    const auto type = static_cast<std::uint16_t>(header.rta_type & NLA_TYPE_MASK);
    use(type, bytes.subspan(sizeof header, header.rta_len - sizeof header));
    bytes = after_part(bytes, header.rta_len);
  }
}

/// One message: its type and the bytes after its header.
using OnNetlinkMessage = std::function<void(std::uint16_t type, base::BytesView body)>;

/// Splits one datagram into its messages. Returns: true when the last one of a dump was in it.
/// Errors: kMalformed; kOs with the errno that the kernel answered; kBusy (the dump was disturbed:
///         ask again).
base::Result<bool> read_netlink(base::BytesView datagram, const OnNetlinkMessage& on_message);

/// A socket for questions; each is answered within a second or fails.
class NetlinkQuery {
 public:
  /// `protocol`: NETLINK_ROUTE, NETLINK_SOCK_DIAG. Errors: kUnsupported, kPermission, kOs.
  static base::Result<NetlinkQuery> open(int protocol);
  /// Sends one request (header and `body`), and reads until its end or acknowledgement.
  /// Errors: as read_netlink; kTimeout; kTooLarge (over a million messages).
  base::Result<void> ask(std::uint16_t type, std::uint16_t flags, base::BytesView body,
                         const OnNetlinkMessage& on_message);

 private:
  explicit NetlinkQuery(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace wakeline::io
