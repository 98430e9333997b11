// SPDX-License-Identifier: Apache-2.0
// Servers that send the push client anything but MQTT, byte by byte through a proxy:
// it says what was wrong, leaves them alone for a while, and rings again at an honest server.
#include <poll.h>
#include <sys/socket.h>

#include <list>
#include <ostream>

#include "io/stream.h"
#include "link_fixture.h"
#include "wire/mqtt.h"

namespace wakeline::test {
namespace {

namespace mqtt = wire::mqtt;

/// Answers the first bytes of each connection with bytes of the test's choice, over and over where
/// `endless`, and then says nothing more.
class HostileServer {
 public:
  HostileServer(base::Bytes answer, bool endless)
      : answer_(std::move(answer)), endless_(endless), listener_(*io::listen_tcp("127.0.0.1", 0)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  std::uint16_t port() const { return io::port_of(listener_.get()); }

 private:
  void run(const std::stop_token& stop) {
    std::list<io::UniqueFd> peers;
    while (!stop.stop_requested()) {
      std::vector<pollfd> polls = {{listener_.get(), POLLIN, 0}};
      for (const io::UniqueFd& peer : peers) polls.push_back({peer.get(), POLLIN, 0});
      ::poll(polls.data(), polls.size(), 20);
      if ((polls[0].revents & POLLIN) != 0)
        peers.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      std::erase_if(peers, [this](const io::UniqueFd& peer) { return !serve(peer.get()); });
    }
  }
  /// Returns: false when the connection is over.
  bool serve(int peer) {
    char block[4'096];
    const ssize_t got = ::recv(peer, block, sizeof block, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got < 0 && !endless_) return true;
    return ::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0 ||
           errno == EAGAIN;
  }

  const base::Bytes answer_;
  const bool endless_;
  io::UniqueFd listener_;
  std::jthread thread_;
};

base::Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

base::Bytes packets(const std::vector<mqtt::Packet>& all) {
  base::Bytes out;
  for (const mqtt::Packet& packet : all) WL_CHECK(mqtt::encode(packet, mqtt::Version::k5, out));
  return out;
}

mqtt::Connack our_connack() {
  mqtt::Connack connack;
  connack.session_present = true;
  connack.properties.user = {{"epoch", "e1"}};
  return connack;
}

mqtt::Publish push_of(std::uint64_t sequence) {
  mqtt::Publish publish;
  publish.topic = "wakeline/inbox/door";
  publish.qos = mqtt::Qos::kAtLeastOnce;
  publish.packet_id = 7;
  publish.properties.user = {{"seq", std::to_string(sequence)}};
  return publish;
}

struct Attack {
  const char* name;
  base::Bytes answer;
  bool endless = false;
};

std::vector<Attack> attacks() {
  mqtt::Connack no_number = our_connack();
  no_number.properties.user = {{"epoch", "not hexadecimal"}};
  mqtt::Publish twice = push_of(1);
  twice.qos = mqtt::Qos::kExactlyOnce;
  mqtt::Publish no_sequence = push_of(1);
  no_sequence.properties.user = {{"seq", "-1"}};
  return {
      {"Http", bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")},
      {"Smtp", bytes("220 mail.example ESMTP\r\n"), true},
      {"TlsAlert", {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28}},
      {"EndlessLength", {0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
      {"AHugePacket", {0x30, 0xFF, 0xFF, 0xFF, 0x7F}},
      {"EndlessZeros", base::Bytes(1'000, 0), true},
      {"ConnackTwice", packets({our_connack(), our_connack()})},
      {"AnEpochThatIsNone", packets({no_number})},
      {"APushBeforeConnack", packets({push_of(1)})},
      {"APushOfAQosThatNobodyAskedFor", packets({our_connack(), twice})},
      {"ANumberThatIsNone", packets({our_connack(), no_sequence})},
      {"NumbersThatFall", packets({our_connack(), push_of(5), push_of(4)})},
      {"AnswersToNothing", packets({our_connack(), mqtt::Ack{.packet_id = 9}})},
      {"APacketOfClients", packets({our_connack(), mqtt::Pingreq{}}), true},
  };
}

void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.name; }

class LinkHostile : public testing::TestWithParam<Attack> {};

TEST_P(LinkHostile, ServerIsLeftAloneForAWhileAndAnHonestOneRingsAgain) {
  const HostileServer hostile(GetParam().answer, GetParam().endless);
  FaultProxy proxy(hostile.port());
  proxy.set({.byte_by_byte = true});
  const io::TestFolder folder;
  server::ServerProcess honest;
  ASSERT_TRUE(honest.start());
  PushClient::Options options;
  options.host = "127.0.0.1";
  options.port = proxy.port();
  options.device = "door";
  options.token = honest.add_device("door");
  options.tls = false;
  options.state_file = folder.file("state");
  Ringing app(options);
  ASSERT_FALSE(app.error) << app.error->message;
  app.client().start();
  ASSERT_TRUE(eventually([&] { return app.was("protocol_error"); }));
  ASSERT_TRUE(eventually([&] { return app.client().status().retry_in.has_value(); }));
  proxy.set_target(honest.ports.mqtt);
  proxy.reset_all();
  app.client().kick();
  ASSERT_TRUE(eventually([&] { return app.ready(); }));
  const auto before = app.pushes().size();  // what the hostile one pushed, it pushed
  server::HttpPeer peer{server::Line(honest.ports.http)};
  ASSERT_EQ(peer.push(honest.admin_token(), server::push_json("door", "ring")).status, 201U);
  ASSERT_TRUE(eventually([&] { return app.pushes().size() > before; }));
  EXPECT_EQ(app.pushes().back().title, "ring");
}

std::string attack_name(const testing::TestParamInfo<Attack>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(All, LinkHostile, testing::ValuesIn(attacks()), attack_name);

}  // namespace
}  // namespace wakeline::test
