// SPDX-License-Identifier: Apache-2.0
// The push client on a disk that is full, or cannot be written: it says so, loses nothing, doubles
// nothing, and goes on when the disk is back.
#include <sys/resource.h>

#include "link_fixture.h"
#include "link_reports.h"
#include "small_disk.h"

namespace wakeline::test {
namespace {

using Bodies = std::map<std::string, int>;

class LinkDisk : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(mount_small(disk, "size=512k")) << "errno " << errno;
    ASSERT_TRUE(server.start());
    token = server.add_device("door");
  }
  PushClient::Options options() { return options_of(server, token, disk + "/state"); }
  void push(const std::string& title) { EXPECT_EQ(push_to_door(server, title), 201U); }
  /// Of a message that should not be taken.
  static Error refusal(Ringing& app) {
    const auto sent = app.client().send({.body = "never"});
    return sent ? Error{ErrorCode::kOk, "was sent"} : sent.error();
  }
  /// Pushes and messages over a time in which `break_disk` holds, until `mend_disk`.
  template <class Break, class Mend>
  void work_over(Break break_disk, Mend mend_disk, ErrorCode refused_with) {
    {
      Ringing app(options());
      bring_online(app);
      push("first");
      ASSERT_TRUE(app.client().send({.body = "before"}));
      ASSERT_TRUE(eventually([&] { return app.pushes().size() == 1; }));
      ASSERT_TRUE(eventually([&] { return app.client().outbox_size() == 0; }));
      break_disk();
      const Error error = refusal(app);
      EXPECT_EQ(error.code, refused_with) << error.message;
      EXPECT_EQ(app.client().outbox_size(), 0U);
      push("meanwhile");
      ASSERT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
      EXPECT_TRUE(app.ready());
      mend_disk();
      ASSERT_TRUE(app.client().send({.body = "after"}));
      // Both were accepted: what is acknowledged now never comes again.
      ASSERT_TRUE(eventually([&] { return app.client().outbox_size() == 0; }));
      push("last");
      EXPECT_TRUE(eventually([&] { return app.pushes().size() == 3; }));
      EXPECT_TRUE(eventually([&] { return unacknowledged() == 0; }));
      EXPECT_EQ(app.titles(), (std::vector<std::string>{"first", "meanwhile", "last"}));
    }
    Ringing next(options());
    bring_online(next);
    push("in the next run");
    EXPECT_TRUE(eventually([&] { return !next.pushes().empty(); }));
    EXPECT_EQ(next.titles(), std::vector<std::string>{"in the next run"});
    EXPECT_EQ(reported_bodies(server), (Bodies{{"before", 1}, {"after", 1}}));
  }
  /// Pushes that the server still keeps for the device.
  std::int64_t unacknowledged() const {
    server::HttpPeer peer{server::Line(server.ports.http)};
    const auto answer =
        peer.ask(server::request_text("GET", "/v1/stats", "Bearer " + server.admin_token(), ""));
    EXPECT_EQ(answer.status, 200U);
    return boost::json::parse(answer.body).at("waiting").to_number<std::int64_t>();
  }

  io::TestFolder folder;
  const std::string disk = folder.file("disk");
  server::ServerProcess server;
  std::string token;
};

TEST_F(LinkDisk, ThatIsFullRefusesMessagesAndHoldsPushesUntilThereIsRoom) {
  const std::string all = disk + "/all";
  work_over([&] { fill(all); }, [&] { std::filesystem::remove(all); }, ErrorCode::kStorageFull);
}

TEST_F(LinkDisk, ThatCannotBeWrittenRefusesMessagesAndHoldsPushesUntilItCan) {
  work_over([&] { ASSERT_TRUE(set_writable(disk, false)); },
            [&] { ASSERT_TRUE(set_writable(disk, true)); }, ErrorCode::kPermission);
}

TEST_F(LinkDisk, UnderALimitOfFileSizesRefusesMessagesAndHoldsPushesAndTheAppLives) {
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  // Of this process, the app; the server has its own.
  const auto limit = [&](rlim_t bytes) {
    const rlimit wanted{.rlim_cur = bytes, .rlim_max = former.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &wanted), 0);
  };
  constexpr rlim_t kUnderAnyState = 16;
  work_over([&] { limit(kUnderAnyState); }, [&] { limit(former.rlim_cur); },
            ErrorCode::kStorageFull);
}

TEST_F(LinkDisk, NoClientIsMadeWhereItsStateCannotBeKept) {
  fill(disk + "/all");
  const Ringing full(options());
  ASSERT_TRUE(full.error);
  EXPECT_EQ(full.error->code, ErrorCode::kStorageFull) << full.error->message;
  EXPECT_TRUE(full.error->message.starts_with(disk + "/state")) << full.error->message;
  ASSERT_TRUE(set_writable(disk, false));
  auto other = options();
  other.state_file = disk + "/other";
  const Ringing locked(other);
  ASSERT_TRUE(locked.error);
  EXPECT_EQ(locked.error->code, ErrorCode::kPermission) << locked.error->message;
  EXPECT_TRUE(locked.error->message.starts_with(other.state_file)) << locked.error->message;
}

}  // namespace
}  // namespace wakeline::test
