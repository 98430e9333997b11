// SPDX-License-Identifier: Apache-2.0
#include "core/link/inflow.h"

#include <algorithm>

namespace wakeline::link {
namespace {

/// The decoder refuses a longer packet by its fixed header, of at most 5 bytes.
constexpr std::size_t kKeptMax = wire::mqtt::kPacketMax + 5;

}  // namespace

base::Result<std::optional<wire::mqtt::Packet>> Inflow::next(base::BytesView& bytes) {
  const std::size_t old = kept_.size();
  if (old > 0) {
    const std::size_t more = std::min(bytes.size(), kKeptMax - old);
    kept_.insert(kept_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(more));
  }
  const base::BytesView front = old > 0 ? base::BytesView(kept_) : bytes;
  auto decoded = wire::mqtt::decode(front, wire::mqtt::Version::k5);
  if (!decoded) return base::fail(decoded.error());
  if (decoded->consumed == 0) {
    if (front.size() >= kKeptMax) return base::fail(base::ErrorCode::kTooLarge, "mqtt.packet");
    if (old == 0) kept_.assign(bytes.begin(), bytes.end());
    bytes = {};
    return std::nullopt;
  }
  bytes = bytes.subspan(decoded->consumed - old);
  kept_ = {};
  return std::optional(std::move(decoded->packet));
}

}  // namespace wakeline::link
