// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "linux/sound_length.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// Reads the headers of a file, whole and with its middle left out.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView bytes(data, size);
  const auto part = std::min<std::size_t>(size, 96);
  for (const auto& length : {sys::sound_length(bytes, bytes, size),
                             sys::sound_length(bytes.first(part), bytes.last(part), size)}) {
    WL_CHECK(!length || (*length >= base::Duration::zero() && *length <= std::chrono::hours(25)));
  }
  return 0;
}
