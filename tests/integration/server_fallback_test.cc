// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <fstream>

#include <boost/json.hpp>

#include "io/clock.h"
#include "io/tls.h"
#include "server/es256.h"
#include "server_peers.h"
#include "server_process.h"
#include "store/directory.h"

/// C25: a device that is gone is reached the last way: the vendor's service (ours to test with,
/// over real HTTP/2), or another Web Push endpoint (a second server of ours).
namespace wakeline::server {
namespace {

namespace json = boost::json;
namespace mqtt = wire::mqtt;
using std::chrono::seconds;

constexpr auto kLong = seconds(30);

/// The endpoint as a process; ended by its pid when the test forgets it.
class ApnsEndpoint {
 public:
  ApnsEndpoint() {
    const Key key = make_p256_key();
    write_pem("key.p8", [&](FILE* file) {
      return PEM_write_PKCS8PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    write_pem("public.pem", [&](FILE* file) { return PEM_write_PUBKEY(file, key.get()); });
    WL_CHECK(io::make_self_signed(ca_file(), folder_.file("tls.key"), {"localhost"}).has_value());
    std::vector<std::string> words = {"node", WAKELINE_PROGRAMS "/apns_endpoint.js", ca_file(),
                                      folder_.file("tls.key"), folder_.file("public.pem")};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int pipe[2];
    WL_CHECK(::pipe2(pipe, O_CLOEXEC) == 0);
    from_.reset(pipe[0]);
    const io::UniqueFd to(pipe[1]);
    pid_ = ::fork();
    WL_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ::dup2(to.get(), STDOUT_FILENO);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ApnsEndpoint(const ApnsEndpoint&) = delete;
  ApnsEndpoint& operator=(const ApnsEndpoint&) = delete;
  ~ApnsEndpoint() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  /// The next line; empty when none comes in time.
  std::string line(base::Duration patience = kLong) {
    const base::Instant until = io::now() + patience;
    while (text_.find('\n') == std::string::npos) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - io::now()).count();
      pollfd wait{from_.get(), POLLIN, 0};
      char block[4'096];
      if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0) return {};
      const ssize_t got = ::read(from_.get(), block, sizeof block);
      if (got <= 0) return {};
      text_.append(block, static_cast<std::size_t>(got));
    }
    const std::size_t end = text_.find('\n');
    std::string one = text_.substr(0, end);
    text_.erase(0, end + 1);
    return one;
  }
  json::value request() {
    const std::string text = line();
    return text.empty() ? json::value() : json::parse(text);
  }
  std::string ca_file() const { return folder_.file("tls.pem"); }
  std::string key_file() const { return folder_.file("key.p8"); }

 private:
  void write_pem(const char* name, const std::function<int(FILE*)>& write) {
    FILE* file = std::fopen(folder_.file(name).c_str(), "we");
    WL_CHECK(file != nullptr && write(file) == 1);
    std::fclose(file);
  }

  io::TestFolder folder_;
  io::UniqueFd from_;
  pid_t pid_ = -1;
  std::string text_;
};

class ServerFallback : public testing::Test {
 protected:
  void SetUp() override {
    const std::string port = apns_.line();
    ASSERT_FALSE(port.empty());
    server_ = std::make_unique<ServerProcess>(std::vector<std::string>{
        "fallback_ms=300", "apns_url=https://localhost:" + port, "apns_key=" + apns_.key_file(),
        "apns_id=WAKELINE10", "ca_file=" + apns_.ca_file()});
    ASSERT_TRUE(server_->start());
    door_ = server_->add_device("door");
  }
  HttpAnswer ask(const std::string& method, const std::string& target,
                 const std::string& authorization, const std::string& body) {
    return HttpPeer(Line(server_->ports.http))
        .ask(request_text(method, target, authorization, body));
  }
  void fall_back_to(const std::string& token) {
    ASSERT_EQ(ask("PUT", "/v1/fallback", basic_authorization("door", door_),
                  R"({"apns_token":")" + token + R"(","apns_topic":"org.example.door"})")
                  .status,
              204U);
  }
  unsigned push(const std::string& title) {
    return HttpPeer(Line(server_->ports.http))
        .push(server_->admin_token(), push_json("door", title))
        .status;
  }
  std::optional<store::Fallback> fallback() {
    const auto directory =
        store::Directory::open(server_->folder() + "/store.db", store::Database::Mode::kRead);
    const auto found = (*directory)->fallbacks().find("door");
    return found ? *found : std::nullopt;
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (const base::Instant until = io::now() + kLong; io::now() < until;) {
      if (condition()) return true;
      ::poll(nullptr, 0, 20);
    }
    return condition();
  }

  ApnsEndpoint apns_;
  std::unique_ptr<ServerProcess> server_;
  std::string door_;
};

TEST_F(ServerFallback, C25SendsThePushesOfAGoneDeviceToTheVendorAndKeepsThem) {
  fall_back_to("ab12cd");
  ASSERT_EQ(push("one"), 201U);
  ASSERT_EQ(push("two"), 201U);
  for (const char* title : {"one", "two"}) {
    const json::value request = apns_.request();
    ASSERT_TRUE(request.is_object()) << title;
    EXPECT_EQ(request.at("path").as_string(), "/3/device/ab12cd");
    EXPECT_EQ(request.at("topic").as_string(), "org.example.door");
    EXPECT_EQ(request.at("type").as_string(), "alert");
    EXPECT_EQ(request.at("status").to_number<int>(), 200);
    const json::value body = json::parse(request.at("body").as_string());
    EXPECT_EQ(std::string(body.at("aps").at("alert").at("title").as_string()), title);
  }
  EXPECT_TRUE(eventually([&] { return fallback()->sent_through == 2; }));
  MqttPeer door{Line(server_->ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  for (const char* sequence : {"1", "2"}) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    EXPECT_EQ(publish->properties.user_value("seq"), sequence);
  }
}

TEST_F(ServerFallback, C25LeavesADeviceThatIsThereToItsOwnConnection) {
  fall_back_to("ab12cd");
  MqttPeer door{Line(server_->ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_), mqtt::Reason::kSuccess);
  ASSERT_EQ(push("here"), 201U);
  ASSERT_TRUE(door.expect<mqtt::Publish>());  // and is not acknowledged
  EXPECT_EQ(apns_.line(seconds(3)), "");
  door.line = Line(server_->ports.mqtt);  // gone
  const json::value request = apns_.request();
  ASSERT_TRUE(request.is_object());
  EXPECT_NE(request.at("body").as_string().find("here"), json::string::npos);
}

TEST_F(ServerFallback, C25TriesAgainWhenTheVendorIsBusyOrGivesTheConnectionUp) {
  for (const char* token : {"b05e01", "0a0a01"}) {
    fall_back_to(token);
    ASSERT_EQ(push(token), 201U);
    const json::value first = apns_.request();
    ASSERT_TRUE(first.is_object()) << token;
    EXPECT_TRUE(first.as_object().contains("goaway") || first.at("status").to_number<int>() == 429)
        << token;
    const json::value second = apns_.request();
    ASSERT_TRUE(second.is_object()) << token;
    EXPECT_EQ(second.at("status").to_number<int>(), 200) << token;
    EXPECT_TRUE(eventually([&] { return fallback()->sent_through > 0; }));
  }
}

TEST_F(ServerFallback, C25ForgetsATokenThatTheVendorDoesNotKnowAnyMore) {
  fall_back_to("dead01");
  ASSERT_EQ(push("x"), 201U);
  ASSERT_TRUE(apns_.request().is_object());
  EXPECT_TRUE(eventually([&] { return !fallback(); }));
  EXPECT_TRUE(eventually([&] {
    const auto audit = io::read_file(server_->folder() + "/audit.log", 1'000'000);
    return audit &&
           audit->find("\"event\":\"fallback_gone\",\"device\":\"door\"") != std::string::npos;
  }));
}

TEST_F(ServerFallback, C25KeepsTheTokenWhereNothingIsAtItsPath) {
  fall_back_to("404001");
  ASSERT_EQ(push("x"), 201U);
  for (const int status : {404, 200}) {
    const json::value request = apns_.request();
    ASSERT_TRUE(request.is_object()) << status;
    EXPECT_EQ(request.at("status").to_number<int>(), status);
  }
  EXPECT_TRUE(eventually([&] { return fallback() && fallback()->sent_through == 1; }));
}

TEST_F(ServerFallback, C25SendsWhatWaitedWhenTheServerWasKilledBefore) {
  fall_back_to("0a0a02");  // the first request is answered with a GOAWAY
  ASSERT_EQ(push("late"), 201U);
  ASSERT_TRUE(apns_.request().is_object());
  server_->kill_now();
  ASSERT_TRUE(server_->start());
  const json::value request = apns_.request();
  ASSERT_TRUE(request.is_object());
  EXPECT_NE(request.at("body").as_string().find("late"), json::string::npos);
}

TEST(ServerFallbackWebPush, C25IsNoEndpointOfTheServerItself) {
  ServerProcess server;
  ASSERT_TRUE(server.start());
  const std::string door = basic_authorization("door", server.add_device("door"));
  HttpPeer tls{Line(server.ports.https, server.ca_file())};
  const std::string host = "localhost:" + std::to_string(server.ports.https);
  const auto fall_back_to = [&](const std::string& url) {
    const std::string body = R"({"web_push":")" + url + R"("})";
    return tls.ask("PUT /v1/fallback HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: " + door +
                   "\r\nContent-Type: application/json\r\nContent-Length: " +
                   std::to_string(body.size()) + "\r\n\r\n" + body);
  };
  EXPECT_EQ(fall_back_to("https://" + host + "/wp/x").status, 400U);
  EXPECT_EQ(fall_back_to("https://LOCALHOST" + host.substr(9) + "/wp/x").status, 400U);
  EXPECT_EQ(fall_back_to("https://localhost:1/wp/x").status, 204U);
}

TEST(ServerFallbackWebPush, C25PassesThePushOnToAnotherWebPushEndpoint) {
  ServerProcess other;
  ASSERT_TRUE(other.start());
  const std::string phone = other.add_device("phone");
  HttpPeer tls{Line(other.ports.https, other.ca_file())};
  const HttpAnswer made = tls.ask(
      "POST /v1/subscriptions HTTP/1.1\r\nHost: localhost:" + std::to_string(other.ports.https) +
      "\r\nAuthorization: " + basic_authorization("phone", phone) +
      "\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(made.status, 201U);
  const std::string endpoint(json::parse(made.body).at("endpoint").as_string());

  ServerProcess server({"fallback_ms=300", "ca_file=" + other.ca_file()});
  ASSERT_TRUE(server.start());
  const std::string door = server.add_device("door");
  HttpPeer peer{Line(server.ports.http)};
  ASSERT_EQ(peer.ask(request_text("PUT", "/v1/fallback", basic_authorization("door", door),
                                  R"({"web_push":")" + endpoint + R"("})"))
                .status,
            204U);
  const HttpAnswer subscribed =
      peer.ask(request_text("POST", "/v1/subscriptions", basic_authorization("door", door), ""));
  const std::string own(json::parse(subscribed.body).at("endpoint").as_string());
  ASSERT_EQ(peer.ask("POST " + own.substr(std::string("http://localhost").size()) +
                     " HTTP/1.1\r\nHost: localhost\r\nTTL: 60\r\nUrgency: high\r\n"
                     "Content-Encoding: aes128gcm\r\nContent-Length: 9\r\n\r\nencrypted")
                .status,
            201U);
  MqttPeer device{Line(other.ports.mqtt)};
  ASSERT_EQ(device.log_in("phone", phone), mqtt::Reason::kSuccess);
  const auto publish = device.expect<mqtt::Publish>(kLong);
  ASSERT_TRUE(publish);
  EXPECT_EQ(base::as_text(publish->payload), "encrypted");
  EXPECT_EQ(publish->properties.user_value("content-encoding"), "aes128gcm");
  EXPECT_EQ(publish->properties.user_value("urgency"), "high");
}

}  // namespace
}  // namespace wakeline::server
