// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

/// Whom a limit by address is for: an IPv4 address, or the /64 of IPv6 that one subscriber has. An
/// IPv4 address that came to a port of both kinds (::ffff:192.0.2.1) is that IPv4 address.
namespace wakeline::server {

/// 4 or 8 bytes, the beginning of the address.
std::string subscriber_of(const sockaddr_storage& peer);
/// Of an address as text, with or without a zone; text that is none stands for itself.
std::string subscriber_of(std::string_view text);
/// "192.0.2.1", "2001:db8::/64".
std::string subscriber_text(std::string_view subscriber);

}  // namespace wakeline::server
