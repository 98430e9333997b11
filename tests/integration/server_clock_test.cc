// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>

#include <cstdio>
#include <fstream>

#include "server_peers.h"
#include "server_process.h"
#include "wire/push.h"

/// The wall clock jumps under a running server: set by hand, or by the network after a boot.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;

constexpr std::int64_t kHour = 3'600;

class ServerClock : public testing::Test {
 protected:
  void SetUp() override {
    jump(0);
    server_.set("clock_offset=" + file());
    ASSERT_TRUE(server_.start());
  }
  std::string file() const { return folder_.file("offset"); }
  void jump(std::int64_t seconds) const {
    // In place, as the server has the file in its memory.
    std::FILE* out = std::fopen(file().c_str(), "r+");
    if (out == nullptr) out = std::fopen(file().c_str(), "w");
    ASSERT_NE(out, nullptr);
    ASSERT_EQ(std::fwrite(&seconds, sizeof seconds, 1, out), 1U);
    ASSERT_EQ(std::fclose(out), 0);
  }
  void push(const std::string& device, const std::string& title, int ttl_s) {
    const auto answer =
        HttpPeer(Line(server_.ports.http))
            .push(server_.admin_token(), R"({"device":")" + device + R"(","title":")" + title +
                                             R"(","ttl_s":)" + std::to_string(ttl_s) + "}");
    ASSERT_EQ(answer.status, 201U) << answer.body;
  }
  static std::string title_of(const std::optional<mqtt::Publish>& publish) {
    return publish ? wire::decode_push_content(publish->payload)->title : "none came";
  }
  /// Processor time of the server, in ticks.
  std::uint64_t ticks() const {
    std::ifstream stat("/proc/" + std::to_string(server_.pid()) + "/stat");
    std::string word;
    for (int i = 0; i < 13; ++i) stat >> word;
    std::uint64_t user = 0, kernel = 0;
    stat >> user >> kernel;
    return user + kernel;
  }

  io::TestFolder folder_;
  ServerProcess server_;
};

TEST_F(ServerClock, ThatJumpsEndsNoConnectionAndTakesOnlyPushesWhoseTimeIsOver) {
  MqttPeer door{Line(server_.ports.mqtt)};
  const std::string window = server_.add_device("window");
  ASSERT_EQ(door.log_in("door", server_.add_device("door")), mqtt::Reason::kSuccess);
  push("window", "an hour", kHour);
  push("window", "a day", 24 * kHour);

  jump(2 * kHour);
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
  push("door", "after the jump", 60);
  const auto ahead = door.expect<mqtt::Publish>();
  EXPECT_EQ(title_of(ahead), "after the jump");
  EXPECT_LE(ahead->properties.message_expiry_s, 60U);
  ASSERT_TRUE(door.acknowledge(*ahead));
  {
    MqttPeer peer{Line(server_.ports.mqtt)};
    ASSERT_EQ(peer.log_in("window", window), mqtt::Reason::kSuccess);
    EXPECT_EQ(title_of(peer.expect<mqtt::Publish>()), "a day");
  }

  jump(-30 * 24 * kHour);
  push("door", "long ago", 60);
  const auto back = door.expect<mqtt::Publish>();
  EXPECT_EQ(title_of(back), "long ago");
  EXPECT_LE(back->properties.message_expiry_s, 60U);
  EXPECT_GT(back->properties.message_expiry_s, 0U);
  ASSERT_TRUE(door.acknowledge(*back));
  MqttPeer peer{Line(server_.ports.mqtt)};
  ASSERT_EQ(peer.log_in("window", window, false), mqtt::Reason::kSuccess);
  EXPECT_EQ(title_of(peer.expect<mqtt::Publish>()), "a day");  // not acknowledged yet

  // What it planned by the old time keeps nobody busy.
  const std::uint64_t before = ticks();
  ::poll(nullptr, 0, 1'000);  // the time that is measured
  EXPECT_LE(ticks() - before, 20U) << "of a hundred in a second";
  EXPECT_EQ(server_.terminate(), 0);
}

}  // namespace
}  // namespace wakeline::server
