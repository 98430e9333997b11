// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "store/types.h"

namespace wakeline::server {

/// The address of one accepted push, given to its sender alone: device, number and a proof that
/// nobody else can make. Nothing of it is stored.
struct MessageId {
  store::DeviceId device{};
  store::Sequence sequence = 0;
  friend bool operator==(const MessageId&, const MessageId&) = default;
};

/// 43 characters of base64url. `secret`: the store's.
std::string to_text(const MessageId& id, base::BytesView secret);
/// Nothing when we did not make it; compared in constant time.
std::optional<MessageId> read_message_id(std::string_view text, base::BytesView secret);

}  // namespace wakeline::server
