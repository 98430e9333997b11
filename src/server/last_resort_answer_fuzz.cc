// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "server/last_resort_message.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// What another service answers, and the address that a device gave of it: a reason is one word
/// that may go into a log, and an origin has nothing of the rest of its URL.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 2), size - 2);
  const server::Http2Client::Answer answer{
      .status = static_cast<unsigned>((data[0] << 8 | data[1]) % 1'000), .body = text};
  const std::string reason = server::reason_of(answer);
  WL_CHECK(reason.size() <= 64 && reason.find_first_of(" /\n\"0123456789") == std::string::npos);
  for (const auto kind : {store::FallbackKind::kApns, store::FallbackKind::kWebPush}) {
    const server::Verdict verdict = server::verdict_of(answer, kind);
    WL_CHECK((verdict == server::Verdict::kSent) == (answer.status / 100 == 2));
    // Nobody's address is forgotten but for the two answers that say that it is gone.
    if (verdict == server::Verdict::kAddressGone)
      WL_CHECK(answer.status == 410 ||
               (answer.status == 404 && kind == store::FallbackKind::kWebPush));
  }
  const std::string origin = server::origin_of_url(text);
  const std::size_t mark = text.find("://");
  WL_CHECK(origin.empty() == (mark == std::string::npos));
  if (!origin.empty()) WL_CHECK(origin.find_first_of("/?#@", mark + 3) == std::string::npos);
  return 0;
}
