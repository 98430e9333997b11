// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

/// ECDSA over P-256 with SHA-256, as JSON Web Tokens have it (RFC 7518 §3.4): a signature is r and
/// s of 32 bytes each, a public key the uncompressed point of 65 bytes.
namespace wakeline::server {

inline constexpr std::size_t kP256PointSize = 65;
inline constexpr std::size_t kEs256Size = 64;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

/// Whether these bytes are a point of the curve.
bool is_p256_point(base::BytesView point);
/// False as well when key or signature are none.
bool verify_es256(base::BytesView point, base::BytesView message, base::BytesView signature);

/// A private key as PEM, PKCS 8, as the vendor gives it (.p8). Errors: kMalformed (also another
/// curve).
base::Result<Key> read_p256_key(const std::string& pem);
/// Makes one up. For tests, and for keys of our own.
Key make_p256_key();
base::Bytes public_point(const Key& key);
/// kEs256Size bytes.
base::Bytes sign_es256(const Key& key, base::BytesView message);
/// A JSON Web Token: header and claims are JSON.
std::string make_jwt(const Key& key, const std::string& header, const std::string& claims);

}  // namespace wakeline::server
