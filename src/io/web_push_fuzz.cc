// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "io/web_push_keys.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// Nobody without the keys makes a body that opens; the same bytes are read as a file of keys too.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto keys = io::WebPushKeys::generate();
  WL_CHECK(keys.has_value());
  const base::BytesView bytes(data, size);
  WL_CHECK(!keys->open(bytes));
  if (const auto read = io::WebPushKeys::from_text(base::as_text(bytes)))
    WL_CHECK(io::WebPushKeys::from_text(read->text()) == *read);
  return 0;
}
