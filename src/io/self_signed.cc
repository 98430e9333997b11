// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <functional>

#include "io/clock.h"
#include "io/file.h"
#include "io/openssl_free.h"
#include "io/tls.h"

namespace wakeline::io {
namespace {

constexpr const char* kNames = "names of the certificate";
constexpr long kDay = 24L * 60 * 60;      // seconds
constexpr long kLifetime = 3'653 * kDay;  // ten years

using Certificate = std::unique_ptr<X509, OpensslFree<X509_free>>;
using Memory = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;

bool add_extension(X509* certificate, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// "DNS:localhost,IP:127.0.0.1"; empty for a name that would be read as more than itself.
std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) {
    if (name.empty() || name.find_first_of(", \t\n") != std::string::npos) return {};
    in6_addr address{};
    const bool numeric = ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
                         ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
    text += (text.empty() ? "" : ",") + std::string(numeric ? "IP:" : "DNS:") + name;
  }
  return text;
}

Certificate make_certificate(EVP_PKEY* key, const std::vector<std::string>& names) {
  const std::string alternatives = alternative_names(names);
  if (alternatives.empty()) return nullptr;
  Certificate certificate(X509_new());
  if (!certificate) return nullptr;
  X509* x509 = certificate.get();
  X509_NAME* subject = X509_get_subject_name(x509);
  const auto* common = reinterpret_cast<const unsigned char*>("wakeline");
  const bool made =
      X509_set_version(x509, X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), random_seed() >> 1) == 1 &&
      // From yesterday: a device's clock may be behind ours.
      X509_gmtime_adj(X509_getm_notBefore(x509), -kDay) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(x509), kLifetime) != nullptr &&
      X509_set_pubkey(x509, key) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common, -1, -1, 0) == 1 &&
      X509_set_issuer_name(x509, subject) == 1 &&
      add_extension(x509, NID_subject_alt_name, alternatives) &&
      add_extension(x509, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(x509, NID_key_usage, "critical,digitalSignature") &&
      add_extension(x509, NID_ext_key_usage, "serverAuth") &&
      add_extension(x509, NID_subject_key_identifier, "hash") &&
      X509_sign(x509, key, EVP_sha256()) > 0;
  return made ? std::move(certificate) : nullptr;
}

/// What `write` puts out, as text; empty when it fails.
std::string pem(const std::function<int(BIO*)>& write) {
  const Memory memory(BIO_new(BIO_s_mem()));
  if (!memory || write(memory.get()) != 1) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

base::Result<void> store(const std::string& file, const std::string& text, unsigned mode) {
  auto written = write_file(file, text, mode);
  if (!written) {
    return base::fail(base::ErrorCode::kStorage, written.error().where, written.error().os_error);
  }
  return written;
}

}  // namespace

base::Result<void> check_certificate_names(const std::vector<std::string>& names) {
  const EvpKey key(EVP_EC_gen("P-256"));
  if (!key) return base::fail(base::ErrorCode::kTls, "P-256 key");
  if (!make_certificate(key.get(), names))
    return base::fail(base::ErrorCode::kInvalidArgument, kNames);
  return {};
}

base::Result<void> make_self_signed(const std::string& certificate_file,
                                    const std::string& key_file,
                                    const std::vector<std::string>& names) {
  for (const auto& file : {certificate_file, key_file}) {
    if (::access(file.c_str(), F_OK) == 0) {
      return base::fail(base::ErrorCode::kAlreadyExists, "self-signed certificate");
    }
  }
  const EvpKey key(EVP_EC_gen("P-256"));
  if (!key) return base::fail(base::ErrorCode::kTls, "P-256 key");
  const Certificate certificate = make_certificate(key.get(), names);
  if (!certificate) return base::fail(base::ErrorCode::kInvalidArgument, kNames);
  const std::string key_text = pem([&](BIO* out) {
    return PEM_write_bio_PKCS8PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  const std::string certificate_text =
      pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate.get()); });
  if (key_text.empty() || certificate_text.empty()) {
    return base::fail(base::ErrorCode::kTls, "PEM");
  }
  if (auto stored = store(key_file, key_text, 0600); !stored) return stored;
  return store(certificate_file, certificate_text, 0644);
}

}  // namespace wakeline::io
