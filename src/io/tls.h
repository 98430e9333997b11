// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace boost::asio::ssl {
class context;
}  // namespace boost::asio::ssl
struct ssl_ctx_st;  // SSL_CTX of OpenSSL

namespace wakeline::io {

/// Settings of one side of TLS 1.2 or 1.3; shared by its connections.
class TlsContext {
 public:
  /// `ca_file` empty: the system's trust store. The peer's certificate and name are always
  /// verified. Errors: kTls, kNotFound (a file that cannot be read).
  static base::Result<std::shared_ptr<TlsContext>> client(const std::string& ca_file);
  /// PEM files. With `client_ca_file` a client may show a certificate of that authority, and one
  /// that shows another is refused; with `client_crl_file` also one that the authority has revoked
  /// there, and every one when that list is out of date. Errors: kTls, kNotFound.
  static base::Result<std::shared_ptr<TlsContext>> server(const std::string& certificate_file,
                                                          const std::string& key_file,
                                                          const std::string& client_ca_file = {},
                                                          const std::string& client_crl_file = {});
  /// Whether `server` could use these two, whatever its own certificate is. Errors: as there.
  static base::Result<void> check_clients(const std::string& client_ca_file,
                                          const std::string& client_crl_file);

  ssl_ctx_st* native() const;
  explicit TlsContext(boost::asio::ssl::context context);
  ~TlsContext();

 private:
  std::unique_ptr<boost::asio::ssl::context> context_;
};

/// Makes a P-256 key and a self-signed certificate for `names` (DNS names or numeric addresses),
/// valid ten years, as two PEM files; the key readable by its owner alone. Errors: kAlreadyExists,
/// kInvalidArgument (a name), kStorage, kTls.
base::Result<void> make_self_signed(const std::string& certificate_file,
                                    const std::string& key_file,
                                    const std::vector<std::string>& names);
/// Whether a certificate can be made for these names. Errors: kInvalidArgument.
base::Result<void> check_certificate_names(const std::vector<std::string>& names);

}  // namespace wakeline::io
