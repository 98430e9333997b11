// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "core/link/types.h"

namespace wakeline::link {

/// Bytes of the longest text: all networks with all routes, each number at its longest.
inline constexpr std::size_t kMemoryTextMax = 32'768;

/// The text of a memory file. `boot_to_wall` is what the wall clock is ahead of the boot clock: the
/// server's `retry-after` holds over a restart of the machine, and what was learnt of networks
/// keeps its age.
/// Shape: lines "key value", first "wakeline-link 2", last "checksum" with the FNV-1a 64 of all
///        bytes before that line, in hex. Instants are ns since 1970 in UTC.
std::string encode(const Memory& memory, Duration boot_to_wall = {});

/// Reads version 1, which knew no networks, as well.
/// Errors: kMalformed (torn, a foreign key, a wrong checksum, numbers that don't rise),
///         kUnsupported (another version), kTooLarge (over kMemoryTextMax).
base::Result<Memory> decode_memory(std::string_view text, Duration boot_to_wall = {});

}  // namespace wakeline::link
