// SPDX-License-Identifier: Apache-2.0
#include "io/web_push_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "io/openssl_free.h"

namespace wakeline::io {
namespace {

using base::ErrorCode;

constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kHeaderSize = kSaltSize + 4 + 1 + 65;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kContentKeySize = 16;
constexpr std::size_t kNonceSize = 12;
constexpr std::uint8_t kLastRecord = 2;  ///< the delimiter before its padding (RFC 8188 §2)
constexpr const char* kCurve = "prime256v1";

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, OpensslFree<EVP_PKEY_CTX_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, OpensslFree<EVP_CIPHER_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, OpensslFree<BN_clear_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, OpensslFree<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, OpensslFree<OSSL_PARAM_free>>;
using Hash = std::array<std::uint8_t, 32>;

Hash hmac(base::BytesView key, std::initializer_list<base::BytesView> parts) {
  base::Bytes text;
  for (const base::BytesView part : parts) text.insert(text.end(), part.begin(), part.end());
  Hash hash{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), text.data(), text.size(),
       hash.data(), nullptr);
  return hash;
}

/// With the byte of zero at its end, as both RFCs have it.
template <std::size_t kSize>
base::BytesView label(const char (&text)[kSize]) {
  return {reinterpret_cast<const std::uint8_t*>(text), kSize};
}

constexpr std::uint8_t kFirstBlock[] = {1};

/// The key of a point and, where there is one, its private number; null for a point off the curve.
EvpKey make_key(base::BytesView point, base::BytesView number) {
  const Builder builder(OSSL_PARAM_BLD_new());
  const Number scalar(number.empty()
                          ? nullptr
                          : BN_bin2bn(number.data(), static_cast<int>(number.size()), nullptr));
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, kCurve, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1)
    return nullptr;
  if (scalar && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar.get()) != 1)
    return nullptr;
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  const int selection = scalar ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, selection, params.get()) != 1)
    return nullptr;
  EvpKey key(made);
  const KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  const bool fine =
      check && (scalar ? EVP_PKEY_check(check.get()) : EVP_PKEY_public_check(check.get())) == 1;
  return fine ? std::move(key) : nullptr;
}

/// The shared secret of both; empty when they do not go together.
base::Bytes agree(EVP_PKEY* own, EVP_PKEY* peer) {
  const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
  std::size_t size = 0;
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1)
    return {};
  base::Bytes shared(size);
  if (EVP_PKEY_derive(context.get(), shared.data(), &size) != 1) return {};
  shared.resize(size);
  return shared;
}

/// AES-128-GCM; nothing when the tag is another.
base::Result<base::Bytes> decrypt(base::BytesView key, base::BytesView nonce,
                                  base::BytesView record) {
  const auto forged = base::fail(ErrorCode::kUnauthorized, "web_push.open");
  const std::size_t size = record.size() - kTagSize;
  base::Bytes tag(record.begin() + static_cast<std::ptrdiff_t>(size), record.end());
  base::Bytes text(size);
  int written = 0;
  const Cipher cipher(EVP_CIPHER_CTX_new());
  if (!cipher ||
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_128_gcm(), nullptr, key.data(), nonce.data()) != 1 ||
      EVP_DecryptUpdate(cipher.get(), text.data(), &written, record.data(),
                        static_cast<int>(size)) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), text.data() + written, &written) != 1)
    return forged;
  return text;
}

/// A word of base64url into an array of just its size.
template <std::size_t kSize>
bool read(std::string_view& text, std::array<std::uint8_t, kSize>& into) {
  const auto end = std::min(text.find_first_of(" \n"), text.size());
  const auto bytes = base::from_base64url(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  if (!bytes || bytes->size() != kSize) return false;
  std::ranges::copy(*bytes, into.begin());
  return true;
}

}  // namespace

base::Result<WebPushKeys> WebPushKeys::generate() {
  const auto failed = base::fail(ErrorCode::kTls, "web_push.generate");
  const EvpKey key(EVP_EC_gen(kCurve));
  if (!key) return failed;
  WebPushKeys made;
  BIGNUM* read = nullptr;
  std::size_t size = 0;
  if (EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &read) != 1) return failed;
  const Number scalar(read);
  if (BN_bn2binpad(scalar.get(), made.private_.data(), static_cast<int>(made.private_.size())) <
          0 ||
      EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, made.public_.data(),
                                      made.public_.size(), &size) != 1 ||
      size != made.public_.size() ||
      RAND_bytes(made.secret_.data(), static_cast<int>(made.secret_.size())) != 1)
    return failed;
  return made;
}

base::Result<WebPushKeys> WebPushKeys::from_text(std::string_view text) {
  WebPushKeys keys;
  const bool whole = read(text, keys.private_) && read(text, keys.public_) &&
                     read(text, keys.secret_) && text.empty();
  if (!whole || !make_key(keys.public_, keys.private_))
    return base::fail(ErrorCode::kMalformed, "web_push.keys");
  return keys;
}

std::string WebPushKeys::text() const {
  return base::to_base64url(private_) + ' ' + public_key() + ' ' + secret() + '\n';
}

base::Result<base::Bytes> WebPushKeys::open(base::BytesView body) const {
  const auto malformed = base::fail(ErrorCode::kMalformed, "web_push.open");
  if (body.size() > kSealedMax) return base::fail(ErrorCode::kTooLarge, "web_push.open");
  if (body.size() < kHeaderSize + kTagSize + 1) return malformed;
  const base::BytesView salt = body.first(kSaltSize);
  const auto size_bytes = body.subspan(kSaltSize, 4);
  const std::size_t record_size = (static_cast<std::size_t>(size_bytes[0]) << 24) |
                                  (static_cast<std::size_t>(size_bytes[1]) << 16) |
                                  (static_cast<std::size_t>(size_bytes[2]) << 8) | size_bytes[3];
  const base::BytesView sender = body.subspan(kHeaderSize - public_.size(), public_.size());
  const base::BytesView record = body.subspan(kHeaderSize);
  // RFC 8291 §4: one record, so it is no longer than it says.
  if (body[kSaltSize + 4] != public_.size() || record.size() > record_size) return malformed;

  const EvpKey own = make_key(public_, private_);
  const EvpKey peer = make_key(sender, {});
  if (!own || !peer) return malformed;
  const base::Bytes shared = agree(own.get(), peer.get());
  if (shared.empty()) return malformed;
  const Hash key_hash = hmac(secret_, {shared});
  const Hash material = hmac(key_hash, {label("WebPush: info"), public_, sender, kFirstBlock});
  const Hash pseudo = hmac(salt, {material});
  const Hash key = hmac(pseudo, {label("Content-Encoding: aes128gcm"), kFirstBlock});
  const Hash nonce = hmac(pseudo, {label("Content-Encoding: nonce"), kFirstBlock});
  auto text = decrypt(base::BytesView(key).first(kContentKeySize),
                      base::BytesView(nonce).first(kNonceSize), record);
  if (!text) return text;
  while (!text->empty() && text->back() == 0) text->pop_back();
  if (text->empty() || text->back() != kLastRecord) return malformed;
  text->pop_back();
  return text;
}

}  // namespace wakeline::io
