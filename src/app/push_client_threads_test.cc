// SPDX-License-Identifier: Apache-2.0
// A push client whose app blocks, or calls it from many threads at once.
#include <gtest/gtest.h>
#include <wakeline/push_client.h>

#include <algorithm>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include "app/broker_testing.h"
#include "io/testing.h"

namespace wakeline::app::test {
namespace {

using std::chrono::seconds;

class PushClientThreads : public testing::Test {
 protected:
  PushClientThreads() {
    PushClient::Options options;
    options.host = "127.0.0.1";
    options.port = broker.port();
    options.device = "door";
    options.token = "secret";
    options.state_file = folder.file("door");
    options.tls = false;
    auto made = PushClient::create(app, options);
    WL_CHECK(made.has_value());
    client.emplace(std::move(*made));
  }
  ~PushClientThreads() override {
    app.stop();
    if (dispatching.joinable()) dispatching.join();
  }
  void go_online() {
    std::promise<void> ready;
    client->on_state([&ready, told = false](const LinkStatus& status) mutable {
      if (status.state == LinkState::kReady && !std::exchange(told, true)) ready.set_value();
    });
    client->start();
    dispatching = std::thread([this] { app.run(); });
    ASSERT_EQ(ready.get_future().wait_for(seconds(10)), std::future_status::ready);
    client->on_state({});
    EXPECT_EQ(broker.take(1), std::vector<std::string>{"CONNECT"});
  }

  io::TestFolder folder;
  TestBroker broker;
  App app = *App::create({.host_path = "/nowhere"});
  std::optional<PushClient> client;
  std::thread dispatching;
};

TEST_F(PushClientThreads, AHandlerThatBlocksHoldsUpNeitherTheLineNorOtherCalls) {
  std::promise<void> entered;
  std::promise<void> leave;
  std::promise<void> last;
  client->on_push([&, gate = leave.get_future().share()](const Push& push) {
    if (push.sequence == 1) {
      entered.set_value();
      gate.wait();
    } else {
      last.set_value();
    }
  });
  go_online();
  broker.push(1, 10, "blocks");
  ASSERT_EQ(entered.get_future().wait_for(seconds(10)), std::future_status::ready);
  broker.push(2, 11, "waits");
  // While it blocks: the line answers and sends, and what is told waits.
  client->kick();
  EXPECT_EQ(broker.take(1), std::vector<std::string>{"PINGREQ"});
  EXPECT_TRUE(client->send({.body = "meanwhile"}));
  EXPECT_EQ(broker.take(1), std::vector<std::string>{"PUBLISH"});
  EXPECT_EQ(client->status().state, LinkState::kReady);
  leave.set_value();
  EXPECT_EQ(last.get_future().wait_for(seconds(10)), std::future_status::ready);
  EXPECT_EQ(broker.take(2), (std::vector<std::string>{"PUBACK", "PUBACK"}));
}

TEST_F(PushClientThreads, ItsEndWaitsForAHandlerThatRuns) {
  std::promise<void> entered;
  std::promise<void> destroyed;
  auto gone = destroyed.get_future();
  bool destroyed_first = false;
  std::promise<void> left;
  client->on_state([&, first = true](const LinkStatus&) mutable {
    if (!std::exchange(first, false)) return;
    entered.set_value();
    // Long enough for an end that does not wait; one that does is there after this.
    destroyed_first = gone.wait_for(std::chrono::milliseconds(200)) == std::future_status::ready;
    left.set_value();
  });
  client->start();
  dispatching = std::thread([this] { app.run(); });
  entered.get_future().wait();
  client.reset();
  destroyed.set_value();
  left.get_future().wait();
  EXPECT_FALSE(destroyed_first);
}

TEST_F(PushClientThreads, MayBeDestroyedByItsHandler) {
  std::promise<void> done;
  client->on_state([&](const LinkStatus&) {
    client.reset();
    done.set_value();
  });
  client->start();
  dispatching = std::thread([this] { app.run(); });
  EXPECT_EQ(done.get_future().wait_for(seconds(10)), std::future_status::ready);
}

TEST_F(PushClientThreads, ManyMayCallItAtOnceAndEachMessageGoesOutOnce) {
  constexpr int kThreads = 6;
  constexpr int kMessages = 8;
  std::promise<void> all_told;
  client->on_outcome([&, told = 0](const Outcome& outcome) mutable {
    EXPECT_EQ(outcome.result, SendResult::kSent);
    if (++told == kThreads * kMessages) all_told.set_value();
  });
  go_online();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kMessages; ++i) {
        Message message;
        message.key = std::to_string(t) + "-" + std::to_string(i);
        message.body = message.key;
        EXPECT_TRUE(client->send(message));
        client->kick();
        client->set_lowest_urgency(i % 2 == 0 ? PushUrgency::kHigh : PushUrgency::kVeryLow);
        client->accept(1'000);
        client->on_missed([](const Missed&) {});
        client->on_push([](const Push&) {});
        EXPECT_LE(client->outbox_size(), 64U);
        client->is_wake_capable();
        EXPECT_NE(client->status().state, LinkState::kStopped);
        EXPECT_FALSE(client->sealing_keys().p256dh.empty());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(all_told.get_future().wait_for(seconds(20)), std::future_status::ready);
  std::multiset<std::string> bodies;
  for (const mqtt::Publish& publish : broker.published())
    bodies.insert(std::string(base::as_text(publish.payload)));
  EXPECT_EQ(bodies.size(), static_cast<std::size_t>(kThreads * kMessages));
  EXPECT_EQ(std::set<std::string>(bodies.begin(), bodies.end()).size(), bodies.size());
}

}  // namespace
}  // namespace wakeline::app::test
