// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/un.h>

#include <string>

#include "base/error.h"
#include "io/loop.h"
#include "io/seqpacket.h"
#include "io/unique_fd.h"

/// What the two halves of seqpacket.h share.
namespace wakeline::io {

/// Errors: kTooLarge (108 bytes with the final zero, unix(7)), kInvalidArgument (empty).
base::Result<sockaddr_un> unix_address(const std::string& path);

/// A non-blocking SOCK_SEQPACKET socket that is closed on exec.
base::Result<UniqueFd> unix_socket();

/// Errors: as connect_seqpacket.
base::Result<void> connect_unix(int fd, const sockaddr_un& address);

/// Takes a connected socket whose description is nobody else's.
base::Result<std::unique_ptr<Seqpacket>> wrap_seqpacket(Loop& loop, UniqueFd fd);

}  // namespace wakeline::io
