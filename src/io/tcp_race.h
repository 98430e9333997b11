// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/unique_fd.h"

namespace wakeline::io {

/// The head start of one address over the next (RFC 8305 §5).
inline constexpr base::Duration kTcpStagger = std::chrono::milliseconds(250);
/// Addresses of one name that are tried; a name that has more is not honest, or needs no more.
inline constexpr std::size_t kTcpRacingMax = 16;

/// A TCP connection to a host by its name: all its addresses, the families in turn, each with a
/// head start over the next; the first that stands has won. Destroying it ends the race, and
/// `on_done` is not called. On the loop's thread.
/// Source:   RFC 8305 §3 to §5.
class TcpRace {
 public:
  virtual ~TcpRace() = default;
};

/// `on_done` is called later, never within this call: with a non-blocking socket, closed on exec.
/// No deadline of its own. Errors: kUnreachable (`where` "getaddrinfo": the name), and what the
/// last address failed with.
std::unique_ptr<TcpRace> race_tcp(Loop& loop, const std::string& host, std::uint16_t port,
                                  std::function<void(base::Result<UniqueFd>)> on_done);

}  // namespace wakeline::io
