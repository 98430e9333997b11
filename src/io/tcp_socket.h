// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "base/error.h"
#include "io/loop.h"
#include "io/unique_fd.h"

/// Inside of io: asio makes sockets that a fork inherits; ours are closed on exec.
namespace wakeline::io {

/// Errors: kInvalidArgument.
base::Result<boost::asio::ip::tcp::endpoint> tcp_endpoint(const std::string& address,
                                                          std::uint16_t port);

/// A non-blocking TCP socket of the endpoint's family.
base::Result<UniqueFd> tcp_socket(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace wakeline::io
