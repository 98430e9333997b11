// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/random.h"
#include "io/clock.h"
#include "server_peers.h"
#include "server_process.h"
#include "wire/push.h"

namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using std::chrono::milliseconds;

/// What the app servers were promised and what the devices got, over all lives of the server.
class Books {
 public:
  void promised(const std::string& title) {
    const std::scoped_lock lock(mutex_);
    promised_.insert(title);
  }
  void delivered(const std::string& title) {
    const std::scoped_lock lock(mutex_);
    ++delivered_[title];
  }
  std::set<std::string> owed() const {
    const std::scoped_lock lock(mutex_);
    std::set<std::string> owed;
    for (const std::string& title : promised_) {
      if (!delivered_.contains(title)) owed.insert(title);
    }
    return owed;
  }
  std::size_t promises() const {
    const std::scoped_lock lock(mutex_);
    return promised_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> promised_;
  std::map<std::string, int> delivered_;
};

/// Pushes over one connection until the server dies.
void push_until_it_dies(std::uint16_t port, const std::string& token, const std::string& device,
                        const std::string& prefix, Books& books) {
  HttpPeer peer{Line(port)};
  for (int i = 0;; ++i) {
    const std::string title = prefix + " " + std::to_string(i);
    const HttpAnswer answer = peer.push(token, push_json(device, title));
    if (answer.status == 0) return;
    if (answer.status == 201) books.promised(title);
  }
}

/// Takes pushes, in order, and acknowledges all but some, until `enough` or the line's end.
void receive(std::uint16_t port, const std::string& device, const std::string& token,
             std::uint64_t seed, Books& books, const std::function<bool()>& enough) {
  base::Random random(seed);
  MqttPeer peer{Line(port)};
  if (peer.log_in(device, token, random.chance(1, 2)) != mqtt::Reason::kSuccess) return;
  std::uint64_t last = 0;
  while (!enough()) {
    const auto packet = peer.receive(milliseconds(200));
    if (!packet) {
      if (!peer.send(mqtt::Pingreq{})) return;
      continue;
    }
    const auto* publish = std::get_if<mqtt::Publish>(&*packet);
    if (publish == nullptr) continue;
    const std::uint64_t sequence = std::stoull(std::string(*publish->properties.user_value("seq")));
    EXPECT_GT(sequence, last);
    last = sequence;
    books.delivered(wire::decode_push_content(publish->payload)->title);
    // One that is never acknowledged holds a place of the window until the connection's end.
    if (!random.chance(1, 50)) peer.acknowledge(*publish);
    if (random.chance(1, 200)) return;  // goes away in the middle
  }
}

/// 25, or WAKELINE_CRASH_ROUNDS of the environment: 200 take a minute and a half.
int rounds_wanted() {
  const char* text = std::getenv("WAKELINE_CRASH_ROUNDS");
  const int wanted = text == nullptr ? 25 : std::atoi(text);
  return std::max(wanted, 1);
}

/// With push.durable, and without: a process that is killed loses none in either case.
class ServerCrash : public testing::TestWithParam<const char*> {};

TEST_P(ServerCrash, LosesNoAcceptedPushWhenItIsKilledAtRandomMoments) {
  const int rounds = rounds_wanted();
  constexpr int kSenders = 4;
  const std::uint64_t seed = io::random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  ServerProcess server({"queue_max=1000000", std::string("durable=") + GetParam()});
  ASSERT_TRUE(server.start());
  const std::map<std::string, std::string> devices = {{"door", server.add_device("door")},
                                                      {"window", server.add_device("window")}};
  const std::string admin = server.admin_token();
  Books books;
  for (int round = 0; round < rounds; ++round) {
    std::atomic<bool> dead = false;
    std::vector<std::thread> threads;
    threads.reserve(kSenders + devices.size());
    for (int i = 0; i < kSenders; ++i) {
      threads.emplace_back([&, i] {
        push_until_it_dies(server.ports.http, admin, i % 2 == 0 ? "door" : "window",
                           std::to_string(round) + "/" + std::to_string(i), books);
      });
    }
    for (const auto& [device, token] : devices) {
      const std::uint64_t its_seed = random.next();
      threads.emplace_back([&, its_seed] {
        base::Random own(its_seed);
        while (!dead)
          receive(server.ports.mqtt, device, token, own.next(), books, [&] { return dead.load(); });
      });
    }
    std::this_thread::sleep_for(random.between(milliseconds(50), milliseconds(400)));
    server.kill_now();
    dead = true;
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(server.start());
  }
  const base::Instant until = io::now() + std::chrono::seconds(20);
  const auto settled = [&] { return books.owed().empty() || io::now() > until; };
  while (!settled()) {
    for (const auto& [device, token] : devices)
      receive(server.ports.mqtt, device, token, random.next(), books,
              [&, turn = io::now() + milliseconds(500)] { return settled() || io::now() > turn; });
  }
  EXPECT_EQ(books.owed(), std::set<std::string>{});
  EXPECT_GT(books.promises(), 100U);
}

INSTANTIATE_TEST_SUITE_P(Durable, ServerCrash, testing::Values("yes", "no"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace wakeline::server
