// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "core/link/types.h"

namespace wakeline::link {

/// Bytes of the longest text: 64 numbers of 20 digits and the rest.
inline constexpr std::size_t kMemoryTextMax = 2'048;

/// The text of a memory file.
/// Shape: lines "key value", first "wakeline-link 1", last "checksum" with the FNV-1a 64 of all
///        bytes before that line, in hex.
std::string encode(const Memory& memory);

/// Errors: kMalformed (torn, a foreign key, a wrong checksum, numbers that don't rise),
///         kUnsupported (another version), kTooLarge (over kMemoryTextMax).
base::Result<Memory> decode_memory(std::string_view text);

}  // namespace wakeline::link
