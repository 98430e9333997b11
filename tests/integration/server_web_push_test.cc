// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>

#include <boost/json.hpp>

#include "io/clock.h"
#include "server/es256.h"
#include "server_peers.h"
#include "server_process.h"

/// Web Push: by hand, and with the web-push package of npm as it comes.
namespace wakeline::server {
namespace {

namespace json = boost::json;
namespace mqtt = wire::mqtt;

class ServerWebPush : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    door_ = server_.add_device("door");
  }
  HttpAnswer ask(const std::string& method, const std::string& target,
                 const std::string& authorization, const std::string& body = {},
                 const std::string& more = {}) {
    return HttpPeer(Line(server_.ports.http))
        .ask(request_text(method, target, authorization, body, more));
  }
  /// Returns: the path of a new endpoint.
  std::string subscribe(const std::string& body = {}, const char* member = "endpoint") {
    const HttpAnswer made =
        ask("POST", "/v1/subscriptions", basic_authorization("door", door_), body);
    EXPECT_EQ(made.status, 201U) << made.body;
    const std::string url(json::parse(made.body).at(member).as_string());
    EXPECT_TRUE(url.starts_with("http://localhost/")) << url;
    return url.substr(std::string("http://localhost").size());
  }
  /// `lines` are further header fields; the body is taken for encrypted.
  HttpAnswer post(const std::string& path, const std::string& lines, const std::string& body) {
    return HttpPeer(Line(server_.ports.http))
        .ask("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + lines +
             "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  static std::string location(const HttpAnswer& answer) {
    constexpr std::string_view kField = "\r\nLocation: http://localhost";
    const std::size_t at = answer.header.find(kField);
    if (at == std::string::npos) return {};
    const std::size_t from = at + kField.size();
    return answer.header.substr(from, answer.header.find('\r', from) - from);
  }
  std::uint64_t waiting() { return list_devices(server_.folder())->front().waiting; }

  ServerProcess server_;
  std::string door_;
};

const std::string kEncrypted = "TTL: 60\r\nContent-Encoding: aes128gcm\r\n";

TEST_F(ServerWebPush, GivesReceiptsOfWhatWasDeliveredAndOfWhatWasNot) {
  const std::string path = subscribe();
  const std::string lines = "TTL: 60\r\nContent-Encoding: aes128gcm\r\n";
  const auto link_of = [](const HttpAnswer& answer) {
    constexpr std::string_view kField = "\r\nLink: <http://localhost";
    const std::size_t at = answer.header.find(kField);
    if (at == std::string::npos) return std::string();
    const std::size_t from = at + kField.size();
    const std::size_t end = answer.header.find('>', from);
    EXPECT_EQ(answer.header.find("; rel=\"urn:ietf:params:push:receipt\"", end), end + 1);
    return answer.header.substr(from, end - from);
  };
  const HttpAnswer first = post(path, lines + "Prefer: respond-async\r\nTopic: a\r\n", "one");
  ASSERT_EQ(first.status, 202U) << first.header;
  const std::string receipts = link_of(first);
  ASSERT_TRUE(receipts.starts_with("/r/")) << first.header;
  EXPECT_EQ(ask("GET", receipts, "").status, 204U);
  // The second takes the first one's place; the third expires with nobody there.
  const std::string same = lines + "Push-Receipt: http://localhost" + receipts + "\r\n";
  const HttpAnswer second = post(path, same + "Topic: a\r\n", "two");
  ASSERT_EQ(second.status, 202U);
  EXPECT_EQ(link_of(second), receipts);
  const HttpAnswer third = post(path,
                                "TTL: 0\r\nContent-Encoding: aes128gcm\r\nPush-Receipt: "
                                "http://localhost" +
                                    receipts + "\r\n",
                                "three");
  ASSERT_EQ(third.status, 202U);
  const HttpAnswer gone = ask("GET", receipts, "");
  ASSERT_EQ(gone.status, 200U) << gone.header;
  const auto list = json::parse(gone.body).at("receipts").as_array();
  ASSERT_EQ(list.size(), 2U) << gone.body;
  EXPECT_EQ(list[0].at("message").as_string(), "http://localhost" + location(first));
  EXPECT_EQ(list[1].at("message").as_string(), "http://localhost" + location(third));
  for (const auto& receipt : list) EXPECT_EQ(receipt.at("status").to_number<int>(), 410);
  const auto last = list[1].at("id").to_number<std::uint64_t>();
  const std::string next = receipts + "?after=" + std::to_string(last);
  EXPECT_EQ(ask("GET", next, "", {}, "Prefer: wait=0\r\n").status, 204U);
  EXPECT_EQ(ask("GET", receipts, "").status, 204U);  // they were read

  // A fetch that waits is answered by the device's acknowledgement.
  HttpPeer waits{Line(server_.ports.http)};
  ASSERT_TRUE(
      waits.line.send(request_text("GET", next, "", {}, "Prefer: respond-async, wait=30\r\n")));
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  ASSERT_TRUE(door.acknowledge(*publish));
  const HttpAnswer delivered = waits.read_answer();
  ASSERT_EQ(delivered.status, 200U) << delivered.header;
  const auto one = json::parse(delivered.body).at("receipts").as_array();
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].at("message").as_string(), "http://localhost" + location(second));
  EXPECT_EQ(one[0].at("status").to_number<int>(), 204);

  // Who did not ask gets none, and an address that is none of ours opens nothing.
  ASSERT_EQ(post(path, lines, "four").status, 201U);
  EXPECT_EQ(post(path, lines + "Push-Receipt: https://localhost/r/x\r\n", "five").status, 400U);
  EXPECT_EQ(ask("GET", "/r/" + std::string(43, 'A'), "").status, 404U);
  EXPECT_EQ(ask("GET", receipts + "?after=x", "").status, 400U);
  EXPECT_EQ(ask("POST", receipts, "").status, 405U);
  EXPECT_EQ(ask("DELETE", receipts, "").status, 204U);
  EXPECT_EQ(ask("GET", receipts, "").status, 204U);
}

TEST_F(ServerWebPush, GivesReceiptsOfWhatWaitedForADeviceThatWasRemoved) {
  const std::string path = subscribe();
  const HttpAnswer asked = post(path, kEncrypted + "Prefer: respond-async\r\n", "one");
  ASSERT_EQ(asked.status, 202U) << asked.header;
  ASSERT_EQ(post(path, kEncrypted, "two").status, 201U);  // nobody asked
  const std::size_t at = asked.header.find("/r/");
  ASSERT_NE(at, std::string::npos);
  const std::string receipts = asked.header.substr(at, 3 + 43);
  HttpPeer waits{Line(server_.ports.http)};
  ASSERT_TRUE(waits.line.send(request_text("GET", receipts, "", {}, "Prefer: wait=60\r\n")));
  EXPECT_EQ(ask("GET", "/healthz", "").status, 200U);
  ASSERT_TRUE(remove_device(server_.folder(), "door"));  // as another process does
  const HttpAnswer gone = waits.read_answer();
  ASSERT_EQ(gone.status, 200U) << gone.header;
  const auto list = json::parse(gone.body).at("receipts").as_array();
  ASSERT_EQ(list.size(), 1U) << gone.body;
  EXPECT_EQ(list[0].at("message").as_string(), "http://localhost" + location(asked));
  EXPECT_EQ(list[0].at("status").to_number<int>(), 410);
  EXPECT_EQ(post(path, kEncrypted, "three").status, 410U);
}

TEST_F(ServerWebPush, AnswersAWaitingFetchWhenItEnds) {
  const HttpAnswer pushed =
      post(subscribe(), "TTL: 60\r\nContent-Encoding: aes128gcm\r\nPrefer: respond-async\r\n", "a");
  const std::size_t at = pushed.header.find("/r/");
  ASSERT_NE(at, std::string::npos);
  const std::string receipts = pushed.header.substr(at, 3 + 43);
  EXPECT_EQ(ask("GET", receipts, "", {}, "Prefer: wait=1\r\n").status, 204U);
  HttpPeer waits{Line(server_.ports.http)};
  ASSERT_TRUE(waits.line.send(request_text("GET", receipts, "", {}, "Prefer: wait=60\r\n")));
  // Whether it waits already cannot be seen; the end of the server answers it in both cases.
  EXPECT_EQ(ask("GET", "/healthz", "").status, 200U);
  EXPECT_EQ(server_.terminate(), 0);
  EXPECT_EQ(waits.read_answer().status, 204U);
}

TEST_F(ServerWebPush, DeliversTheBodyUnchangedWithItsEncoding) {
  const std::string path = subscribe();
  std::string body(4'096, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7);
  const HttpAnswer sent = post(path, kEncrypted + "Urgency: high\r\n", body);
  EXPECT_EQ(sent.status, 201U) << sent.body;
  EXPECT_NE(sent.header.find("\r\nTTL: 60"), std::string::npos);
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(base::as_text(publish->payload), body);
  EXPECT_EQ(publish->properties.user_value("content-encoding"), "aes128gcm");
  EXPECT_EQ(publish->properties.user_value("urgency"), "high");
  EXPECT_EQ(publish->properties.payload_format, std::nullopt);
  EXPECT_LE(publish->properties.message_expiry_s.value_or(9'999), 60U);
}

TEST_F(ServerWebPush, ReplacesAWaitingMessageOfTheSameTopicAndEndpoint) {
  const std::string path = subscribe();
  const std::string other = subscribe();
  for (const std::string& at : {path, other, path})
    EXPECT_EQ(post(at, kEncrypted + "Topic: call\r\n", "x").status, 201U);
  EXPECT_EQ(post(path, kEncrypted, "y").status, 201U);
  EXPECT_EQ(waiting(), 3U);
}

TEST_F(ServerWebPush, TakesAMessageBackWhileItWaits) {
  const std::string path = subscribe();
  const HttpAnswer sent = post(path, kEncrypted, "x");
  const std::string message = location(sent);
  ASSERT_TRUE(message.starts_with("/m/")) << sent.header;
  EXPECT_EQ(ask("GET", message, {}).status, 405U);
  EXPECT_EQ(ask("DELETE", message, {}).status, 204U);
  EXPECT_EQ(ask("DELETE", message, {}).status, 410U);
  std::string forged = message;
  forged[10] = forged[10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(ask("DELETE", forged, {}).status, 404U);
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  EXPECT_EQ(post(path, kEncrypted, "z").status, 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(base::as_text(publish->payload), "z");  // and not the one that was taken back
}

TEST_F(ServerWebPush, DoesNotTakeBackWhatItsDeviceHasJustAcknowledged) {
  const std::string path = subscribe();
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  const std::string message = location(post(path, kEncrypted, "x"));
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  ASSERT_TRUE(door.acknowledge(*publish));
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  ASSERT_TRUE(door.expect<mqtt::Pingresp>());  // so the acknowledgement has come, written or not
  EXPECT_EQ(ask("DELETE", message, {}).status, 410U);
}

/// The key as a VAPID token names it.
std::string point(const Key& key) { return base::to_base64url(public_point(key)); }

/// The header field of an app server that has the key.
std::string vapid(const Key& key, const std::string& audience) {
  const std::int64_t now =
      std::chrono::floor<std::chrono::seconds>(io::wall_now().time_since_epoch()).count();
  return "Authorization: vapid t=" +
         make_jwt(key, R"({"typ":"JWT","alg":"ES256"})",
                  R"({"aud":")" + audience + R"(","exp":)" + std::to_string(now + 600) + "}") +
         ", k=" + point(key) + "\r\n";
}

TEST_F(ServerWebPush, RefusesWhatIsWrongAsRfc8030Says) {
  const std::string path = subscribe();
  const struct {
    std::string path;
    std::string lines;
    std::string body;
    unsigned status;
  } rows[] = {
      {path, "Content-Encoding: aes128gcm\r\n", "x", 400},
      {path, "TTL: -1\r\nContent-Encoding: aes128gcm\r\n", "x", 400},
      {path, "TTL: 5s\r\nContent-Encoding: aes128gcm\r\n", "x", 400},
      {path, kEncrypted + "Urgency: urgent\r\n", "x", 400},
      {path, kEncrypted + "Topic: a b\r\n", "x", 400},
      {path, kEncrypted + "Topic: " + std::string(33, 't') + "\r\n", "x", 400},
      {path, "TTL: 60\r\n", "x", 415},
      {path, "TTL: 60\r\nContent-Encoding: aesgcm\r\n", "x", 415},
      {path, kEncrypted, std::string(4'097, 'x'), 413},
      {path, kEncrypted + "Authorization: Bearer x\r\n", "x", 401},
      {path, kEncrypted + "Authorization: vapid t=a.b.c, k=d\r\n", "x", 403},
      {"/wp/" + std::string(43, 'A'), kEncrypted, "x", 404},
      {"/wp/", kEncrypted, "x", 404},
      {"/wp/../../etc/passwd", kEncrypted, "x", 404},
      {path, "TTL: 0\r\n", "", 201},
      {path, "TTL: 0\r\nUrgency: High\r\n", "", 201},
      {path, "TTL: 0\r\nPrefer: wait=5\r\nPrefer: respond-async\r\n", "", 202},
      {path, "TTL: 99999999999999999999\r\nContent-Encoding: AES128GCM\r\n", "x", 201},
  };
  for (const auto& row : rows)
    EXPECT_EQ(post(row.path, row.lines, row.body).status, row.status) << row.path << row.lines;
  EXPECT_EQ(waiting(), 1U);
}

TEST_F(ServerWebPush, BelievesOnlyTheKeyThatTheSubscriptionNames) {
  const Key mine = make_p256_key();
  const Key other = make_p256_key();
  const std::string path = subscribe(R"({"vapid_key":")" + point(mine) + R"("})");
  const HttpAnswer silent = post(path, kEncrypted, "x");
  EXPECT_EQ(silent.status, 401U);
  EXPECT_NE(silent.header.find("WWW-Authenticate: vapid"), std::string::npos);
  EXPECT_EQ(post(path, kEncrypted + vapid(other, "http://localhost"), "x").status, 403U);
  const HttpAnswer elsewhere = post(path, kEncrypted + vapid(mine, "http://elsewhere"), "x");
  EXPECT_EQ(elsewhere.status, 403U);
  EXPECT_NE(elsewhere.body.find(R"(aud must be \"http://localhost\")"), std::string::npos)
      << elsewhere.body;
  EXPECT_EQ(post(path, kEncrypted + vapid(mine, "http://localhost"), "x").status, 201U);
  EXPECT_EQ(waiting(), 1U);
}

TEST_F(ServerWebPush, TellsARemovedEndpointFromOneThatNeverWas) {
  const std::string path = subscribe();
  const std::string basic = basic_authorization("door", door_);
  const std::string bell = basic_authorization("bell", server_.add_device("bell"));
  EXPECT_EQ(ask("DELETE", "/v1/subscriptions/1", bell).status, 404U);
  EXPECT_EQ(ask("DELETE", "/v1/subscriptions/1", basic).status, 204U);
  EXPECT_EQ(post(path, kEncrypted, "x").status, 410U);
  const std::string second = subscribe();
  EXPECT_EQ(post(second, kEncrypted, "x").status, 201U);
  ASSERT_TRUE(remove_device(server_.folder(), "door"));
  EXPECT_EQ(post(second, kEncrypted, "x").status, 410U);
  EXPECT_EQ(ask("POST", "/v1/subscriptions", basic).status, 401U);
}

TEST_F(ServerWebPush, TakesRawBodiesInTheFormOfUnifiedPush) {
  const std::string path = subscribe({}, "unifiedpush");
  EXPECT_TRUE(path.starts_with("/up/"));
  const HttpAnswer discovered = ask("GET", path, {});
  EXPECT_EQ(discovered.body, "{\"unifiedpush\":{\"version\":1}}\n");
  EXPECT_EQ(ask("GET", "/.well-known/unifiedpush", {}).body, discovered.body);
  EXPECT_EQ(post(path, "", "raw \x01 bytes").status, 201U);
  EXPECT_EQ(post(path, "", std::string(4'097, 'x')).status, 413U);
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(base::as_text(publish->payload), "raw \x01 bytes");
  EXPECT_EQ(publish->properties.user_value("content-encoding"), "identity");
}

TEST(ServerWebPushAddress, MayHaveAPathThatIsNoPartOfTheOrigin) {
  const std::string url = "https://push.example.org:443/push";
  ServerProcess server({"public_url=" + url});
  ASSERT_TRUE(server.start());
  const std::string door = server.add_device("door");
  HttpPeer peer{Line(server.ports.http)};
  const HttpAnswer made =
      peer.ask(request_text("POST", "/v1/subscriptions", basic_authorization("door", door), ""));
  const std::string endpoint(json::parse(made.body).at("endpoint").as_string());
  ASSERT_TRUE(endpoint.starts_with(url + "/wp/")) << endpoint;
  // As a proxy that takes the path away.
  const HttpAnswer pushed =
      peer.ask("POST " + endpoint.substr(url.size()) + " HTTP/1.1\r\nHost: localhost\r\n" +
               vapid(make_p256_key(), "https://push.example.org") + kEncrypted +
               "Content-Length: 1\r\n\r\nx");
  EXPECT_EQ(pushed.status, 201U) << pushed.body;
  EXPECT_NE(pushed.header.find("\r\nLocation: " + url + "/m/"), std::string::npos);
}

TEST(ServerWebPushAddress, IsRelativeWhereNobodyNamesAHost) {
  ServerProcess server;
  ASSERT_TRUE(server.start());
  const std::string door = server.add_device("door");
  const HttpAnswer made = HttpPeer(Line(server.ports.http))
                              .ask("POST /v1/subscriptions HTTP/1.0\r\nAuthorization: " +
                                   basic_authorization("door", door) + "\r\n\r\n");
  ASSERT_EQ(made.status, 201U) << made.body;
  EXPECT_TRUE(json::parse(made.body).at("endpoint").as_string().starts_with("/wp/")) << made.body;
}

TEST(ServerWebPushLimits, SlowsDownWhoPushesTooOftenToOneEndpoint) {
  ServerProcess server({"endpoint_rate=1"});
  ASSERT_TRUE(server.start());
  const std::string door = server.add_device("door");
  HttpPeer peer{Line(server.ports.http)};
  const HttpAnswer made =
      peer.ask(request_text("POST", "/v1/subscriptions", basic_authorization("door", door), ""));
  const std::string url(json::parse(made.body).at("unifiedpush").as_string());
  unsigned status = 201;
  HttpAnswer answer;
  for (int i = 0; i < 100 && status == 201; ++i) {
    answer = peer.ask("POST " + url.substr(std::string("http://localhost").size()) +
                      " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx");
    status = answer.status;
  }
  EXPECT_EQ(status, 429U);
  EXPECT_NE(answer.header.find("Retry-After: "), std::string::npos);
}

TEST(ServerWebPushLimits, SlowsDownAllThatGoesToOneDevice) {
  ServerProcess server({"device_rate=1"});
  ASSERT_TRUE(server.start());
  const std::string door = server.add_device("door");
  HttpPeer peer{Line(server.ports.http)};
  const auto endpoint = [&](const char* member) {
    const HttpAnswer made =
        peer.ask(request_text("POST", "/v1/subscriptions", basic_authorization("door", door), ""));
    const std::string url(json::parse(made.body).at(member).as_string());
    return url.substr(std::string("http://localhost").size());
  };
  const std::string encrypted = "Content-Length: 1\r\n" + kEncrypted + "\r\nx";
  const std::string requests[] = {
      "POST " + endpoint("endpoint") + " HTTP/1.1\r\nHost: localhost\r\n" + encrypted,
      "POST " + endpoint("unifiedpush") + " HTTP/1.1\r\nHost: localhost\r\n" + encrypted,
      request_text("POST", "/v1/push", "Bearer " + server.admin_token(),
                   push_json("door", "ring"))};
  // Ten at once at the most, whichever way they come; some more while the test takes its time.
  unsigned accepted = 0;
  for (const std::string& request : requests) {
    HttpAnswer answer{.status = 201};
    for (; answer.status == 201 && accepted < 30; ++accepted) answer = peer.ask(request);
    EXPECT_EQ(answer.status, 429U) << request;
    EXPECT_NE(answer.header.find("Retry-After: "), std::string::npos) << request;
  }
  server.add_device("gate");
  EXPECT_EQ(peer.push(server.admin_token(), push_json("gate", "ring")).status, 201U);
}

/// The package, installed by name into the build's folder.
class NpmWebPush : public ServerWebPush {
 protected:
  static void SetUpTestSuite() {
    const std::string command =
        WAKELINE_TOOLS "/npm-install " WAKELINE_NPM_FOLDER " web-push@3.6.7 </dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  /// Runs programs/web_push.js. Returns: what it printed.
  std::string node(const std::string& mode, const std::vector<std::string>& words = {}) {
    std::string command = "NODE_PATH=" WAKELINE_NPM_FOLDER "/node_modules NODE_EXTRA_CA_CERTS='" +
                          server_.ca_file() +
                          "' timeout 60 node " WAKELINE_PROGRAMS "/web_push.js " + mode;
    for (const std::string& word : words) command += " '" + word + "'";
    FILE* pipe = ::popen(command.c_str(), "re");
    if (pipe == nullptr) return {};
    std::string out;
    char block[4'096];
    std::size_t got = 0;
    while ((got = std::fread(block, 1, sizeof block, pipe)) > 0) out.append(block, got);
    EXPECT_EQ(::pclose(pipe), 0) << out;
    return out;
  }
  /// Returns: the URL of a new endpoint of the TLS port.
  std::string endpoint(const std::string& body = {}) {
    HttpPeer peer{Line(server_.ports.https, server_.ca_file())};
    const std::string host = "localhost:" + std::to_string(server_.ports.https);
    const HttpAnswer made =
        peer.ask("POST /v1/subscriptions HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: " +
                 basic_authorization("door", door_) + "\r\nContent-Type: application/json\r\n" +
                 "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(made.status, 201U) << made.body;
    return std::string(json::parse(made.body).at("endpoint").as_string());
  }
  json::value send(const json::object& keys, const std::string& url, const std::string& payload,
                   const json::object& options = {}) {
    json::object order = keys;
    order.erase("secret");
    order["endpoint"] = url;
    order["payload"] = payload;
    order["options"] = options;
    return json::parse(node("send", {json::serialize(order)}));
  }
};

TEST_F(NpmWebPush, SendsThroughUsAndTheAppReadsWhatItSent) {
  const json::object keys = json::parse(node("keys")).as_object();
  const std::string vapid_key(keys.at("vapid").at("publicKey").as_string());
  const std::string url = endpoint(R"({"vapid_key":")" + vapid_key + R"("})");
  const json::value sent = send(keys, url, "Someone is at the door",
                                {{"TTL", 60}, {"urgency", "high"}, {"topic", "call"}});
  ASSERT_EQ(sent.at("status").to_number<int>(), 201);
  EXPECT_TRUE(sent.at("location")
                  .as_string()
                  .starts_with("https://localhost:" + std::to_string(server_.ports.https) + "/m/"));
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->properties.user_value("content-encoding"), "aes128gcm");
  EXPECT_EQ(publish->properties.user_value("urgency"), "high");
  EXPECT_EQ(node("decrypt",
                 {std::string(keys.at("secret").as_string()),
                  std::string(keys.at("auth").as_string()), base::to_base64url(publish->payload)}),
            "Someone is at the door");
}

TEST_F(NpmWebPush, IsToldWhyItsMessageIsNotTaken) {
  const json::object keys = json::parse(node("keys")).as_object();
  const auto status = [&](const std::string& url, const std::string& payload) {
    return send(keys, url, payload).at("status").to_number<int>();
  };
  const std::string other = base::to_base64url(public_point(make_p256_key()));
  EXPECT_EQ(status(endpoint(R"({"vapid_key":")" + other + R"("})"), "x"), 403);
  const std::string url = endpoint();
  EXPECT_EQ(status(url, std::string(5'000, 'x')), 413);
  EXPECT_EQ(ask("DELETE", "/v1/subscriptions/2", basic_authorization("door", door_)).status, 204U);
  EXPECT_EQ(status(url, "x"), 410);
}

}  // namespace
}  // namespace wakeline::server
