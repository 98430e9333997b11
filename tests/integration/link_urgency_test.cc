// SPDX-License-Identifier: Apache-2.0
// An app that asks its server for quiet, over kills of the server and runs of the app.
#include "link_fixture.h"

namespace wakeline::test {
namespace {

using Titles = std::vector<std::string>;

class LinkUrgency : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server.start());
    options = options_of(server, server.add_device("door"), folder.file("state"));
  }
  void push(const std::string& title, const std::string& urgency) {
    server::HttpPeer peer{server::Line(server.ports.http)};
    EXPECT_EQ(peer.push(server.admin_token(), R"({"device":"door","title":")" + title +
                                                  R"(","urgency":")" + urgency + R"("})")
                  .status,
              201U);
  }

  io::TestFolder folder;
  server::ServerProcess server;
  PushClient::Options options;
};

TEST_F(LinkUrgency, WhatIsLessUrgentComesOnceWhenQuietIsOverAndNothingIsMissed) {
  {
    Ringing app(options);
    bring_online(app);
    push("before", "low");
    ASSERT_TRUE(eventually([&] { return app.pushes().size() == 1; }));
    app.client().set_lowest_urgency(PushUrgency::kHigh);
    // What is sent after it on the same line is answered: so the server has read it.
    ASSERT_TRUE(app.client().send({.body = "x"}));
    ASSERT_TRUE(eventually([&] { return app.client().outbox_size() == 0; }));
    push("news", "normal");
    push("call", "high");
    ASSERT_TRUE(eventually([&] { return app.titles().back() == "call"; }));
    // Over a kill of the server: it remembers, and the client says it again.
    server.kill_now();
    ASSERT_TRUE(server.start());
    push("more news", "very-low");
    push("second call", "high");
    ASSERT_TRUE(eventually([&] { return app.titles().back() == "second call"; }));
    EXPECT_EQ(app.titles(), (Titles{"before", "call", "second call"}));
    EXPECT_EQ(app.missed(), 0U);
  }
  // Over a run of the app: it is quiet until it is told otherwise.
  Ringing app(options);
  bring_online(app);
  push("third call", "high");
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 1; }));
  app.client().set_lowest_urgency(PushUrgency::kVeryLow);
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 3; }));
  EXPECT_EQ(app.titles(), (Titles{"third call", "news", "more news"}));
  push("after", "low");
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 4; }));
  EXPECT_EQ(app.missed(), 0U);
  std::uint64_t last = 0;
  for (const Push& each : app.pushes())
    EXPECT_GT(each.sequence, std::exchange(last, each.sequence));
}

TEST_F(LinkUrgency, AnAppWhoseFilesAreLostWhileItIsQuietMissesNothingThatIsWithheld) {
  {
    Ringing app(options);
    bring_online(app);
    app.client().set_lowest_urgency(PushUrgency::kHigh);
    ASSERT_TRUE(app.client().send({.body = "x"}));
    ASSERT_TRUE(eventually([&] { return app.client().outbox_size() == 0; }));
  }
  options.state_file = folder.file("new");
  Ringing app(options);
  bring_online(app);
  push("call", "high");
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 1; }));
  push("news", "normal");
  push("second call", "high");
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
  EXPECT_EQ(app.missed(), 0U);
  app.client().set_lowest_urgency(PushUrgency::kVeryLow);
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 3; }));
  EXPECT_EQ(app.titles(), (Titles{"call", "second call", "news"}));
  EXPECT_EQ(app.missed(), 0U);
}

TEST_F(LinkUrgency, UrgentPushesThatWaitAroundWithheldOnesAreNoReasonToMissThoseWhenQuietEnds) {
  {
    Ringing app(options);
    bring_online(app);
    push("before", "low");
    app.client().set_lowest_urgency(PushUrgency::kHigh);
    ASSERT_TRUE(app.client().send({.body = "x"}));
    ASSERT_TRUE(
        eventually([&] { return app.client().outbox_size() == 0 && app.pushes().size() == 1; }));
  }
  const Titles urgent{"call", "second call", "third call"};
  const Titles withheld{"news", "more news", "old news"};
  for (std::size_t i = 0; i < urgent.size(); ++i) {
    push(withheld[i], i == 0 ? "very-low" : "normal");
    push(urgent[i], "high");
  }
  // Also when the server has only its disk to know it from.
  server.kill_now();
  ASSERT_TRUE(server.start());
  Ringing app(options);
  app.client().set_lowest_urgency(PushUrgency::kVeryLow);  // CONNECT says so
  bring_online(app);
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 6; }));
  EXPECT_EQ(app.titles(),
            (Titles{"call", "second call", "third call", "news", "more news", "old news"}));
  EXPECT_EQ(app.missed(), 0U);
}

TEST_F(LinkUrgency, AnAppThatForgotAfterQuietWasOverMissesNothingThatWasWithheld) {
  {
    Ringing app(options);
    bring_online(app);
    app.client().set_lowest_urgency(PushUrgency::kHigh);
    ASSERT_TRUE(app.client().send({.body = "x"}));
    ASSERT_TRUE(eventually([&] { return app.client().outbox_size() == 0; }));
  }
  for (const char* title : {"call", "second call"}) {
    push("news", "low");
    push(title, "high");
  }
  {  // Its end is known to the server, and to nobody else: the app never has what comes then.
    server::MqttPeer peer{server::Line(server.ports.mqtt)};
    auto connect = server::connect_packet("door", options.token, false);
    connect.properties.user = {{"urgency", "very-low"}};
    ASSERT_TRUE(peer.send(connect));
    ASSERT_TRUE(peer.expect<wire::mqtt::Connack>());
  }
  options.state_file = folder.file("new");
  Ringing app(options);
  bring_online(app);
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 4; }));
  EXPECT_EQ(app.titles(), (Titles{"call", "second call", "news", "news"}));
  EXPECT_EQ(app.missed(), 0U);
}

}  // namespace
}  // namespace wakeline::test
