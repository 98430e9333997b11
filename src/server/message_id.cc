// SPDX-License-Identifier: Apache-2.0
#include "server/message_id.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace wakeline::server {

namespace {

constexpr std::size_t kProofSize = 16;  ///< of HMAC-SHA256, cut (RFC 2104 §5)
constexpr std::size_t kNumbersSize = 16;

std::array<std::uint8_t, kProofSize> proof(base::BytesView numbers, base::BytesView secret) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> whole{};
  unsigned size = 0;
  WL_CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), numbers.data(),
                numbers.size(), whole.data(), &size) != nullptr);
  std::array<std::uint8_t, kProofSize> cut{};
  std::copy_n(whole.begin(), cut.size(), cut.begin());
  return cut;
}

}  // namespace

std::string to_text(const MessageId& id, base::BytesView secret) {
  base::Bytes bytes;
  base::ByteWriter writer(bytes);
  writer.u64(id.device.value);
  writer.u64(id.sequence);
  writer.put(proof(bytes, secret));
  return base::to_base64url(bytes);
}

std::optional<MessageId> read_message_id(std::string_view text, base::BytesView secret) {
  const auto bytes = base::from_base64url(text);
  if (!bytes || bytes->size() != kNumbersSize + kProofSize) return std::nullopt;
  const base::BytesView numbers = base::BytesView(*bytes).first(kNumbersSize);
  const auto wanted = proof(numbers, secret);
  if (CRYPTO_memcmp(wanted.data(), bytes->data() + kNumbersSize, wanted.size()) != 0)
    return std::nullopt;
  base::ByteReader reader(numbers);
  MessageId id;
  id.device = store::DeviceId{reader.u64()};
  id.sequence = reader.u64();
  return id;
}

}  // namespace wakeline::server
