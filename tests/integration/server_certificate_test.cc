// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "certificate_authority.h"
#include "server_peers.h"
#include "server_process.h"

/// A device that shows a certificate in the place of its token.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using mqtt::Reason;

class ServerCertificate : public testing::Test {
 protected:
  void SetUp() override {
    authority_ = std::make_unique<CertificateAuthority>(folder_.path(), "devices");
    server_ = std::make_unique<ServerProcess>(
        std::vector<std::string>{"client_ca=" + authority_->file()});
    ASSERT_TRUE(server_->start());
    token_ = server_->add_device("door");
    server_->add_device("window");
  }
  /// The answer to a CONNECT without a password; nothing: the line ended without one.
  std::optional<Reason> log_in(const ClientCertificate* shown, const std::string& user = {},
                               const std::string& password = {}) {
    Line line(server_->ports.mqtts, server_->ca_file(), "localhost", shown);
    if (!line.ok()) return std::nullopt;
    MqttPeer device(std::move(line));
    auto connect = connect_packet(user, password);
    connect.client_id.clear();
    if (user.empty()) connect.user_name.reset();
    if (password.empty()) connect.password.reset();
    device.send(connect);
    const auto connack = device.expect<mqtt::Connack>();
    if (!connack) return std::nullopt;
    if (connack->reason == Reason::kSuccess)
      name_ = connack->properties.assigned_client_id.value_or("");
    return connack->reason;
  }

  io::TestFolder folder_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<ServerProcess> server_;
  std::string token_;
  std::string name_;  ///< as whom the last one was let in
};

TEST_F(ServerCertificate, StandsForTheTokenOfTheDeviceThatItNames) {
  const auto door = authority_->give("door");
  EXPECT_EQ(log_in(&door), Reason::kSuccess);
  EXPECT_EQ(name_, "door");
  EXPECT_EQ(log_in(&door, "door"), Reason::kSuccess);
  EXPECT_EQ(log_in(&door, "window"), Reason::kBadCredentials);  // it is the door's
  EXPECT_EQ(log_in(nullptr, "door"), Reason::kBadCredentials);  // none was shown
  EXPECT_EQ(log_in(nullptr, "door", token_), Reason::kSuccess);
}

TEST_F(ServerCertificate, OfAnotherAuthorityOrOutOfDateIsNotBelieved) {
  CertificateAuthority other(folder_.path(), "strangers");
  const auto stranger = other.give("door");
  EXPECT_EQ(log_in(&stranger), std::nullopt);
  EXPECT_EQ(log_in(&stranger, "door", token_), std::nullopt);  // the handshake ends before
  const auto old = authority_->give("door", -60);
  EXPECT_EQ(log_in(&old), std::nullopt);
}

TEST_F(ServerCertificate, OfARemovedDeviceOrOneThatNeverWasOpensNothing) {
  const auto door = authority_->give("door");
  ASSERT_EQ(log_in(&door), Reason::kSuccess);
  ASSERT_TRUE(remove_device(server_->folder(), "door"));
  EXPECT_EQ(log_in(&door), Reason::kBadCredentials);
  const auto ghost = authority_->give("ghost");
  EXPECT_EQ(log_in(&ghost), Reason::kBadCredentials);
}

TEST_F(ServerCertificate, ThatWasRevokedEndsTheHandshake) {
  const auto window = authority_->give("window");
  const auto door = authority_->give("door");
  authority_->revoke_last();
  server_->set("client_crl=" + authority_->revoked_file());
  EXPECT_EQ(server_->terminate(), 0);
  ASSERT_TRUE(server_->start());
  EXPECT_EQ(log_in(&door), std::nullopt);
  EXPECT_EQ(log_in(&window), Reason::kSuccess);
  EXPECT_EQ(name_, "window");
  EXPECT_EQ(log_in(nullptr, "door", token_), Reason::kSuccess);  // its token is another matter
}

}  // namespace
}  // namespace wakeline::server
