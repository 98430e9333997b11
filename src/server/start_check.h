// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "io/tls.h"
#include "server/options.h"

/// What a start finds out before it changes anything.
namespace wakeline::server {

/// Our certificate, and what the certificates of devices are held against.
/// Errors: kNotFound (a file that is not there or cannot be read), kMalformed (what is in it).
Outcome<std::shared_ptr<io::TlsContext>> read_certificates(const ServerOptions& options);

/// What a start with these options would refuse, as far as it can be known without its ports and
/// its lock: the data folder, addresses, certificates, keys. Changes nothing.
/// Errors: kNotFound, kMalformed, kInvalidArgument, kPermission, kOs.
Outcome<void> check_start(const ServerOptions& options);

}  // namespace wakeline::server
