// SPDX-License-Identifier: Apache-2.0
#include "trust.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

tls* make_trust(const std::string& host, const std::string& ca_file) {
  tls* made = nullptr;
  if (tls_alloc(&made, TLS_METHOD_SSLV23, nullptr, nullptr) != 0) return nullptr;
  // libre's SIP takes every certificate: OpenSSL's own check is asked for below it.
  SSL_CTX* context = tls_openssl_context(made);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const bool known = ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(context) == 1
                         : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) == 1;
  if (!known || X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(context), host.c_str()) != 1) {
    return static_cast<tls*>(mem_deref(made));
  }
  return made;
}
