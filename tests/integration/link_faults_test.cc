// SPDX-License-Identifier: Apache-2.0
// The push client through a proxy that breaks what it carries, against our server and mosquitto.
#include "link_fixture.h"

namespace wakeline::test {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;

/// A broker of either kind, with a device "door", behind the proxy.
class Broker {
 public:
  virtual ~Broker() = default;
  virtual std::uint16_t port(bool tls) const = 0;
  virtual std::string ca_file() const = 0;
  virtual std::string token() = 0;
  virtual bool push(const std::string& title) = 0;
  virtual void restart() = 0;
};

class OurServer : public Broker {
 public:
  OurServer() {
    WL_CHECK(server_.start());
    token_ = server_.add_device("door");
  }
  std::uint16_t port(bool tls) const override {
    return tls ? server_.ports.mqtts : server_.ports.mqtt;
  }
  std::string ca_file() const override { return server_.ca_file(); }
  std::string token() override { return token_; }
  bool push(const std::string& title) override { return push_to_door(server_, title) == 201; }
  void restart() override {
    server_.kill_now();
    WL_CHECK(server_.start());
  }

 private:
  server::ServerProcess server_;
  std::string token_;
};

class OtherBroker : public Broker {
 public:
  OtherBroker() { WL_CHECK(broker_.start()); }
  std::uint16_t port(bool tls) const override { return tls ? broker_.tls : broker_.plain; }
  std::string ca_file() const override { return broker_.ca_file(); }
  std::string token() override { return "any"; }
  bool push(const std::string& title) override {
    return broker_.publish("wakeline/inbox/door", R"({"title":")" + title + R"("})");
  }
  void restart() override {
    broker_.end(SIGTERM);
    WL_CHECK(broker_.start());
  }

 private:
  Mosquitto broker_;
};

enum class Kind : std::uint8_t { kOurs, kMosquitto };
struct Case {
  Kind kind;
  bool tls;
};

class LinkFaults : public testing::TestWithParam<Case> {
 protected:
  LinkFaults() {
    if (GetParam().kind == Kind::kOurs)
      broker = std::make_unique<OurServer>();
    else
      broker = std::make_unique<OtherBroker>();
    proxy = std::make_unique<FaultProxy>(broker->port(GetParam().tls));
  }
  PushClient::Options options() {
    PushClient::Options o;
    o.host = "localhost";
    o.port = proxy->port();
    o.device = "door";
    o.token = broker->token();
    o.tls = GetParam().tls;
    if (o.tls) o.ca_file = broker->ca_file();
    o.state_file = folder.file("state");
    return o;
  }
  /// Online, with one push through.
  void go_online(Ringing& app) {
    bring_online(app);
    ASSERT_TRUE(broker->push("first"));
    ASSERT_TRUE(eventually([&] { return app.pushes().size() == 1; }));
  }
  /// Whether exactly these came, each once, in this order.
  void expect_in_the_end(const Ringing& app, const std::vector<std::string>& titles) {
    EXPECT_TRUE(eventually([&] { return app.titles().size() >= titles.size(); }));
    EXPECT_EQ(app.titles(), titles);
  }

  io::TestFolder folder;
  std::unique_ptr<Broker> broker;
  std::unique_ptr<FaultProxy> proxy;
};

TEST_P(LinkFaults, APushComesThroughAPathOfBytesOneByOneAndLate) {
  proxy->set({.delay = milliseconds(20), .byte_by_byte = true});
  Ringing app(options());
  go_online(app);
  ASSERT_TRUE(broker->push("second"));
  expect_in_the_end(app, {"first", "second"});
}

TEST_P(LinkFaults, TheLineComesBackAfterAReset) {
  Ringing app(options());
  go_online(app);
  proxy->reset_all();
  ASSERT_TRUE(eventually([&] { return !app.ready(); }));
  ASSERT_TRUE(broker->push("meanwhile"));
  expect_in_the_end(app, {"first", "meanwhile"});
}

TEST_P(LinkFaults, TheLineComesBackAfterAnOrderlyEnd) {
  Ringing app(options());
  go_online(app);
  proxy->end_all();
  ASSERT_TRUE(eventually([&] { return !app.ready(); }));
  ASSERT_TRUE(broker->push("meanwhile"));
  expect_in_the_end(app, {"first", "meanwhile"});
}

TEST_P(LinkFaults, ALineThatANatForgotIsReplacedAtTheNextWake) {
  Ringing app(options());
  go_online(app);
  proxy->freeze_all();
  ASSERT_TRUE(broker->push("into the void"));
  const auto before = proxy->accepted();
  app.client().kick();
  expect_in_the_end(app, {"first", "into the void"});
  EXPECT_GT(proxy->accepted(), before);
  EXPECT_TRUE(app.was("peer_silent"));
}

TEST_P(LinkFaults, ADeadPathIsWaitedOutAndNothingIsLost) {
  Ringing app(options());
  go_online(app);
  proxy->set({.silent = true});
  ASSERT_TRUE(broker->push("meanwhile"));
  app.client().kick();
  ASSERT_TRUE(eventually([&] { return !app.ready(); }));
  proxy->set({});
  expect_in_the_end(app, {"first", "meanwhile"});
}

TEST_P(LinkFaults, AServerThatRefusesIsAskedAgainLater) {
  Ringing app(options());
  go_online(app);
  proxy->set({.refusing = true});
  proxy->reset_all();
  // A plain line may be open for a moment, before the refusal reaches it.
  ASSERT_TRUE(eventually([&] {
    return app.was("connect_failed") || app.was("tls_failed") || app.client().status().retry_in;
  }));
  proxy->set({});
  ASSERT_TRUE(broker->push("meanwhile"));
  expect_in_the_end(app, {"first", "meanwhile"});
}

TEST_P(LinkFaults, ARestartOfTheServerIsSurvived) {
  Ringing app(options());
  go_online(app);
  broker->restart();
  proxy->set_target(broker->port(GetParam().tls));
  ASSERT_TRUE(eventually([&] { return app.ready(); }));
  ASSERT_TRUE(broker->push("after"));
  expect_in_the_end(app, {"first", "after"});
}

TEST_P(LinkFaults, ASecondRunOfTheAppGetsWhatCameMeanwhileAndNothingTwice) {
  {
    Ringing app(options());
    go_online(app);
    ASSERT_TRUE(broker->push("second"));
    expect_in_the_end(app, {"first", "second"});
    app.client().stop();
  }
  ASSERT_TRUE(broker->push("while it was away"));
  Ringing app(options());
  ASSERT_FALSE(app.error) << app.error->message;
  app.client().start();
  expect_in_the_end(app, {"while it was away"});
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.kind == Kind::kOurs ? "OurServer" : "Mosquitto") +
         (info.param.tls ? "Tls" : "Plain");
}
INSTANTIATE_TEST_SUITE_P(All, LinkFaults,
                         testing::Values(Case{Kind::kOurs, true}, Case{Kind::kOurs, false},
                                         Case{Kind::kMosquitto, true},
                                         Case{Kind::kMosquitto, false}),
                         name_of);

}  // namespace
}  // namespace wakeline::test
