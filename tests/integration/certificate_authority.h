// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

#include "base/check.h"
#include "server_peers.h"

namespace wakeline::server {

/// An authority that gives devices certificates, and takes them back.
class CertificateAuthority {
 public:
  /// Its certificate is FOLDER/NAME.pem, its list of revoked ones FOLDER/NAME.crl.
  CertificateAuthority(std::string folder, const std::string& name)
      : base_(std::move(folder) + "/" + name), key_(EVP_EC_gen("P-256")), x509_(X509_new()) {
    fill(x509_.get(), x509_.get(), key_.get(), name, 3'600);
    add(NID_basic_constraints, "critical,CA:TRUE");
    add(NID_key_usage, "critical,keyCertSign,cRLSign");
    WL_CHECK(X509_sign(x509_.get(), key_.get(), EVP_sha256()) > 0);
    write(file(), [&](FILE* to) { return PEM_write_X509(to, x509_.get()); });
  }

  std::string file() const { return base_ + ".pem"; }
  std::string revoked_file() const { return base_ + ".crl"; }

  /// For a device of that name, valid from an hour ago for `seconds` from now.
  ClientCertificate give(const std::string& device, long seconds = 3'600) {
    const Key key(EVP_EC_gen("P-256"));
    last_.reset(X509_new());
    fill(last_.get(), x509_.get(), key.get(), device, seconds);
    WL_CHECK(X509_sign(last_.get(), key_.get(), EVP_sha256()) > 0);
    const std::string path = base_ + "-" + device;
    write(path + ".pem", [&](FILE* to) { return PEM_write_X509(to, last_.get()); });
    write(path + ".key", [&](FILE* to) {
      return PEM_write_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return {path + ".pem", path + ".key"};
  }

  /// Writes the list, with the certificate that was given last.
  void revoke_last() {
    const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list(X509_CRL_new(), &X509_CRL_free);
    WL_CHECK(X509_CRL_set_version(list.get(), 1) == 1);
    WL_CHECK(X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(x509_.get())) == 1);
    const Time now(ASN1_TIME_adj(nullptr, std::time(nullptr), 0, -60));
    const Time next(ASN1_TIME_adj(nullptr, std::time(nullptr), 1, 0));
    WL_CHECK(X509_CRL_set1_lastUpdate(list.get(), now.get()) == 1);
    WL_CHECK(X509_CRL_set1_nextUpdate(list.get(), next.get()) == 1);
    X509_REVOKED* entry = X509_REVOKED_new();
    WL_CHECK(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(last_.get())) == 1);
    WL_CHECK(X509_REVOKED_set_revocationDate(entry, now.get()) == 1);
    WL_CHECK(X509_CRL_add0_revoked(list.get(), entry) == 1);  // its owner now
    WL_CHECK(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0);
    write(revoked_file(), [&](FILE* to) { return PEM_write_X509_CRL(to, list.get()); });
  }

 private:
  template <auto kFree>
  struct Free {
    template <class T>
    void operator()(T* pointer) const {
      kFree(pointer);
    }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
  using Certificate = std::unique_ptr<X509, Free<X509_free>>;
  using Time = std::unique_ptr<ASN1_TIME, Free<ASN1_TIME_free>>;

  void fill(X509* certificate, X509* issuer, EVP_PKEY* key, const std::string& name, long seconds) {
    const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
    X509_NAME* subject = X509_get_subject_name(certificate);
    WL_CHECK(X509_set_version(certificate, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), ++serial_) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(certificate), -3'600) != nullptr &&
             X509_gmtime_adj(X509_getm_notAfter(certificate), seconds) != nullptr &&
             X509_set_pubkey(certificate, key) == 1 &&
             X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1 &&
             X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1);
  }
  void add(int id, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x509_.get(), x509_.get(), nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value);
    WL_CHECK(extension != nullptr && X509_add_ext(x509_.get(), extension, -1) == 1);
    X509_EXTENSION_free(extension);
  }
  template <class Write>
  static void write(const std::string& path, Write put) {
    FILE* to = std::fopen(path.c_str(), "we");
    WL_CHECK(to != nullptr && put(to) == 1 && std::fclose(to) == 0);
  }

  std::string base_;
  Key key_;
  Certificate x509_;
  Certificate last_;
  std::uint64_t serial_ = 0;
};

}  // namespace wakeline::server
