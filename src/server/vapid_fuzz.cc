// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "server/es256.h"
#include "server/vapid.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// What an app server says of itself is read within its limits, and nobody is believed without a
/// signature.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto token = server::read_vapid(text);
  if (!token) return 0;
  WL_CHECK(token->key.size() == server::kP256PointSize);
  WL_CHECK(token->signature.size() == server::kEs256Size);
  WL_CHECK(token->signed_part.size() <= server::kVapidTokenMax);
  server::VapidVerifier verifier;
  const base::WallTime then{std::chrono::seconds(token->expires_s) - std::chrono::seconds(1)};
  const std::string_view origin =
      token->audiences.empty() ? std::string_view() : std::string_view(token->audiences.back());
  WL_CHECK(origin.starts_with(server::origin_part(origin)));
  const auto verified = verifier.verify(text, origin, then);
  if (verified) WL_CHECK(server::is_p256_point(*verified));
  return 0;
}
