// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "server_peers.h"
#include "server_process.h"

namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using std::chrono::milliseconds;

class ServerHttp : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    device_token_ = server_.add_device("door");
    token_ = server_.admin_token();
  }
  HttpPeer sender() { return HttpPeer(Line(server_.ports.http)); }

  ServerProcess server_;
  std::string device_token_;
  std::string token_;
};

TEST_F(ServerHttp, AnswersAPushWithItsNumber) {
  HttpPeer peer = sender();
  const HttpAnswer first = peer.push(token_, push_json("door", "ring"));
  EXPECT_EQ(first.status, 201U);
  EXPECT_EQ(first.body, "{\"device\":\"door\",\"sequence\":1}\n");
  EXPECT_NE(first.header.find("Content-Type: application/json"), std::string::npos);
  EXPECT_NE(first.header.find("Connection: keep-alive"), std::string::npos);
  EXPECT_EQ(peer.push(token_, push_json("door", "ring")).body,
            "{\"device\":\"door\",\"sequence\":2}\n");
}

TEST_F(ServerHttp, GivesARepeatedIdempotencyKeyTheSameNumberAndDeliversOnce) {
  HttpPeer peer = sender();
  const std::string json = R"({"device":"door","title":"ring","idempotency_key":"k"})";
  const HttpAnswer first = peer.push(token_, json);
  EXPECT_EQ(first.status, 201U);
  EXPECT_EQ(peer.push(token_, json).body, first.body);
  EXPECT_EQ(list_devices(server_.folder())->front().waiting, 1U);
}

TEST_F(ServerHttp, RefusesWhatIsNotAllowedOrWrongAndSaysWhatAndWhere) {
  const std::string post = "POST /v1/push HTTP/1.1\r\nHost: a\r\n";
  const std::string bearer = "Authorization: Bearer " + token_ + "\r\n";
  const std::string json = "Content-Type: application/json\r\n";
  const auto body = [](const std::string& text) {
    return "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
  };
  const std::string good = push_json("door", "ring");
  const struct {
    std::string request;
    unsigned status;
    std::string says;
  } rows[] = {
      {post + json + body(good), 401, "WWW-Authenticate: Bearer"},
      {post + "Authorization: Bearer wrong\r\n" + json + body(good), 401, "unauthorized"},
      {post + "Authorization: Basic " + token_ + "\r\n" + json + body(good), 401, "unauthorized"},
      {post + "Authorization: Bearer " + device_token_ + "\r\n" + json + body(good), 401,
       "unauthorized"},
      {post + bearer + body(good), 415, "application/json"},
      {post + bearer + "Content-Type: text/plain\r\n" + body(good), 415, "application/json"},
      {post + bearer + json + body(""), 400, "malformed"},
      {post + bearer + json + body("{"), 400, "malformed"},
      {post + bearer + json + body("[]"), 400, "malformed"},
      {post + bearer + json + body(R"({"title":"ring"})"), 400, "\"field\":\"device\""},
      {post + bearer + json + body(R"({"device":"door"})"), 400, "\"field\":\"body\""},
      {post + bearer + json + body(R"({"device":"../x","title":"a"})"), 400,
       "\"field\":\"device\""},
      {post + bearer + json + body(R"({"device":"door","title":"a","ttl_s":-1})"), 400,
       "\"field\":\"ttl_s\""},
      {post + bearer + json + body(R"({"device":"door","title":"a","titel":"b"})"), 400,
       "\"field\":\"titel\""},
      {post + bearer + json + body(push_json("door", std::string(5'000, 'x'))), 413, "title"},
      {post + bearer + json + "Content-Length: 1000000\r\n\r\n", 413, "Connection: close"},
      {post + bearer + json + body(push_json("nobody", "ring")), 404, "\"field\":\"device\""},
      {"GET /v1/push HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Allow: POST"},
      {"DELETE /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Allow: GET, HEAD"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"},
      {"GET /healthz HTTP/1.1\r\n\r\n", 400, "Connection: close"},
      {"GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200, "ok"},
      {"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"},
      {"\x16\x03\x01\x02\r\n\r\n", 400, "Connection: close"},
      {"GET /healthz HTTP/1.1\r\nX: " + std::string(10'000, 'x') + "\r\n\r\n", 431,
       "Connection: close"},
      {"GET /healthz HTTP/3.0\r\n\r\n", 505, "Connection: close"},
  };
  for (const auto& row : rows) {
    const HttpAnswer answer = sender().ask(row.request);
    EXPECT_EQ(answer.status, row.status) << row.request.substr(0, 200);
    EXPECT_NE((answer.header + answer.body).find(row.says), std::string::npos)
        << answer.header << "\n"
        << answer.body << "wanted: " << row.says;
    EXPECT_EQ((answer.header + answer.body).find(token_), std::string::npos);
  }
  EXPECT_EQ(list_devices(server_.folder())->front().waiting, 0U);
  EXPECT_EQ(sender().push(token_, good).status, 201U);
}

TEST_F(ServerHttp, AnswersPipelinedRequestsInOrder) {
  HttpPeer peer = sender();
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    const std::string json = push_json("door", "ring");
    requests +=
        "POST /v1/push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token_ +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(json.size()) +
        "\r\n\r\n" + json;
  }
  ASSERT_TRUE(peer.line.send(requests));
  for (int i = 1; i <= 20; ++i) {
    EXPECT_EQ(peer.read_answer().body,
              "{\"device\":\"door\",\"sequence\":" + std::to_string(i) + "}\n");
  }
}

TEST_F(ServerHttp, RunsNoRequestThatCameAsABody) {
  const std::string json = push_json("door", "hidden");
  const std::string hidden = request_text("POST", "/v1/push", "Bearer " + token_, json);
  for (const std::string coding : {"gzip", "chunked, gzip", "xchunked", "gzip, chunked"}) {
    HttpPeer peer = sender();
    const HttpAnswer answer = peer.ask(
        "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + coding + "\r\n\r\n" + hidden);
    EXPECT_EQ(answer.status, coding.ends_with(", chunked") ? 501U : 400U) << coding;
    EXPECT_TRUE(peer.line.ends());
  }
  EXPECT_EQ(list_devices(server_.folder())->front().waiting, 0U);
}

TEST_F(ServerHttp, AnswersAClientThatIsFarAhead) {
  HttpPeer peer = sender();
  const std::string json = push_json("door", std::string(200, 'x'));
  const std::string pad = "X-Pad: " + std::string(900, 'x') + "\r\n";
  const std::string push = request_text("POST", "/v1/push", "Bearer " + token_, json, pad);
  std::string requests;
  for (int i = 0; i < 450; ++i) requests += push;
  ASSERT_TRUE(peer.line.send(requests));
  for (int i = 1; i <= 450; ++i) {
    const HttpAnswer answer = peer.read_answer();
    ASSERT_EQ(answer.status, 201U) << i;
    ASSERT_EQ(answer.body, "{\"device\":\"door\",\"sequence\":" + std::to_string(i) + "}\n");
  }
  EXPECT_EQ(list_devices(server_.folder())->front().waiting, 450U);
}

TEST_F(ServerHttp, WaitsForAClientThatReadsItsAnswersLate) {
  HttpPeer peer = sender();
  const std::string get = "GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::size_t size = sender().ask(get).body.size();
  // Together far more than the buffers between the two hold.
  const std::size_t count = 50'000'000 / size;
  std::string requests;
  for (std::size_t i = 1; i < count; ++i) requests += get;
  ASSERT_TRUE(peer.line.send(requests));
  // Others are served meanwhile.
  EXPECT_EQ(sender().push(token_, push_json("door", "ring")).status, 201U);
  ASSERT_TRUE(
      peer.line.send("GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(peer.read_answer().body.size(), size) << i;
  EXPECT_TRUE(peer.line.ends());
}

TEST_F(ServerHttp, AnswersAllThatCameBeforeItsClientClosedItsHalf) {
  HttpPeer peer = sender();
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
  ASSERT_TRUE(peer.line.send(requests));
  ASSERT_EQ(::shutdown(peer.line.fd(), SHUT_WR), 0);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(peer.read_answer().status, 200U) << i;
  EXPECT_TRUE(peer.line.ends());
}

TEST_F(ServerHttp, IsHealthyAndHeedsHeadAndClose) {
  EXPECT_EQ(sender().ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").body, "ok\n");
  HttpPeer peer = sender();
  const HttpAnswer close =
      peer.ask("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(close.status, 200U);
  EXPECT_TRUE(peer.line.ends());
  HttpPeer old = sender();
  EXPECT_EQ(old.ask("GET /healthz HTTP/1.0\r\n\r\n").status, 200U);
  EXPECT_TRUE(old.line.ends());
  HttpPeer head = sender();
  ASSERT_TRUE(head.line.send("HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  base::Bytes bytes;
  while (head.line.receive(bytes)) {
  }
  EXPECT_TRUE(base::as_text(bytes).ends_with("\r\n\r\n")) << base::as_text(bytes);
}

TEST_F(ServerHttp, LetsASenderWaitForTheWordToGoOn) {
  HttpPeer peer = sender();
  const std::string json = push_json("door", "ring");
  ASSERT_TRUE(
      peer.line.send("POST /v1/push HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                     "Authorization: Bearer " +
                     token_ + "\r\nContent-Type: application/json\r\nContent-Length: " +
                     std::to_string(json.size()) + "\r\n\r\n"));
  EXPECT_EQ(peer.read_answer().status, 100U);
  EXPECT_EQ(peer.ask(json).status, 201U);
}

TEST_F(ServerHttp, GivesTheWordToGoOnBehindTheAnswersBeforeIt) {
  HttpPeer peer = sender();
  const std::string json = push_json("door", "ring");
  const std::string header =
      "Authorization: Bearer " + token_ +
      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(json.size()) +
      "\r\n\r\n";
  const std::string post = "POST /v1/push HTTP/1.1\r\nHost: a\r\n";
  const std::string waits = post + "Expect: 100-continue\r\n" + header;
  // A push is answered after a sync, so the second header comes while its answer is owed.
  ASSERT_TRUE(peer.line.send(post + header + json + waits));
  EXPECT_EQ(peer.read_answer().status, 201U);
  EXPECT_EQ(peer.read_answer().status, 100U);
  EXPECT_EQ(peer.ask(json).status, 201U);
  // Nobody waits for it where the body came along.
  ASSERT_TRUE(peer.line.send(post + header + json + waits + json));
  EXPECT_EQ(peer.read_answer().status, 201U);
  EXPECT_EQ(peer.read_answer().status, 201U);
  EXPECT_EQ(peer.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status, 200U);
}

TEST_F(ServerHttp, ServesTls) {
  HttpPeer peer{Line(server_.ports.https, server_.ca_file())};
  ASSERT_TRUE(peer.line.ok());
  EXPECT_EQ(peer.push(token_, push_json("door", "ring")).status, 201U);
}

TEST_F(ServerHttp, KeepsAPushOfNoTimeToLiveForNobodyButGivesItToWhoIsThere) {
  const std::string now_or_never = R"({"device":"door","title":"now","ttl_s":0})";
  EXPECT_EQ(sender().push(token_, now_or_never).status, 201U);
  EXPECT_EQ(list_devices(server_.folder())->front().waiting, 0U);
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", device_token_), mqtt::Reason::kSuccess);
  EXPECT_EQ(sender().push(token_, now_or_never).status, 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->properties.user_value("seq"), "2");
}

TEST(ServerHttpLimits, RefusesMorePushesThanMayWaitForADevice) {
  ServerProcess server({"queue_max=2"});
  ASSERT_TRUE(server.start());
  const std::string device_token = server.add_device("door");
  HttpPeer peer{Line(server.ports.http)};
  const std::string json = push_json("door", "ring");
  EXPECT_EQ(peer.push(server.admin_token(), json).status, 201U);
  EXPECT_EQ(peer.push(server.admin_token(), json).status, 201U);
  const HttpAnswer full = peer.push(server.admin_token(), json);
  EXPECT_EQ(full.status, 429U);
  EXPECT_NE(full.header.find("Retry-After: "), std::string::npos);
  MqttPeer door{Line(server.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", device_token), mqtt::Reason::kSuccess);
  for (int i = 0; i < 2; ++i) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    ASSERT_TRUE(door.acknowledge(*publish));
  }
  unsigned status = 429;
  for (int i = 0; i < 100 && status == 429; ++i) {
    std::this_thread::sleep_for(milliseconds(10));  // until the deletions are written
    status = peer.push(server.admin_token(), json).status;
  }
  EXPECT_EQ(status, 201U);
}

TEST(ServerHttpLimits, RefusesWhenTheStorageIsFullAndGoesOnDelivering) {
  ServerProcess server({"pages=100", "queue_max=5000"});
  ASSERT_TRUE(server.start());
  const std::string device_token = server.add_device("door");
  HttpPeer peer{Line(server.ports.http)};
  const std::string json = R"({"device":"door","data":")" + std::string(4'000, 'x') + R"("})";
  unsigned accepted = 0;
  unsigned status = 201;
  for (int i = 0; i < 5'000 && status == 201; ++i) {
    status = peer.push(server.admin_token(), json).status;
    if (status == 201) ++accepted;
  }
  EXPECT_EQ(status, 507U);
  EXPECT_GT(accepted, 10U);
  MqttPeer door{Line(server.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", device_token), mqtt::Reason::kSuccess);
  for (unsigned i = 0; i < accepted; ++i) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish) << i;
    ASSERT_TRUE(door.acknowledge(*publish));
  }
  for (int i = 0; i < 100 && status == 507; ++i) {
    std::this_thread::sleep_for(milliseconds(10));  // until the deletions are written
    status = peer.push(server.admin_token(), json).status;
  }
  EXPECT_EQ(status, 201U);
}

TEST(ServerHttpLimits, BoundsWhatOneTokenPushesAndWhatOneAddressHolds) {
  ServerProcess server({"sender_rate=1", "http_per_address=3"});
  ASSERT_TRUE(server.start());
  server.add_device("door");
  HttpPeer peer{Line(server.ports.http)};
  // Ten at once at the most: the rate holds over any ten seconds.
  unsigned accepted = 0;
  HttpAnswer last;
  for (int i = 0; i < 40; ++i) {
    last = peer.push(server.admin_token(), push_json("door", "ring"));
    if (last.status != 201) break;
    ++accepted;
  }
  EXPECT_EQ(last.status, 429U);
  EXPECT_NE(last.header.find("Retry-After: "), std::string::npos) << last.header;
  EXPECT_GE(accepted, 1U);
  EXPECT_LE(accepted, 25U);
  const Line second(server.ports.http);
  const Line third(server.ports.http);
  Line fourth(server.ports.http);
  EXPECT_TRUE(fourth.ends());
  EXPECT_EQ(peer.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status, 200U);
}

TEST(ServerHttpLimits, TellsASlowSenderAndClosesAnIdleOne) {
  ServerProcess server({"request_ms=400", "idle_ms=400"});
  ASSERT_TRUE(server.start());
  HttpPeer slow{Line(server.ports.http)};
  ASSERT_TRUE(slow.line.send("GET /healthz HTTP/1.1\r\nHost:"));
  EXPECT_EQ(slow.read_answer().status, 408U);
  EXPECT_TRUE(slow.line.ends());

  HttpPeer dripping{Line(server.ports.http)};
  ASSERT_TRUE(dripping.line.send("GET /healthz HTTP/1.1\r\n"));
  bool closed = false;
  for (int i = 0; i < 50 && !closed; ++i) {  // a header now and then must not buy time
    std::this_thread::sleep_for(milliseconds(50));
    closed = !dripping.line.send("X: y\r\n");
  }
  EXPECT_TRUE(closed || dripping.line.ends(milliseconds(100)));

  HttpPeer idle{Line(server.ports.http)};
  EXPECT_EQ(idle.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status, 200U);
  EXPECT_TRUE(idle.line.ends(milliseconds(5'000)));
  Line silent(server.ports.http);
  EXPECT_TRUE(silent.ends(milliseconds(5'000)));
}

TEST_F(ServerHttp, ForgetsAClientThatGoesWithoutItsAnswers) {
  HttpPeer peer = sender();
  const auto connections = [&] {
    const std::string page = peer.ask(request_text("GET", "/metrics", "Bearer " + token_, "")).body;
    constexpr std::string_view kName = "\nwakeline_http_connections ";
    const std::size_t at = page.find(kName);
    return at == std::string::npos ? 0 : std::stoi(page.substr(at + kName.size()));
  };
  {
    Line deaf(server_.ports.http);
    std::string requests;
    for (int i = 0; i < 1'000; ++i) requests += "GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
    ASSERT_TRUE(deaf.send(requests));
    base::Bytes first;
    ASSERT_TRUE(deaf.receive(first));
    EXPECT_EQ(connections(), 2);
  }  // with answers unread: a reset
  int left = 2;
  for (int i = 0; i < 500 && left > 1; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    left = connections();
  }
  EXPECT_EQ(left, 1);
}

TEST(ServerHttpLimits, ClosesAClientThatAsksAndNeverReads) {
  ServerProcess server({"idle_ms=400"});
  ASSERT_TRUE(server.start());
  Line deaf(server.ports.http);
  std::string requests;
  for (int i = 0; i < 2'000; ++i) requests += "GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
  ASSERT_TRUE(deaf.send(requests));
  pollfd wait{deaf.fd(), 0, 0};  // the reset; what came before it stays unread
  EXPECT_EQ(::poll(&wait, 1, 20'000), 1);
}

}  // namespace
}  // namespace wakeline::server
