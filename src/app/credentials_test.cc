// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <wakeline/push_client.h>

#include "base/check.h"
#include "io/file.h"
#include "io/testing.h"

namespace wakeline::app {
namespace {

class CredentialsTest : public testing::Test {
 protected:
  Result<PushClient::Options> read(const std::string& text) {
    WL_CHECK(io::write_file(path, text).has_value());
    return PushClient::Options::from_file(path);
  }
  /// The fault of the text, without the folder.
  std::string fault(const std::string& text) {
    const auto options = read(text);
    if (options) return "none";
    EXPECT_EQ(options.error().code, ErrorCode::kMalformed);
    EXPECT_TRUE(options.error().message.starts_with(folder.path() + "/"));
    return options.error().message.substr(folder.path().size() + 1);
  }

  io::TestFolder folder;
  std::string path = folder.file("door.conf");
};

TEST_F(CredentialsTest, ReadsEachFieldWithCommentsQuotesAndBlankLines) {
  const auto options = read(
      "# the front door\n\nhost = push.example\r\nport=1883\n  device = \"door\"\n"
      "token = a#b=c\nca_file = /etc/ca.pem");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->host, "push.example");
  EXPECT_EQ(options->port, 1883);
  EXPECT_EQ(options->device, "door");
  EXPECT_EQ(options->token, "a#b=c");
  EXPECT_EQ(options->ca_file, "/etc/ca.pem");
  EXPECT_TRUE(options->tls);
}

TEST_F(CredentialsTest, HasDefaultsAndARelativeCaFileBesideIt) {
  const auto options = read("host = h\ndevice = d\ntoken = t\nca_file = ca.pem\n");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->port, 8883);
  EXPECT_EQ(options->ca_file, folder.file("ca.pem"));
  EXPECT_EQ(read("host = h\ndevice = d\ntoken = t\n")->ca_file, "");
  EXPECT_EQ(read("host = h\ndevice = d\ntoken = t\nca_file =\n")->ca_file, "");
}

TEST_F(CredentialsTest, NamesFileLineAndFieldOfAFault) {
  EXPECT_EQ(fault("host = h\nport = 70000\n"),
            "door.conf:2: port: must be a whole number from 1 to 65535");
  EXPECT_EQ(fault("port = 0\n"), "door.conf:1: port: must be a whole number from 1 to 65535");
  EXPECT_EQ(fault("port = 12x\n"), "door.conf:1: port: must be a whole number from 1 to 65535");
  EXPECT_EQ(fault("\n# c\nhots = h\n"),
            "door.conf:3: hots: unknown; known are host, port, device, token, ca_file");
  EXPECT_EQ(fault("host h\n"), "door.conf:1: expected 'key = value'");
  EXPECT_EQ(fault("host =\n"), "door.conf:1: host: is empty");
  EXPECT_EQ(fault("host = a\nhost = b\n"), "door.conf:2: host: is there twice");
  EXPECT_EQ(fault("host = h\ndevice = d\n"), "door.conf: token: is missing");
  EXPECT_EQ(fault(""), "door.conf: host: is missing");
}

TEST_F(CredentialsTest, TellsAnAbsentFileFromOneThatIsTooLarge) {
  EXPECT_EQ(PushClient::Options::from_file(path).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read(std::string(70'000, '#')).error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace wakeline::app
