// SPDX-License-Identifier: Apache-2.0
#include "io/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <utility>

#include "base/check.h"

namespace wakeline::io {

/// What a BIO of ours works on. OpenSSL's own socket BIO uses write(2), which raises SIGPIPE; a
/// library must not change that signal for its whole process (C35).
/// A name of the namespace: Transport::Tls, which the header declares, holds one.
struct TlsSocket {
  int fd = -1;
  bool ended = false;
  int error = 0;
};

namespace {

int bio_read(BIO* bio, char* into, int size) {
  auto* socket = static_cast<TlsSocket*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(socket->fd, into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (got > 0) return static_cast<int>(got);
  if (got == 0) {
    socket->ended = true;
  } else if (errno == EAGAIN || errno == EINTR) {
    BIO_set_retry_read(bio);
  } else {
    socket->error = errno;
  }
  return static_cast<int>(got);
}

int bio_write(BIO* bio, const char* bytes, int size) {
  auto* socket = static_cast<TlsSocket*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t sent =
      ::send(socket->fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<int>(sent);
  if (errno == EAGAIN || errno == EINTR) {
    BIO_set_retry_write(bio);
  } else {
    socket->error = errno;
  }
  return -1;
}

long bio_ctrl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return static_cast<TlsSocket*>(BIO_get_data(bio))->ended ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

/// One table of functions for the whole process, as OpenSSL wants it.
const BIO_METHOD* bio_method() {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wakeline");
    WL_CHECK(method != nullptr);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
    return method;
  }();
  return kMethod;
}

bool is_numeric(const std::string& name) {
  in6_addr address{};
  return ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

base::Error tls_error(const SSL* ssl) {
  switch (SSL_get_verify_result(ssl)) {
    case X509_V_OK:
      return {base::ErrorCode::kTls, "tls.handshake"};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {base::ErrorCode::kTls, "tls.name"};
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {base::ErrorCode::kTls, "tls.time"};
    default:
      return {base::ErrorCode::kTls, "tls.certificate"};
  }
}

StepResult failed(base::Error error) { return {Step::kFailed, 0, error}; }

}  // namespace

struct Transport::Tls {
  SSL* ssl = nullptr;
  TlsSocket socket;
};

void Transport::FreeTls::operator()(Tls* tls) const {
  SSL_free(tls->ssl);
  delete tls;
}

Transport Transport::plain(int fd) { return Transport(fd); }

base::Result<Transport> Transport::tls(int fd, SSL_CTX* context) {
  Transport made(fd);
  made.tls_.reset(new Tls);
  made.tls_->socket.fd = fd;
  made.tls_->ssl = SSL_new(context);
  BIO* bio = made.tls_->ssl == nullptr ? nullptr : BIO_new(bio_method());
  if (bio == nullptr) return base::fail(base::ErrorCode::kTls, "SSL_new");
  // Buffers only while a record is under way; what is not written at once is written later, from
  // wherever it lies then.
  SSL_set_mode(made.tls_->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  BIO_set_data(bio, &made.tls_->socket);
  SSL_set_bio(made.tls_->ssl, bio, bio);
  return made;
}

base::Result<Transport> Transport::tls_server(int fd, SSL_CTX* context) {
  auto made = tls(fd, context);
  if (made) SSL_set_accept_state(made->tls_->ssl);
  return made;
}

base::Result<Transport> Transport::tls_client(int fd, SSL_CTX* context, const std::string& name) {
  auto made = tls(fd, context);
  if (!made) return made;
  SSL* ssl = made->tls_->ssl;
  SSL_set_connect_state(ssl);
  const bool numeric = is_numeric(name);
  const bool named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1
                             : SSL_set1_host(ssl, name.c_str()) == 1 &&
                                   SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  // An empty name would switch the check off.
  if (name.empty() || !named) return base::fail(base::ErrorCode::kTls, "tls.name");
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  return made;
}

StepResult Transport::tls_result(int returned, std::size_t bytes, bool handshaking) {
  if (returned == 1) return {Step::kDone, bytes, {}};
  const TlsSocket& socket = tls_->socket;
  switch (SSL_get_error(tls_->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
      return {Step::kWantRead, 0, {}};
    case SSL_ERROR_WANT_WRITE:
      return {Step::kWantWrite, 0, {}};
    case SSL_ERROR_ZERO_RETURN:
      return {Step::kEnd, 0, {}};
    default:
      break;
  }
  if (socket.error != 0) {
    return failed(base::os_error(handshaking ? "tls.handshake" : "tls", socket.error));
  }
  if (socket.ended) {
    // Also without a close_notify: what we carry knows itself when it is whole.
    if (!handshaking) return {Step::kEnd, 0, {}};
    return failed({base::ErrorCode::kClosed, "tls.handshake"});
  }
  if (!handshaking) return failed({base::ErrorCode::kTls, "tls"});
  return failed(tls_error(tls_->ssl));
}

StepResult Transport::handshake() {
  if (tls_ == nullptr) return {};
  ERR_clear_error();
  return tls_result(SSL_do_handshake(tls_->ssl), 0, true);
}

StepResult Transport::read(std::span<std::uint8_t> into) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    std::size_t got = 0;
    const int returned = SSL_read_ex(tls_->ssl, into.data(), into.size(), &got);
    return tls_result(returned, got, false);
  }
  const ssize_t got = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
  if (got > 0) return {Step::kDone, static_cast<std::size_t>(got), {}};
  if (got == 0) return {Step::kEnd, 0, {}};
  if (errno == EAGAIN || errno == EINTR) return {Step::kWantRead, 0, {}};
  return failed(base::os_error("recv", errno));
}

StepResult Transport::write(base::BytesView bytes) {
  if (tls_ != nullptr) {
    ERR_clear_error();
    std::size_t sent = 0;
    const int returned = SSL_write_ex(tls_->ssl, bytes.data(), bytes.size(), &sent);
    return tls_result(returned, sent, false);
  }
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return {Step::kDone, static_cast<std::size_t>(sent), {}};
  if (errno == EAGAIN || errno == EINTR) return {Step::kWantWrite, 0, {}};
  return failed(base::os_error("send", errno));
}

void Transport::rebind(int fd) {
  fd_ = fd;
  if (tls_ != nullptr) tls_->socket.fd = fd;
}

std::string Transport::peer_name() const {
  if (tls_ == nullptr || SSL_get_verify_result(tls_->ssl) != X509_V_OK) return {};
  const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(tls_->ssl),
                                                          &X509_free);
  if (!shown) return {};
  X509_NAME* subject = X509_get_subject_name(shown.get());
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return name;
}

void Transport::finish() {
  if (tls_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(tls_->ssl);
  }
  ::shutdown(fd_, SHUT_WR);
}

}  // namespace wakeline::io
