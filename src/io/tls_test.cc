// SPDX-License-Identifier: Apache-2.0
#include "io/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <optional>

#include "io/file.h"
#include "io/stream.h"
#include "io/testing.h"

namespace wakeline::io {
namespace {

/// A folder with a certificate of the given names.
struct Identity {
  explicit Identity(const std::vector<std::string>& names) {
    WL_CHECK(make_self_signed(certificate, key, names).has_value());
  }
  TestFolder folder;
  std::string certificate = folder.file("certificate.pem");
  std::string key = folder.file("key.pem");
};

/// The outcomes of one handshake, at the client and at the server.
struct ShakeOutcome {
  std::optional<base::Result<void>> client;
  std::optional<base::Error> server_end;
};

/// Connects to a server of `identity`, trusts `ca_file` and asks for `name`. `clock`: the client's,
/// in seconds since 1970; the right one when it is not given.
ShakeOutcome shake(const Identity& identity, const std::string& ca_file, const std::string& name,
                   std::optional<std::time_t> clock = std::nullopt) {
  Loop loop;
  ShakeOutcome outcome;
  const auto server_tls = *TlsContext::server(identity.certificate, identity.key);
  std::unique_ptr<Stream> server;
  auto listener = *Listener::open(loop, "127.0.0.1", 0, [&](UniqueFd socket) {
    server = accept_stream(loop, std::move(socket), server_tls);
    server->start([](base::BytesView) {}, [&](base::Error error) { outcome.server_end = error; });
  });
  ConnectOptions options;
  options.address = "127.0.0.1";
  options.port = listener->port();
  options.tls = *TlsContext::client(ca_file);
  if (clock) X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(options.tls->native()), *clock);
  options.tls_name = name;
  const auto attempt = connect(loop, options, [&](base::Result<std::unique_ptr<Stream>> result) {
    outcome.client = result ? base::Result<void>() : base::fail(result.error());
  });
  WL_CHECK(run_until(loop, [&] { return outcome.client && outcome.server_end; }));
  return outcome;
}

TEST(Tls, AcceptsEachNameOfTheCertificate) {
  const Identity identity({"push.example", "127.0.0.1", "::1"});
  for (const std::string name : {"push.example", "127.0.0.1", "::1"}) {
    EXPECT_TRUE(*shake(identity, identity.certificate, name).client) << name;
  }
}

TEST(Tls, RefusesAnotherNameAndSaysSo) {
  const Identity identity({"push.example", "127.0.0.1"});
  for (const std::string name : {"other.example", "127.0.0.2", "sub.push.example", ""}) {
    const auto outcome = shake(identity, identity.certificate, name);
    EXPECT_EQ(outcome.client, base::Result<void>(base::fail(base::ErrorCode::kTls, "tls.name")))
        << name;
  }
}

TEST(Tls, RefusesACertificateThatItDoesNotTrustAndSaysSo) {
  const Identity identity({"localhost"});
  const Identity other({"localhost"});
  for (const std::string& ca_file : {other.certificate, std::string()}) {
    const auto outcome = shake(identity, ca_file, "localhost");
    EXPECT_EQ(outcome.client,
              base::Result<void>(base::fail(base::ErrorCode::kTls, "tls.certificate")));
    EXPECT_EQ(outcome.server_end->code, base::ErrorCode::kTls);
  }
}

TEST(Tls, SaysThatTheCertificateIsNotOfThisTimeWhereTheClockIsFarOff) {
  const Identity identity({"localhost"});
  const std::time_t late = std::time(nullptr) + std::time_t{200} * 365 * 86'400;
  for (const std::time_t clock : {std::time_t{0}, late}) {
    const auto outcome = shake(identity, identity.certificate, "localhost", clock);
    EXPECT_EQ(outcome.client, base::Result<void>(base::fail(base::ErrorCode::kTls, "tls.time")));
  }
}

/// A TLS server at whose other end stands a plain stream.
class GarbageTest : public testing::Test {
 protected:
  void connect_plain() {
    const auto server_tls = *TlsContext::server(identity.certificate, identity.key);
    listener = *Listener::open(loop, "127.0.0.1", 0, [this, server_tls](UniqueFd socket) {
      server = accept_stream(loop, std::move(socket), server_tls);
      server->start([](base::BytesView) { FAIL() << "no bytes before the handshake"; },
                    [this](base::Error error) { server_end = error.code; });
    });
    ConnectOptions options;
    options.address = "127.0.0.1";
    options.port = listener->port();
    const auto attempt = connect(loop, options, [&](auto result) { plain = std::move(*result); });
    ASSERT_TRUE(run_until(loop, [&] { return plain && server; }));
  }

  Identity identity{{"localhost"}};
  Loop loop;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> server;
  std::unique_ptr<Stream> plain;
  std::optional<base::ErrorCode> server_end;
};

TEST_F(GarbageTest, InTheHandshakeEndsWithTls) {
  connect_plain();
  plain->write(base::Bytes(100, 'G'));
  EXPECT_TRUE(run_until(loop, [&] { return server_end.has_value(); }));
  EXPECT_EQ(server_end, base::ErrorCode::kTls);
}

TEST_F(GarbageTest, APeerThatGoesInTheHandshakeEndsWithClosed) {
  connect_plain();
  plain->write({0x16, 0x03, 0x01, 0x02, 0x00, 0x01});  // the front of a ClientHello
  plain->close();
  EXPECT_TRUE(run_until(loop, [&] { return server_end.has_value(); }));
  EXPECT_EQ(server_end, base::ErrorCode::kClosed);
}

TEST_F(GarbageTest, APlainServerIsNoTlsServer) {
  auto talker = *Listener::open(loop, "127.0.0.1", 0, [this](UniqueFd socket) {
    server = accept_stream(loop, std::move(socket), nullptr);
    server->start([](base::BytesView) {}, [](base::Error) {});
    server->write(base::Bytes(100, 'G'));
  });
  ConnectOptions options;
  options.address = "127.0.0.1";
  options.port = talker->port();
  options.tls = *TlsContext::client(identity.certificate);
  options.tls_name = "localhost";
  std::optional<base::Error> error;
  const auto attempt = connect(loop, options, [&](auto result) { error = result.error(); });
  ASSERT_TRUE(run_until(loop, [&] { return error.has_value(); }));
  EXPECT_EQ(*error, (base::Error{base::ErrorCode::kTls, "tls.handshake"}));
}

TEST(TlsContext, NamesTheFileThatCannotBeUsed) {
  const Identity identity({"localhost"});
  const std::string none = identity.folder.file("none.pem");
  const std::string text = identity.folder.file("text.pem");
  ASSERT_TRUE(write_file(text, "no certificate"));
  EXPECT_EQ(code_of(TlsContext::client(none)), base::ErrorCode::kNotFound);
  EXPECT_EQ(code_of(TlsContext::client(text)), base::ErrorCode::kTls);
  EXPECT_EQ(code_of(TlsContext::server(none, identity.key)), base::ErrorCode::kNotFound);
  EXPECT_EQ(code_of(TlsContext::server(identity.certificate, text)), base::ErrorCode::kTls);
  const Identity other({"localhost"});
  EXPECT_EQ(code_of(TlsContext::server(identity.certificate, other.key)), base::ErrorCode::kTls);
}

TEST(SelfSigned, KeepsTheKeyToItsOwnerAndOverwritesNothing) {
  const Identity identity({"localhost"});
  struct stat status{};
  ASSERT_EQ(::stat(identity.key.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(code_of(make_self_signed(identity.certificate, identity.key, {"localhost"})),
            base::ErrorCode::kAlreadyExists);
  std::filesystem::remove(identity.key);
  EXPECT_EQ(code_of(make_self_signed(identity.certificate, identity.key, {"localhost"})),
            base::ErrorCode::kAlreadyExists);
}

TEST(SelfSigned, RefusesNamesThatWouldBeReadAsMore) {
  const TestFolder folder;
  for (const std::string name : {"", "a,DNS:b", "a b"}) {
    EXPECT_EQ(code_of(make_self_signed(folder.file("c"), folder.file("k"), {name})),
              base::ErrorCode::kInvalidArgument);
    EXPECT_EQ(code_of(check_certificate_names({"localhost", name})),
              base::ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(check_certificate_names({"localhost", "127.0.0.1", "::1"}));
  EXPECT_EQ(code_of(make_self_signed(folder.file("none/c"), folder.file("none/k"), {"a"})),
            base::ErrorCode::kStorage);
}

}  // namespace
}  // namespace wakeline::io
