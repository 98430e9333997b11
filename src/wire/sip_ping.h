// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace wakeline::wire {

/// What is looked at of a connection's waiting bytes; more than that is never only pings. Some 50
/// requests as registrars send them.
inline constexpr std::size_t kPingBytesMax = 16'384;
/// One OPTIONS request with its header fields; what comes from registrars has 300 to 600 bytes.
inline constexpr std::size_t kPingRequestMax = 4'096;

/// Whether `bytes`, from the beginning of a message on, hold nothing but whole keep-alives of SIP
/// over TCP: line ends (CRLF, CRLF CRLF) and OPTIONS requests outside of a call, without a body.
/// A part of one, a request of a call (To with a tag), one that asks for more (Require), anything
/// else, and nothing at all: false.
/// Source: RFC 3261 §7, §11, §18.3; RFC 5626 §3.5.1.
bool holds_only_sip_pings(std::string_view bytes);

}  // namespace wakeline::wire
