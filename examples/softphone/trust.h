// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "re_library.h"

/// A TLS context that takes a registrar at the IP address `host` only with a certificate for it,
/// of an authority in `ca_file` or, where that is empty, of one that the system trusts.
/// Null: the file cannot be read.
tls* make_trust(const std::string& host, const std::string& ca_file);
