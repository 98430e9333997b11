// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/push.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// A push request that was accepted fits a PUBLISH, and its content arrives as it was sent. The
/// same bytes are read as the content of a PUBLISH too.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto arrives = [](const wire::PushContent& content) {
    const auto bytes = wire::encode(content);
    WL_CHECK(bytes.has_value() && bytes->size() <= wire::kPushBodyMax);
    const auto again = wire::decode_push_content(*bytes);
    WL_CHECK(again.has_value() && *again == content);
  };
  if (const auto batch = wire::parse_push_batch(text)) {
    WL_CHECK(!batch->pushes.empty() && batch->pushes.size() <= wire::kPushBatchMax);
    for (const wire::PushRequest& request : batch->pushes) {
      // One target, which is a name; the other two are empty.
      WL_CHECK(wire::is_device_name(request.device + request.user + request.group));
      WL_CHECK(request.ttl_s <= wire::kTtlMax);
      WL_CHECK(request.content != wire::PushContent{});
      arrives(request.content);
    }
  } else {
    WL_CHECK(!batch.error().message.empty());
    WL_CHECK_MSG(base::is_utf8(batch.error().field), "{}", batch.error().field);
  }
  if (const auto content = wire::decode_push_content({data, size})) arrives(*content);
  return 0;
}
