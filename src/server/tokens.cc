// SPDX-License-Identifier: Apache-2.0
#include "server/tokens.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/check.h"

namespace wakeline::server {

std::string make_token() {
  base::Bytes bytes(32);
  WL_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  std::string token = base::to_base64url(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return token;
}

TokenHash hash_token(base::BytesView token) {
  TokenHash hash{};
  SHA256(token.data(), token.size(), hash.data());
  return hash;
}

bool same(const TokenHash& a, const TokenHash& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace wakeline::server
