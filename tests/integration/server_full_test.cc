// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <thread>

#include "io/clock.h"
#include "server_peers.h"
#include "server_process.h"
#include "small_disk.h"
#include "wire/push.h"

namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using std::chrono::milliseconds;

using test::mount_small;

TEST(ServerFull, RefusesPushesWithoutSpaceGoesOnDeliveringAndTakesThemAgainWhenThereIsSome) {
  ServerProcess server({"queue_max=100000"});
  ASSERT_TRUE(mount_small(server.folder(), "size=26m")) << "errno " << errno;
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  const std::string body(4'000, 'x');
  std::set<std::string> owed;
  HttpPeer sender{Line(server.ports.http)};
  const auto push = [&](const std::string& title) {
    const HttpAnswer answer =
        sender.push(server.admin_token(),
                    R"({"device":"door","title":")" + title + R"(","data":")" + body + "\"}");
    if (answer.status == 201) owed.insert(title);
    return answer.status;
  };
  unsigned last = 201;
  int sent = 0;
  for (; last == 201 && sent < 20'000; ++sent) last = push("a" + std::to_string(sent));
  EXPECT_EQ(last, 507U);
  EXPECT_GT(owed.size(), 10U);
  EXPECT_EQ(push("b"), 507U);  // and it still answers
  const auto ready = [&] {
    return HttpPeer(Line(server.ports.http)).ask("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
  };
  const auto full = [&] {
    const HttpAnswer metrics =
        HttpPeer(Line(server.ports.http))
            .ask("GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " +
                 server.admin_token() + "\r\n\r\n");
    const std::size_t at = metrics.body.find("\nwakeline_store_full ");
    return at == std::string::npos ? "none" : metrics.body.substr(at + 21, 1);
  };
  const HttpAnswer refused = ready();
  EXPECT_EQ(refused.status, 503U);
  EXPECT_EQ(refused.body, "no space left\n");
  EXPECT_EQ(full(), "1");

  MqttPeer door{Line(server.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", token), mqtt::Reason::kSuccess);
  while (!owed.empty()) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish) << owed.size() << " were not delivered";
    const auto content = wire::decode_push_content(publish->payload);
    ASSERT_TRUE(content);
    EXPECT_EQ(owed.erase(content->title), 1U);  // promised, and once
    ASSERT_TRUE(door.acknowledge(*publish));
  }
  // What was acknowledged makes room; a deletion that found none is tried again every second.
  const base::Instant until = io::now() + std::chrono::seconds(30);
  unsigned status = 507;
  for (int i = 0; status != 201 && io::now() < until; ++i) {
    status = push("c" + std::to_string(i));
    if (status != 201) std::this_thread::sleep_for(milliseconds(200));
  }
  EXPECT_EQ(status, 201U);
  EXPECT_EQ(ready().status, 200U);
  EXPECT_EQ(full(), "0");
  EXPECT_TRUE(door.expect<mqtt::Publish>());
}

}  // namespace
}  // namespace wakeline::server
