// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "wire/mqtt.h"

namespace wakeline::link {

/// Cuts the bytes of one connection into packets. Whole packets are taken from the driver's buffer
/// as they lie; only the torn end of a packet is kept, at most kPacketMax.
class Inflow {
 public:
  /// Takes the next packet out of what was kept and the front of `bytes`, which moves on.
  /// Returns: nullopt when both hold no whole packet; `bytes` is empty then.
  /// Errors:  of wire::mqtt::decode; the connection is of no more use.
  base::Result<std::optional<wire::mqtt::Packet>> next(base::BytesView& bytes);

  std::size_t kept() const { return kept_.size(); }
  friend bool operator==(const Inflow&, const Inflow&) = default;

 private:
  base::Bytes kept_;
};

}  // namespace wakeline::link
