// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace wakeline::sys {

/// How long a sound plays, by its headers alone; nothing is decoded. Two forms, those of the
/// freedesktop sound themes: WAV, and Ogg with Vorbis or Opus.
/// Shape:   `head` the file's first bytes, `tail` its last ones (they may overlap), `size` all.
/// Returns: nullopt for another form, or where the headers do not say.
/// Source:  RIFF WAVE (Multimedia Programming Interface 1.0), RFC 3533 (Ogg), Vorbis I §4.2.2,
///          RFC 7845 (Opus).
std::optional<base::Duration> sound_length(base::BytesView head, base::BytesView tail,
                                           std::uint64_t size);

/// The same of a file. Errors: kNotFound, kPermission, kOs; kInvalidArgument (no regular file);
/// kUnsupported (nothing that sound_length knows).
base::Result<base::Duration> read_sound_length(const std::string& path);

}  // namespace wakeline::sys
