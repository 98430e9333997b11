// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "store/journal.h"

/// A journal's bytes, and the content of one record whose checksum was right, are read within their
/// bytes; what is read can be written and read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  const base::BytesView bytes(data, size);
  constexpr store::JournalKey kKey{.epoch = 1, .generation = 1};
  const auto content = store::decode_content(bytes.first(std::min(size, store::kRecordMax)));
  base::Bytes written;
  if (content) store::encode_record(*content, kKey, written);
  WL_CHECK(store::decode_records(written, kKey).size() == (content ? 1U : 0U));
  for (const auto& record : store::decode_records(bytes, kKey))
    store::encode_record(record, kKey, written);
  WL_CHECK(written.size() <= 2 * size + 16);
  return 0;
}
