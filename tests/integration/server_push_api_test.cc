// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

#include <boost/json.hpp>

#include "io/clock.h"
#include "server/tokens.h"
#include "server_peers.h"
#include "server_process.h"
#include "store/directory.h"

/// The JSON API for many: users, groups, batches, scopes, limits; and its description.
namespace wakeline::server {
namespace {

namespace json = boost::json;
namespace mqtt = wire::mqtt;

class ServerPushApi : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    door_ = server_.add_device("door");
    bell_ = server_.add_device("bell");
    auto opened =
        store::Directory::open(server_.folder() + "/store.db", store::Database::Mode::kWrite);
    ASSERT_TRUE(opened);
    directory_ = std::move(*opened);
    for (const char* device : {"bell", "door"})
      ASSERT_TRUE(directory_->members().add({store::MemberKind::kUser, "ada"}, device));
    ASSERT_TRUE(directory_->members().add({store::MemberKind::kGroup, "staff"}, "door"));
  }
  HttpPeer sender() { return HttpPeer(Line(server_.ports.http)); }
  std::string bearer() const { return "Bearer " + server_.admin_token(); }
  HttpAnswer ask(const std::string& method, const std::string& target,
                 const std::string& authorization, const std::string& body = {},
                 const std::string& more = {}) {
    return sender().ask(request_text(method, target, authorization, body, more));
  }
  HttpAnswer push(const std::string& body, const std::string& more = {}) {
    return ask("POST", "/v1/push", bearer(), body, more);
  }
  std::string token_with(const std::string& name, const std::string& scopes,
                         std::optional<base::WallTime> expires = std::nullopt) {
    std::string token = make_token();
    EXPECT_TRUE(directory_->senders().add(
        {.name = name, .scopes = scopes, .created = io::wall_now(), .expires = expires},
        hash_token(base::as_bytes(token))));
    return token;
  }
  std::uint64_t waiting(const std::string& device) {
    const auto devices = list_devices(server_.folder());
    for (const DeviceInfo& one : *devices) {
      if (one.name == device) return one.waiting;
    }
    return ~std::uint64_t{0};
  }

  ServerProcess server_;
  std::string door_, bell_;
  std::unique_ptr<store::Directory> directory_;
};

TEST_F(ServerPushApi, PushesToEachDeviceOfAUserAndOfAGroup) {
  const HttpAnswer user = push(R"({"user":"ada","title":"ring"})");
  EXPECT_EQ(user.status, 201U);
  EXPECT_EQ(user.body,
            "{\"results\":[{\"status\":201,\"device\":\"bell\",\"sequence\":1},"
            "{\"status\":201,\"device\":\"door\",\"sequence\":1}]}\n");
  const HttpAnswer group = push(R"({"group":"staff","title":"ring"})");
  EXPECT_EQ(group.status, 201U);
  EXPECT_EQ(group.body, "{\"results\":[{\"status\":201,\"device\":\"door\",\"sequence\":2}]}\n");
  EXPECT_EQ(waiting("door"), 2U);
  EXPECT_EQ(waiting("bell"), 1U);
  const HttpAnswer nobody = push(R"({"user":"bob","title":"ring"})");
  EXPECT_EQ(nobody.status, 207U);
  EXPECT_NE(nobody.body.find("\"status\":404,\"error\":\"not_found\",\"field\":\"user\""),
            std::string::npos)
      << nobody.body;
}

TEST_F(ServerPushApi, SaysOfEachOfABatchWhatBecameOfIt) {
  const HttpAnswer all =
      push(R"({"pushes":[{"device":"door","title":"a"},{"user":"ada","title":"b"},)"
           R"({"device":"bell","data":"c"}]})");
  EXPECT_EQ(all.status, 201U);
  EXPECT_EQ(all.body,
            "{\"results\":[{\"push\":0,\"status\":201,\"device\":\"door\",\"sequence\":1},"
            "{\"push\":1,\"status\":201,\"device\":\"bell\",\"sequence\":1},"
            "{\"push\":1,\"status\":201,\"device\":\"door\",\"sequence\":2},"
            "{\"push\":2,\"status\":201,\"device\":\"bell\",\"sequence\":2}]}\n");
  const HttpAnswer some =
      push(R"({"pushes":[{"device":"nobody","title":"a"},{"device":"door","title":"b"}]})");
  EXPECT_EQ(some.status, 207U);
  EXPECT_NE(some.body.find("{\"push\":0,\"status\":404,\"device\":\"nobody\",\"error\":"
                           "\"not_found\",\"field\":\"device\""),
            std::string::npos)
      << some.body;
  EXPECT_NE(some.body.find("{\"push\":1,\"status\":201,\"device\":\"door\",\"sequence\":3}"),
            std::string::npos)
      << some.body;
  // A batch that cannot be read as a whole does nothing.
  const HttpAnswer wrong = push(R"({"pushes":[{"device":"door","title":"a"},{"device":"door"}]})");
  EXPECT_EQ(wrong.status, 400U);
  EXPECT_NE(wrong.body.find("\"field\":\"pushes[1].body\""), std::string::npos);
  EXPECT_EQ(waiting("door"), 3U);
}

TEST_F(ServerPushApi, AnswersARepeatedBatchAsTheFirstAlsoAfterTheServerWasKilled) {
  const std::string body =
      R"({"pushes":[{"user":"ada","title":"a"},{"device":"door","title":"b"}]})";
  const HttpAnswer first = push(body, "Idempotency-Key: \"order-17\"\r\n");
  ASSERT_EQ(first.status, 201U);
  EXPECT_EQ(push(body, "Idempotency-Key: \"order-17\"\r\n").body, first.body);
  server_.kill_now();
  ASSERT_TRUE(server_.start());
  EXPECT_EQ(push(body, "Idempotency-Key: order-17\r\n").body, first.body);
  EXPECT_EQ(waiting("door"), 2U);
  EXPECT_EQ(waiting("bell"), 1U);
  EXPECT_NE(push(body, "Idempotency-Key: order-18\r\n").body, first.body);
  EXPECT_EQ(push(body, "Idempotency-Key: " + std::string(61, 'k') + "\r\n").status, 400U);
}

TEST_F(ServerPushApi, TakesTheSameKeyOfTwoSendersForTwoPushes) {
  for (const char* name : {"shopa", "shopb"}) {
    const std::string token = "Bearer " + token_with(name, "push:device/door");
    const std::string body = std::string(R"({"device":"door","title":"of )") + name +
                             R"(","idempotency_key":"order-17"})";
    const HttpAnswer first = ask("POST", "/v1/push", token, body);
    EXPECT_EQ(first.status, 201U);
    EXPECT_EQ(ask("POST", "/v1/push", token, body).body, first.body);
  }
  EXPECT_EQ(waiting("door"), 2U);
}

TEST_F(ServerPushApi, RefusesAKeyThatItsSenderUsedForAnotherPush) {
  const auto with_key = [](const std::string& more) {
    return R"({"device":"door","idempotency_key":"order-17",)" + more + "}";
  };
  ASSERT_EQ(push(with_key(R"("title":"a")")).status, 201U);
  for (const char* other : {R"("title":"b")", R"("title":"a","ttl_s":60)",
                            R"("title":"a","urgency":"high")", R"("title":"a","topic":"t")"}) {
    const HttpAnswer refused = push(with_key(other));
    EXPECT_EQ(refused.status, 422U) << other;
    EXPECT_NE(refused.body.find(R"("error":"already_exists","field":"idempotency_key")"),
              std::string::npos)
        << refused.body;
  }
  const HttpAnswer batch =
      push(R"({"pushes":[{"device":"door","title":"c","idempotency_key":"order-18"},)"
           R"({"device":"door","title":"d","idempotency_key":"order-18"},)"
           R"({"device":"door","title":"c","idempotency_key":"order-18"}]})");
  EXPECT_EQ(batch.status, 207U);
  const json::value results = json::parse(batch.body).at("results");
  ASSERT_EQ(results.as_array().size(), 3U) << batch.body;
  EXPECT_EQ(results.at(0).at("sequence"), results.at(2).at("sequence"));
  EXPECT_EQ(results.at(1).at("status").to_number<int>(), 422);
  EXPECT_EQ(waiting("door"), 2U);
}

TEST_F(ServerPushApi, LetsATokenDoWhatItsScopesSayAndNoMore) {
  const std::string some = "Bearer " + token_with("shop", "push:device/do* push:group/staff");
  const auto as_shop = [&](const std::string& body) { return ask("POST", "/v1/push", some, body); };
  EXPECT_EQ(as_shop(push_json("door", "ring")).status, 201U);
  EXPECT_EQ(as_shop(R"({"group":"staff","title":"ring"})").status, 201U);
  const HttpAnswer refused = as_shop(push_json("bell", "ring"));
  EXPECT_EQ(refused.status, 403U);
  EXPECT_NE(refused.body.find("\"error\":\"permission\""), std::string::npos);
  EXPECT_NE(as_shop(R"({"user":"ada","title":"ring"})").body.find("\"status\":403"),
            std::string::npos);
  EXPECT_EQ(ask("GET", "/v1/stats", some).status, 403U);
  EXPECT_EQ(ask("GET", "/metrics", some).status, 403U);
  EXPECT_EQ(ask("GET", "/v1/reports", some).status, 403U);
  EXPECT_EQ(ask("POST", "/v1/subscriptions", some, R"({"device":"door"})").status, 403U);
  const std::string old =
      "Bearer " + token_with("old", "push", io::wall_now() - std::chrono::seconds(1));
  EXPECT_EQ(ask("POST", "/v1/push", old, push_json("door", "ring")).status, 401U);
  EXPECT_EQ(waiting("bell"), 0U);
}

TEST_F(ServerPushApi, TellsAnAddressWithManyWrongTokensToWait) {
  HttpPeer peer = sender();
  unsigned status = 401;
  HttpAnswer answer;
  for (int i = 0; i < 200 && status == 401; ++i) {
    answer = peer.ask(request_text("POST", "/v1/push", "Bearer wrong", push_json("door", "x")));
    status = answer.status;
  }
  EXPECT_EQ(status, 429U);
  EXPECT_NE(answer.header.find("Retry-After: "), std::string::npos);
  EXPECT_EQ(push(push_json("door", "ring")).status, 429U);  // whoever comes from there
  const auto audit = io::read_file(server_.folder() + "/audit.log", 1'000'000);
  ASSERT_TRUE(audit);
  EXPECT_NE(audit->find("\"event\":\"denied\",\"address\":\"127.0.0.1\""), std::string::npos);
  EXPECT_EQ(audit->find("wrong\""), std::string::npos);
}

TEST_F(ServerPushApi, SharesOneSyncAmongPipelinedRequestsAndKeepsTheirOrder) {
  HttpPeer peer = sender();
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += i % 3 == 0 ? "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
                       : request_text("POST", "/v1/push", bearer(), push_json("door", "ring"));
  }
  ASSERT_TRUE(peer.line.send(text));
  std::uint64_t sequence = 0;
  for (int i = 0; i < 300; ++i) {
    const HttpAnswer answer = peer.read_answer();
    EXPECT_EQ(answer.body,
              i % 3 == 0
                  ? "ok\n"
                  : "{\"device\":\"door\",\"sequence\":" + std::to_string(++sequence) + "}\n");
  }
}

TEST_F(ServerPushApi, AnswersAClientThatClosedItsHalf) {
  HttpPeer peer = sender();
  ASSERT_TRUE(
      peer.line.send(request_text("POST", "/v1/push", bearer(), push_json("door", "ring"))));
  ASSERT_EQ(::shutdown(peer.line.fd(), SHUT_WR), 0);
  EXPECT_EQ(peer.read_answer().status, 201U);
  EXPECT_TRUE(peer.line.ends());
}

TEST_F(ServerPushApi, GivesWhatDevicesPublishedUntilItIsFetched) {
  MqttPeer door{Line(server_.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  for (std::uint16_t id = 1; id <= 2; ++id) {
    ASSERT_TRUE(door.send(mqtt::Publish{.topic = "wakeline/reply/door",
                                        .payload = {'o', 'k', static_cast<std::uint8_t>('0' + id)},
                                        .qos = mqtt::Qos::kAtLeastOnce,
                                        .packet_id = id}));
    ASSERT_TRUE(door.expect<mqtt::Ack>());
  }
  const HttpAnswer both = ask("GET", "/v1/reports?device=door&limit=10", bearer());
  ASSERT_EQ(both.status, 200U);
  const json::value parsed = json::parse(both.body);
  const json::array& reports = parsed.at("reports").as_array();
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].at("kind").as_string(), "reply");
  EXPECT_EQ(reports[0].at("body").as_string(), base::to_base64url(base::as_bytes("ok1")));
  const std::string id = std::to_string(reports[0].at("id").to_number<std::int64_t>());
  EXPECT_EQ(ask("DELETE", "/v1/reports?through=" + id, bearer()).status, 204U);
  const HttpAnswer rest = ask("GET", "/v1/reports", bearer());
  EXPECT_EQ(json::parse(rest.body).at("reports").as_array().size(), 1U);
  EXPECT_EQ(ask("GET", "/v1/reports?limit=x", bearer()).status, 400U);
  EXPECT_EQ(ask("DELETE", "/v1/reports", bearer()).status, 400U);
}

TEST_F(ServerPushApi, IsReadyAndTellsItsFigures) {
  EXPECT_EQ(ask("GET", "/readyz", {}).body, "ready\n");
  ASSERT_EQ(push(push_json("door", "ring")).status, 201U);
  EXPECT_EQ(ask("GET", "/metrics", {}).status, 401U);
  const HttpAnswer metrics = ask("GET", "/metrics", bearer());
  EXPECT_EQ(metrics.status, 200U);
  EXPECT_NE(metrics.header.find("text/plain; version=0.0.4"), std::string::npos);
  for (const char* line :
       {"wakeline_http_requests_total{path=\"/v1/push\",code=\"201\"} 1\n", "wakeline_devices 2\n",
        "wakeline_pushes_waiting 1\n", "# TYPE wakeline_http_request_seconds histogram\n"}) {
    EXPECT_NE(metrics.body.find(line), std::string::npos) << line << metrics.body;
  }
  const json::value stats = json::parse(ask("GET", "/v1/stats", bearer()).body);
  EXPECT_EQ(stats.at("accepted").to_number<int>(), 1);
  EXPECT_EQ(stats.at("devices").to_number<int>(), 2);
}

// ---- the description of the API ----

json::value description() {
  std::ifstream file(WAKELINE_DOCS "/api/openapi.json");
  return json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

/// Follows {"$ref":"#/components/schemas/X"}.
const json::object& resolved(const json::value& root, const json::value& schema) {
  const json::object* object = &schema.as_object();
  while (const json::value* ref = object->if_contains("$ref")) {
    const std::string name(ref->as_string());
    object = &root.at_pointer(name.substr(1)).as_object();
  }
  return *object;
}

/// What of the schemas' language our description uses. Returns: what is wrong; empty when it fits.
std::string misfit(const json::value& root, const json::value& schema, const json::value& value) {
  const json::object& rule = resolved(root, schema);
  if (const json::value* one_of = rule.if_contains("oneOf")) {
    std::string all;
    for (const json::value& choice : one_of->as_array()) {
      const std::string wrong = misfit(root, choice, value);
      if (wrong.empty()) return {};
      all += wrong + "; ";
    }
    return "none of oneOf: " + all;
  }
  const std::string type(rule.contains("type") ? rule.at("type").as_string() : "");
  if (type == "object") {
    if (!value.is_object()) return "no object";
    if (const json::value* required = rule.if_contains("required")) {
      for (const json::value& name : required->as_array()) {
        if (!value.as_object().contains(name.as_string()))
          return "without " + std::string(name.as_string());
      }
    }
    const json::value* properties = rule.if_contains("properties");
    for (const auto& member : value.as_object()) {
      const json::value* its =
          properties != nullptr ? properties->as_object().if_contains(member.key()) : nullptr;
      if (its == nullptr) {
        if (rule.contains("additionalProperties")) return "unknown " + std::string(member.key());
        continue;
      }
      if (const std::string wrong = misfit(root, *its, member.value()); !wrong.empty())
        return std::string(member.key()) + ": " + wrong;
    }
  } else if (type == "array") {
    if (!value.is_array()) return "no array";
    for (const json::value& entry : value.as_array()) {
      if (const std::string wrong = misfit(root, rule.at("items"), entry); !wrong.empty())
        return wrong;
    }
  } else if (type == "integer") {
    if (!value.is_int64() && !value.is_uint64()) return "no integer";
  } else if (type == "string" && !value.is_string()) {
    return "no string";
  }
  return {};
}

TEST(MisfitOfASchema, IsFound) {
  const json::value root = description();
  const json::value error = json::parse(R"({"$ref":"#/components/schemas/Error"})");
  EXPECT_EQ(misfit(root, error, json::parse(R"({"error":"x","message":"y"})")), "");
  EXPECT_EQ(misfit(root, error, json::parse(R"({"error":"x"})")), "without message");
  EXPECT_EQ(misfit(root, error, json::parse(R"({"error":"x","message":"y","z":1})")), "unknown z");
  EXPECT_EQ(misfit(root, error, json::parse(R"({"error":1,"message":"y"})")), "error: no string");
}

TEST_F(ServerPushApi, ServesItsDescription) {
  const HttpAnswer served = ask("GET", "/v1/openapi.json", {});
  EXPECT_EQ(served.status, 200U);
  EXPECT_EQ(json::parse(served.body), description());
}

TEST_F(ServerPushApi, AnswersAsItsDescriptionSays) {
  const json::value root = description();
  const std::string basic = basic_authorization("door", door_);
  const HttpAnswer made = ask("POST", "/v1/subscriptions", basic);
  ASSERT_EQ(made.status, 201U) << made.body;
  const std::string endpoint(json::parse(made.body).at("endpoint").as_string());
  const std::string capability = endpoint.substr(std::string("http://localhost/wp/").size());
  const struct {
    const char* method;
    std::string target;
    std::string authorization;
    std::string body;
    const char* path;  // of the description
    unsigned status;
  } rows[] = {
      {"POST", "/v1/push", bearer(), push_json("door", "x"), "/v1/push", 201},
      {"POST", "/v1/push", bearer(), R"({"user":"ada","title":"x"})", "/v1/push", 201},
      {"POST", "/v1/push", bearer(), R"({"pushes":[{"device":"no","title":"x"}]})", "/v1/push",
       207},
      {"POST", "/v1/push", bearer(), R"({"device":"door","title":"x","idempotency_key":"k"})",
       "/v1/push", 201},
      {"POST", "/v1/push", bearer(), R"({"device":"door","title":"y","idempotency_key":"k"})",
       "/v1/push", 422},
      {"POST", "/v1/push", bearer(), "{", "/v1/push", 400},
      {"POST", "/v1/push", "", "{}", "/v1/push", 401},
      {"POST", "/v1/push", bearer(), push_json("no", "x"), "/v1/push", 404},
      {"POST", "/v1/push", bearer(), push_json("door", std::string(9'000, 'x')), "/v1/push", 413},
      {"POST", "/v1/push", bearer(), "", "/v1/push", 415},
      {"POST", "/v1/subscriptions", bearer(), R"({"device":"door"})", "/v1/subscriptions", 201},
      {"POST", "/v1/subscriptions", bearer(), R"({"device":"no"})", "/v1/subscriptions", 404},
      {"POST", "/v1/subscriptions", bearer(), R"({"device":"door","vapid_key":"x"})",
       "/v1/subscriptions", 400},
      {"GET", "/v1/subscriptions?device=door", bearer(), "", "/v1/subscriptions", 200},
      {"GET", "/v1/subscriptions", basic, "", "/v1/subscriptions", 200},
      {"GET", "/v1/subscriptions", "", "", "/v1/subscriptions", 401},
      {"DELETE", "/v1/subscriptions/99", basic, "", "/v1/subscriptions/{id}", 404},
      {"DELETE", "/v1/subscriptions/2", basic, "", "/v1/subscriptions/{id}", 204},
      {"PUT", "/v1/fallback", basic, R"({"apns_token":"ab12","apns_topic":"org.door"})",
       "/v1/fallback", 204},
      {"PUT", "/v1/fallback", basic, R"({"apns_token":"xyz","apns_topic":"org.door"})",
       "/v1/fallback", 400},
      {"PUT", "/v1/fallback", basic, R"({"web_push":"https://?x"})", "/v1/fallback", 400},
      {"PUT", "/v1/fallback", basic, R"({"device":"bell","web_push":"https://a.example/x"})",
       "/v1/fallback", 403},
      {"DELETE", "/v1/fallback", basic, "", "/v1/fallback", 204},
      {"DELETE", "/v1/fallback?device=door", bearer(), "", "/v1/fallback", 404},
      {"GET", "/v1/reports", bearer(), "", "/v1/reports", 200},
      {"DELETE", "/v1/reports?through=5", bearer(), "", "/v1/reports", 204},
      {"GET", "/wp/" + capability, "", "", "/wp/{capability}", 200},
      {"POST", "/wp/" + capability, "", "", "/wp/{capability}", 400},
      {"POST", "/up/" + capability, "", "", "/up/{capability}", 201},
      {"GET", "/up/" + std::string(43, 'A'), "", "", "/up/{capability}", 404},
      {"DELETE", "/m/x", "", "", "/m/{message}", 404},
      {"GET", "/r/x", "", "", "/r/{receipts}", 404},
      {"DELETE", "/r/x", "", "", "/r/{receipts}", 404},
      {"GET", "/.well-known/unifiedpush", "", "", "/.well-known/unifiedpush", 200},
      {"GET", "/v1/stats", bearer(), "", "/v1/stats", 200},
      {"GET", "/v1/openapi.json", "", "", "/v1/openapi.json", 200},
      {"GET", "/metrics", bearer(), "", "/metrics", 200},
      {"GET", "/healthz", "", "", "/healthz", 200},
      {"GET", "/readyz", "", "", "/readyz", 200},
  };
  std::map<std::string, int> seen;
  for (const auto& row : rows) {
    const std::string what = std::string(row.method) + " " + row.target;
    const HttpAnswer answer = ask(row.method, row.target, row.authorization, row.body);
    EXPECT_EQ(answer.status, row.status) << what << answer.body;
    std::string method = row.method;
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    ++seen[row.path + (" " + method)];
    const json::object& responses =
        root.at("paths").at(row.path).at(method).at("responses").as_object();
    const json::value* response = responses.if_contains(std::to_string(answer.status));
    ASSERT_NE(response, nullptr) << what << ": " << answer.status << " is not described";
    const json::value* content = response->as_object().if_contains("content");
    EXPECT_EQ(content == nullptr, answer.body.empty()) << what;
    if (content == nullptr || !content->as_object().contains("application/json")) continue;
    EXPECT_EQ(misfit(root, content->at("application/json").at("schema"), json::parse(answer.body)),
              "")
        << what << answer.body;
  }
  // Nothing is described that was not asked.
  for (const auto& path : root.at("paths").as_object()) {
    for (const auto& method : path.value().as_object()) {
      if (method.key() == "parameters") continue;
      EXPECT_TRUE(seen.contains(std::string(path.key()) + " " + std::string(method.key())))
          << path.key() << " " << method.key();
    }
  }
}

}  // namespace
}  // namespace wakeline::server
