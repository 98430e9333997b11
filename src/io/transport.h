// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

/// the bytes of a TCP socket, plain or through TLS, one step at a time. No step waits,
/// also on a socket that blocks.
namespace wakeline::io {

enum class Step {
  kDone,
  kWantRead,   ///< again when the socket is readable
  kWantWrite,  ///< again when the socket is writable
  kEnd,        ///< the peer sends nothing more
  kFailed
};

struct StepResult {
  Step step = Step::kDone;
  std::size_t bytes = 0;
  base::Error error;
};

/// The socket stays its owner's. OpenSSL works on the socket itself and gives its buffers back
/// between records, so that an idle TLS connection costs its session alone.
class Transport {
 public:
  static Transport plain(int fd);
  static base::Result<Transport> tls_server(int fd, SSL_CTX* context);
  /// `name` is sent as SNI unless it is numeric, and the certificate must carry it.
  static base::Result<Transport> tls_client(int fd, SSL_CTX* context, const std::string& name);

  /// Errors: kTls, kClosed, and what the socket says.
  StepResult handshake();
  StepResult read(std::span<std::uint8_t> into);
  StepResult write(base::BytesView bytes);
  /// Tells the peer that nothing more comes (TLS close_notify, then FIN). Does not wait.
  void finish();

  /// The socket has another descriptor now.
  void rebind(int fd);
  bool is_tls() const { return tls_ != nullptr; }
  /// The common name of the verified certificate that the peer showed; empty: none.
  std::string peer_name() const;

 private:
  struct Tls;
  struct FreeTls {
    void operator()(Tls* tls) const;
  };

  explicit Transport(int fd) : fd_(fd) {}
  static base::Result<Transport> tls(int fd, SSL_CTX* context);
  StepResult tls_result(int returned, std::size_t bytes, bool handshaking);

  int fd_;
  std::unique_ptr<Tls, FreeTls> tls_;
};

}  // namespace wakeline::io
