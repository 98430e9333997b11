// SPDX-License-Identifier: Apache-2.0
#include "server/es256.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/check.h"

namespace wakeline::server {

namespace {

constexpr int kHalf = kEs256Size / 2;
constexpr const char* kCurve = "prime256v1";

struct Free {
  void operator()(EVP_PKEY_CTX* it) const { EVP_PKEY_CTX_free(it); }
  void operator()(EVP_MD_CTX* it) const { EVP_MD_CTX_free(it); }
  void operator()(OSSL_PARAM_BLD* it) const { OSSL_PARAM_BLD_free(it); }
  void operator()(OSSL_PARAM* it) const { OSSL_PARAM_free(it); }
  void operator()(ECDSA_SIG* it) const { ECDSA_SIG_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Key public_key(base::BytesView point) {
  if (point.size() != kP256PointSize || point[0] != 4) return nullptr;
  const Owned<OSSL_PARAM_BLD> build(OSSL_PARAM_BLD_new());
  if (!build ||
      OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, kCurve, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1)
    return nullptr;
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(build.get()));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
    return nullptr;
  return Key(made);
}

/// OpenSSL has signatures in ASN.1; empty when it cannot be made.
base::Bytes to_der(base::BytesView signature) {
  const Owned<ECDSA_SIG> pair(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(signature.data(), kHalf, nullptr);
  BIGNUM* s = BN_bin2bn(signature.data() + kHalf, kHalf, nullptr);
  if (!pair || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  base::Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

}  // namespace

bool is_p256_point(base::BytesView point) { return public_key(point) != nullptr; }

bool verify_es256(base::BytesView point, base::BytesView message, base::BytesView signature) {
  if (signature.size() != kEs256Size) return false;
  const Key key = public_key(point);
  const base::Bytes der = to_der(signature);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  return key && !der.empty() && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), der.data(), der.size(), message.data(), message.size()) ==
             1;
}

base::Result<Key> read_p256_key(const std::string& pem) {
  const Owned<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // An empty password: an encrypted key must not ask on the terminal.
  char no_password[] = "";
  Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, no_password));
  char curve[32] = {};
  if (!key || EVP_PKEY_get_group_name(key.get(), curve, sizeof curve, nullptr) != 1 ||
      std::string_view(curve) != kCurve)
    return base::fail(base::ErrorCode::kMalformed, "P-256 private key");
  return key;
}

Key make_p256_key() {
  Key key(EVP_EC_gen(kCurve));
  WL_CHECK(key != nullptr);
  return key;
}

base::Bytes public_point(const Key& key) {
  unsigned char* point = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(key.get(), &point);
  base::Bytes bytes(point, point + size);
  OPENSSL_free(point);
  WL_CHECK(bytes.size() == kP256PointSize);
  return bytes;
}

base::Bytes sign_es256(const Key& key, base::BytesView message) {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::size_t size = 0;
  WL_CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1);
  WL_CHECK(EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) == 1);
  base::Bytes der(size);
  WL_CHECK(EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) == 1);
  const unsigned char* at = der.data();
  const Owned<ECDSA_SIG> pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  WL_CHECK(pair != nullptr);
  base::Bytes signature(kEs256Size);
  WL_CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), signature.data(), kHalf) == kHalf);
  WL_CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), signature.data() + kHalf, kHalf) == kHalf);
  return signature;
}

std::string make_jwt(const Key& key, const std::string& header, const std::string& claims) {
  const std::string text =
      base::to_base64url(base::as_bytes(header)) + "." + base::to_base64url(base::as_bytes(claims));
  return text + "." + base::to_base64url(sign_es256(key, base::as_bytes(text)));
}

}  // namespace wakeline::server
