// SPDX-License-Identifier: Apache-2.0
#include "io/tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <utility>

#include <boost/asio/ssl/context.hpp>

namespace wakeline::io {
namespace {

using Context = boost::asio::ssl::context;

constexpr const char* kCertificate = "certificate file";
constexpr const char* kKey = "key file";

base::Result<void> check_readable(const std::string& file, const char* where) {
  if (::access(file.c_str(), R_OK) != 0)
    return base::fail(base::ErrorCode::kNotFound, where, errno);
  return {};
}

base::Result<std::shared_ptr<TlsContext>> fail_tls(const char* where) {
  return base::fail(base::ErrorCode::kTls, where);
}

/// TLS 1.2 and 1.3, and no buffers kept for an idle connection (asio asks OpenSSL to release them).
base::Result<void> set_versions(Context& context) {
  if (SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION) != 1) {
    return base::fail(base::ErrorCode::kTls, "TLS version");
  }
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return {};
}

base::Result<void> load_revoked(Context& context, const std::string& file) {
  if (auto readable = check_readable(file, "client CRL file"); !readable) return readable;
  X509_STORE* store = SSL_CTX_get_cert_store(context.native_handle());
  X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == nullptr || X509_load_crl_file(lookup, file.c_str(), X509_FILETYPE_PEM) <= 0 ||
      X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1)
    return base::fail(base::ErrorCode::kTls, "client CRL file");
  return {};
}

base::Result<void> load_clients(Context& context, const std::string& ca_file,
                                const std::string& crl_file) {
  if (ca_file.empty()) return {};
  constexpr const char* kCa = "client CA file";
  if (auto readable = check_readable(ca_file, kCa); !readable) return readable;
  boost::system::error_code error;
  context.load_verify_file(ca_file, error);
  if (error) return base::fail(base::ErrorCode::kTls, kCa);
  auto* names = SSL_load_client_CA_file(ca_file.c_str());
  if (names == nullptr) return base::fail(base::ErrorCode::kTls, kCa);
  SSL_CTX_set_client_CA_list(context.native_handle(), names);
  SSL_CTX_set_verify(context.native_handle(), SSL_VERIFY_PEER, nullptr);  // asked for, optional
  return crl_file.empty() ? base::Result<void>() : load_revoked(context, crl_file);
}

}  // namespace

TlsContext::TlsContext(Context context) : context_(std::make_unique<Context>(std::move(context))) {}

TlsContext::~TlsContext() = default;

ssl_ctx_st* TlsContext::native() const { return context_->native_handle(); }

base::Result<std::shared_ptr<TlsContext>> TlsContext::client(const std::string& ca_file) {
  Context context(Context::tls_client);
  if (auto set = set_versions(context); !set) return base::fail(set.error());
  boost::system::error_code error;
  if (ca_file.empty()) {
    context.set_default_verify_paths(error);
  } else {
    if (auto readable = check_readable(ca_file, "CA file"); !readable)
      return base::fail(readable.error());
    context.load_verify_file(ca_file, error);
  }
  if (error) return fail_tls("CA file");
  context.set_verify_mode(boost::asio::ssl::verify_peer, error);
  if (error) return fail_tls("verify mode");
  return std::make_shared<TlsContext>(std::move(context));
}

base::Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate_file,
                                                             const std::string& key_file,
                                                             const std::string& client_ca_file,
                                                             const std::string& client_crl_file) {
  Context context(Context::tls_server);
  if (auto set = set_versions(context); !set) return base::fail(set.error());
  if (auto readable = check_readable(certificate_file, kCertificate); !readable)
    return base::fail(readable.error());
  if (auto readable = check_readable(key_file, kKey); !readable)
    return base::fail(readable.error());
  boost::system::error_code error;
  context.use_certificate_chain_file(certificate_file, error);
  if (error) return fail_tls(kCertificate);
  context.use_private_key_file(key_file, Context::pem, error);
  if (error) return fail_tls(kKey);
  // Tickets would be two more packets for each sleeping device, and state that we do not want to
  // keep; resuming is the MQTT session's part.
  SSL_CTX_set_num_tickets(context.native_handle(), 0);
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_OFF);
  if (auto loaded = load_clients(context, client_ca_file, client_crl_file); !loaded)
    return base::fail(loaded.error());
  return std::make_shared<TlsContext>(std::move(context));
}

base::Result<void> TlsContext::check_clients(const std::string& client_ca_file,
                                             const std::string& client_crl_file) {
  Context context(Context::tls_server);
  return load_clients(context, client_ca_file, client_crl_file);
}

}  // namespace wakeline::io
