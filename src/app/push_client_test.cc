// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <wakeline/push_client.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/broker_testing.h"
#include "app/host_testing.h"
#include "base/bytes.h"
#include "io/file.h"

namespace wakeline::app::test {
namespace {

using Words = std::vector<std::string>;

class PushClientTest : public testing::Test {
 protected:
  PushClient::Options options() {
    PushClient::Options made;
    made.host = "127.0.0.1";
    made.port = broker.port();
    made.device = "door";
    made.token = "secret";
    made.state_file = folder.file("state/door");
    made.tls = false;
    return made;
  }
  PushClient create(const PushClient::Options& wanted) {
    auto client = PushClient::create(app, wanted);
    WL_CHECK(client.has_value());
    client->on_push([this](const Push& push) { pushes.push_back(push); });
    return std::move(*client);
  }
  /// Starts it and waits until its line is ready.
  void go_online(PushClient& client) {
    client.start();
    ASSERT_TRUE(dispatch_until(app, [&] { return client.status().state == LinkState::kReady; }));
    EXPECT_EQ(broker.take(1), Words{"CONNECT"});
  }
  bool await_pushes(std::size_t count) {
    return dispatch_until(app, [&] { return pushes.size() >= count; });
  }
  ErrorCode fault(const PushClient::Options& wanted) {
    const auto client = PushClient::create(app, wanted);
    return client ? ErrorCode::kOk : client.error().code;
  }

  io::TestFolder folder;
  TestBroker broker;
  TestHost peer{folder.file("host.sock")};
  App app = *App::create({.host_path = folder.file("host.sock")});
  std::vector<Push> pushes;
};

TEST_F(PushClientTest, GivesAPushOnceAndAcknowledgesItWhenItsHandlerReturned) {
  PushClient client = create(options());
  go_online(client);
  broker.push(1, 10, "ring");
  ASSERT_TRUE(await_pushes(1));
  EXPECT_EQ(broker.take(1), Words{"PUBACK"});
  EXPECT_EQ(pushes[0], (Push{.id = pushes[0].id,
                             .sequence = 1,
                             .maybe_seen = false,
                             .title = "ring",
                             .body = "",
                             .data = "7",
                             .urgency = "high",
                             .topic = "wakeline/inbox/door",
                             .payload = R"({"title":"ring","data":"7"})"}));
}

TEST_F(PushClientTest, AHandlerMayCallTheClientAtItsEnd) {
  PushClient client = create(options());
  bool ended = false;
  std::shared_ptr<void> owned(nullptr, [&](void*) {
    ended = client.status().state == LinkState::kStopped;
    client.on_push({});
  });
  client.on_state([owned = std::move(owned)](const LinkStatus&) {});
  client.on_state({});
  EXPECT_TRUE(ended);
}

TEST_F(PushClientTest, RemembersWhatWasAcceptedOverItsEnd) {
  {
    PushClient client = create(options());
    go_online(client);
    broker.push(1, 10, "ring");
    ASSERT_TRUE(await_pushes(1));
    EXPECT_EQ(broker.take(1), Words{"PUBACK"});
  }
  EXPECT_EQ(broker.take(1), Words{"DISCONNECT"});
  PushClient client = create(options());
  go_online(client);
  broker.push(1, 11, "ring");  // the server never saw the PUBACK
  broker.push(2, 12, "again");
  ASSERT_TRUE(await_pushes(2));
  EXPECT_EQ(broker.take(2), (Words{"PUBACK", "PUBACK"}));
  EXPECT_EQ(pushes.size(), 2u);
  EXPECT_EQ(pushes[1].title, "again");
}

TEST_F(PushClientTest, WritesAtItsEndWhatTheDiskDidNotTakeBefore) {
  const std::string state = folder.file("state");
  const std::string away = folder.file("away");
  {
    PushClient client = create(options());
    bool told = false;
    client.on_outcome([&](const Outcome&) {
      told = true;
      std::filesystem::rename(state, away);
    });
    ASSERT_TRUE(client.send({.body = "yes"}));
    client.start();
    ASSERT_TRUE(dispatch_until(app, [&] { return told; }));
    // Its write follows the one that is to forget the first message: both have failed.
    EXPECT_FALSE(client.send({.body = "no"}));
    std::filesystem::rename(away, state);
  }
  const PushClient client = create(options());
  EXPECT_EQ(client.outbox_size(), 0U) << "the app had heard of its outcome";
}

TEST_F(PushClientTest, LeavesAPushWhoseHandlerThrewToTheNextRun) {
  {
    PushClient client = create(options());
    client.on_push([](const Push&) { throw std::runtime_error("the app's own"); });
    go_online(client);
    broker.push(1, 10, "ring");
    EXPECT_THROW(dispatch_until(app, [] { return false; }), std::runtime_error);
  }
  EXPECT_EQ(broker.take(1), Words{"DISCONNECT"});
  PushClient client = create(options());
  go_online(client);
  broker.push(1, 10, "ring");
  EXPECT_TRUE(await_pushes(1));
  EXPECT_EQ(broker.take(1), Words{"PUBACK"});
}

TEST_F(PushClientTest, AcknowledgesByHandWhenAskedTo) {
  auto wanted = options();
  wanted.manual_accept = true;
  PushClient client = create(wanted);
  go_online(client);
  broker.push(1, 10, "one");
  broker.push(2, 11, "two");
  ASSERT_TRUE(await_pushes(2));
  EXPECT_EQ(broker.heard(), 0u);
  client.accept(pushes[1].id);
  EXPECT_EQ(broker.take(1), Words{"PUBACK"});
}

TEST_F(PushClientTest, SendsAReplyAndTellsWhatBecameOfIt) {
  PushClient client = create(options());
  std::vector<Outcome> outcomes;
  client.on_outcome([&](const Outcome& outcome) { outcomes.push_back(outcome); });
  const auto key = client.send({.body = "yes", .content_type = "text/plain", .correlation = "7"});
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(client.outbox_size(), 1U);
  client.start();
  ASSERT_TRUE(dispatch_until(app, [&] { return !outcomes.empty(); }));
  EXPECT_EQ(outcomes, (std::vector<Outcome>{{.key = *key}}));
  EXPECT_EQ(client.outbox_size(), 0U);
  const auto published = broker.published();
  ASSERT_EQ(published.size(), 1U);
  EXPECT_EQ(published[0].topic, "wakeline/reply/door");
  EXPECT_EQ(base::as_text(published[0].payload), "yes");
  EXPECT_EQ(published[0].properties.content_type, "text/plain");
  EXPECT_EQ(published[0].properties.correlation_data, base::Bytes{'7'});
  EXPECT_EQ(published[0].properties.user_value("key"), *key);
}

TEST_F(PushClientTest, SendsInTheNextRunWhatThisOneCouldNot) {
  {
    PushClient client = create(options());
    ASSERT_TRUE(client.send({.body = "first", .key = "k1"}));
    ASSERT_TRUE(client.send({.kind = MessageKind::kReceipt, .body = "second", .key = "k2"}));
  }
  PushClient client = create(options());
  std::vector<std::string> keys;
  client.on_outcome([&](const Outcome& outcome) { keys.push_back(outcome.key); });
  EXPECT_EQ(client.outbox_size(), 2U);
  client.start();
  ASSERT_TRUE(dispatch_until(app, [&] { return keys.size() == 2; }));
  EXPECT_EQ(keys, (std::vector<std::string>{"k1", "k2"}));
  EXPECT_EQ(broker.published().back().topic, "wakeline/receipt/door");
}

TEST_F(PushClientTest, TellsAnOutcomeAgainInTheNextRunWhenItsHandlerThrew) {
  std::vector<std::string> keys;
  {
    PushClient client = create(options());
    client.on_outcome([](const Outcome&) { throw std::runtime_error("the app's own"); });
    ASSERT_TRUE(client.send({.body = "x", .key = "k1"}));
    client.start();
    EXPECT_THROW(dispatch_until(app, [] { return false; }), std::runtime_error);
  }
  PushClient client = create(options());
  client.on_outcome([&](const Outcome& outcome) { keys.push_back(outcome.key); });
  client.start();
  ASSERT_TRUE(dispatch_until(app, [&] { return !keys.empty(); }));
  EXPECT_EQ(keys, Words{"k1"});
}

TEST_F(PushClientTest, TellsThatAMessageExpiredOrWasRefused) {
  PushClient client = create(options());
  std::vector<Outcome> outcomes;
  client.on_outcome([&](const Outcome& outcome) { outcomes.push_back(outcome); });
  ASSERT_TRUE(client.send({.body = "x", .key = "old", .time_to_live = std::chrono::seconds(1)}));
  ASSERT_TRUE(dispatch_until(app, [&] { return !outcomes.empty(); }));
  EXPECT_EQ(outcomes.back(), (Outcome{.key = "old", .result = SendResult::kExpired}));
  broker.answer_publish_with(mqtt::Reason::kNotAuthorized);
  client.start();
  ASSERT_TRUE(client.send({.body = "x", .topic = "of/others", .key = "other"}));
  ASSERT_TRUE(dispatch_until(app, [&] { return outcomes.size() == 2; }));
  EXPECT_EQ(outcomes.back(),
            (Outcome{.key = "other", .result = SendResult::kRefused, .detail = "0x87"}));
}

TEST_F(PushClientTest, RefusesFaultyMessagesAndMoreThanItHolds) {
  PushClient client = create(options());
  const auto code = [&](const Message& message) {
    const auto sent = client.send(message);
    return sent ? ErrorCode::kOk : sent.error().code;
  };
  EXPECT_EQ(code({.body = std::string(4'097, 'x')}), ErrorCode::kTooLarge);
  EXPECT_EQ(code({.topic = "all/#"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.key = "two words"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.time_to_live = std::chrono::seconds(0)}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.time_to_live = std::chrono::hours(24 * 29)}), ErrorCode::kInvalidArgument);
  for (int i = 0; i < 64; ++i) ASSERT_EQ(code({.key = "k" + std::to_string(i)}), ErrorCode::kOk);
  EXPECT_EQ(code({.key = "k0"}), ErrorCode::kOk);  // is there
  EXPECT_EQ(code({}), ErrorCode::kBusy);
}

TEST_F(PushClientTest, SaysThatAMessageCannotBeKeptAndHoldsAPushUntilTheDiskIsBack) {
  PushClient client = create(options());
  go_online(client);
  std::filesystem::rename(folder.file("state"), folder.file("away"));
  EXPECT_EQ(client.send({.body = "x"}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(client.outbox_size(), 0U);
  broker.push(1, 10, "ring");
  ASSERT_TRUE(await_pushes(1));
  EXPECT_FALSE(client.send({.body = "y"}));
  EXPECT_EQ(broker.heard(), 0U);  // no PUBACK, and nothing sent
  std::filesystem::rename(folder.file("away"), folder.file("state"));
  EXPECT_EQ(broker.take(1), Words{"PUBACK"});
  EXPECT_TRUE(client.send({.body = "z"}));
  EXPECT_EQ(broker.take(1), Words{"PUBLISH"});
}

TEST_F(PushClientTest, C15AsksTheHostOnceForHandlersThatOneTimeoutServes) {
  PushClient client = create(options());
  go_online(client);
  app.background_time_remaining();  // answered after what the client asked
  ASSERT_TRUE(app.set_keep_alive_timeout(seconds(600), [] {}));
  app.clear_keep_alive_timeout();
  ASSERT_TRUE(app.set_keep_alive_timeout(seconds(900), [] {}));
  app.background_time_remaining();
  EXPECT_EQ(std::ranges::count_if(peer.heard(),
                                  [](const host::Message& message) {
                                    return std::holds_alternative<host::SetKeepAlive>(message);
                                  }),
            1)
      << "the host counts from when it is asked";
}

TEST_F(PushClientTest, TellsThatPushesNeverCome) {
  PushClient client = create(options());
  std::vector<Missed> missed;
  client.on_missed([&](const Missed& gap) { missed.push_back(gap); });
  go_online(client);
  broker.push(4, 10, "first");
  broker.push(7, 11, "second");
  ASSERT_TRUE(await_pushes(2));
  EXPECT_EQ(missed, (std::vector<Missed>{{.first = 5, .last = 6, .count = 2}}));
}

TEST_F(PushClientTest, AsksForQuietOnItsLineAndInItsNextRun) {
  {
    PushClient client = create(options());
    go_online(client);
    client.set_lowest_urgency(PushUrgency::kNormal);
    EXPECT_EQ(broker.take(1), Words{"SUBSCRIBE"});
    EXPECT_EQ(broker.asked_urgency(), "normal");
  }
  EXPECT_EQ(broker.take(1), Words{"DISCONNECT"});
  PushClient client = create(options());
  go_online(client);
  EXPECT_EQ(broker.asked_urgency(), "normal");
  EXPECT_EQ(name(PushUrgency::kNormal), "normal");
}

TEST_F(PushClientTest, TagsItsSocketBeforeTheFirstByteAndHoldsTheAppAwakeMeanwhile) {
  PushClient client = create(options());
  go_online(client);
  ASSERT_TRUE(peer.await(4));
  EXPECT_TRUE(client.is_wake_capable());
  std::vector<std::string> types;
  for (const auto& message : peer.take(5)) {
    if (std::holds_alternative<host::SetKeepAlive>(message)) types.emplace_back("keep_alive");
    if (std::holds_alternative<host::BeginTask>(message)) types.emplace_back("begin");
    if (std::holds_alternative<host::Tag>(message)) types.emplace_back("tag");
    if (std::holds_alternative<host::EndTask>(message)) types.emplace_back("end");
    if (std::holds_alternative<host::QueryTag>(message)) types.emplace_back("query");
  }
  EXPECT_EQ(types, (Words{"keep_alive", "begin", "tag", "end", "query"}));
  EXPECT_EQ(peer.descriptors(), 1u);
  client.stop();
  const auto last = peer.take(2);
  EXPECT_EQ(last[0], host::Message(host::Untag{.tag = 3}));
  EXPECT_EQ(last[1], host::Message(host::SetKeepAlive{.timeout_s = 0}));
}

TEST_F(PushClientTest, AsksTheHostForAWakeWhenItWaitsInTheBackgroundC40) {
  PushClient client = create(options());
  broker.greet_with(mqtt::Reason::kServerBusy);
  client.start();
  const auto asked = [&] {
    for (const auto& message : peer.heard())
      if (const auto* wake = std::get_if<host::RequestWake>(&message)) return wake->latest_ms;
    return 0U;
  };
  ASSERT_TRUE(dispatch_until(app, [&] { return asked() > 0; }));
  const auto status = client.status();
  EXPECT_EQ(status.state, LinkState::kWaiting);
  // Not before the link wants it, nor much later.
  EXPECT_LE(asked(), status.retry_in->count() * 5 / 4 + 2);
  broker.greet_with(mqtt::Reason::kSuccess);
  client.kick();
  ASSERT_TRUE(dispatch_until(app, [&] { return client.status().state == LinkState::kReady; }));
  EXPECT_TRUE(dispatch_until(app, [&] {
    return std::ranges::any_of(peer.heard(), [](const host::Message& message) {
      return std::holds_alternative<host::CancelWake>(message);
    });
  }));
}

TEST_F(PushClientTest, PingsInTheKeepAliveWindowButNotForBytesOfItsOwnSocket) {
  PushClient client = create(options());
  go_online(client);
  ASSERT_TRUE(peer.await(4));
  peer.send(host::Woken{.cause = host::WakeCause::kSocketData, .tag = 3});
  broker.push(1, 10, "ring");
  ASSERT_TRUE(await_pushes(1));
  EXPECT_EQ(broker.take(1), Words{"PUBACK"});
  // A line that was heard a moment ago needs no proof, so it may take more than one run.
  EXPECT_TRUE(dispatch_until(app, [&] {
    peer.send(host::RunKeepAlive{.budget_ms = 10'000});
    return broker.heard() > 0;
  }));
  EXPECT_EQ(broker.take(1).front(), "PINGREQ");
  EXPECT_TRUE(dispatch_until(app, [&] {
    const auto heard = peer.heard();
    return std::ranges::count(heard, host::Message(host::KeepAliveDone{})) > 0;
  }));
}

TEST_F(PushClientTest, ComesBackWhenItsLineIsLost) {
  PushClient client = create(options());
  std::vector<LinkState> states;
  client.on_state([&](const LinkStatus& status) { states.push_back(status.state); });
  go_online(client);
  broker.drop();
  ASSERT_TRUE(dispatch_until(app, [&] { return client.status().state == LinkState::kWaiting; }));
  EXPECT_EQ(client.status().why, "peer_closed");
  EXPECT_TRUE(client.status().retry_in.has_value());
  peer.send(host::Woken{.cause = host::WakeCause::kForeground});
  ASSERT_TRUE(dispatch_until(app, [&] { return client.status().state == LinkState::kReady; }));
  EXPECT_EQ(broker.take(1), Words{"CONNECT"});
  EXPECT_TRUE(dispatch_until(app, [&] { return states.size() == 5; }));
  EXPECT_EQ(states, (std::vector{LinkState::kConnecting, LinkState::kReady, LinkState::kWaiting,
                                 LinkState::kConnecting, LinkState::kReady}));
}

TEST_F(PushClientTest, SaysWhyItIsNotOnline) {
  broker.greet_with(mqtt::Reason::kBadCredentials);
  PushClient client = create(options());
  client.start();
  const auto why = [&](std::string_view wanted) {
    return dispatch_until(app, [&] { return client.status().why == wanted; });
  };
  EXPECT_TRUE(why("bad_credentials"));
  auto wanted = options();
  wanted.state_file = folder.file("other");
  wanted.port = 1;  // nobody listens there
  PushClient unreachable = create(wanted);
  unreachable.start();
  EXPECT_TRUE(dispatch_until(app, [&] { return unreachable.status().why == "connect_failed"; }));
}

TEST_F(PushClientTest, SpeaksTlsToAServerOfItsAuthorityAlone) {
  const std::string certificate = folder.file("certificate.pem");
  const std::string other = folder.file("other.pem");
  ASSERT_TRUE(io::make_self_signed(certificate, folder.file("key.pem"), {"127.0.0.1"}));
  ASSERT_TRUE(io::make_self_signed(other, folder.file("other-key.pem"), {"127.0.0.1"}));
  TestBroker secure(*io::TlsContext::server(certificate, folder.file("key.pem")));
  auto wanted = options();
  wanted.tls = true;
  wanted.port = secure.port();
  wanted.ca_file = other;
  {
    PushClient client = create(wanted);
    client.start();
    EXPECT_TRUE(dispatch_until(app, [&] { return client.status().why == "tls_failed"; }));
  }
  wanted.ca_file = certificate;
  PushClient client = create(wanted);
  client.start();
  EXPECT_TRUE(dispatch_until(app, [&] { return client.status().state == LinkState::kReady; }));
  EXPECT_EQ(secure.take(1), Words{"CONNECT"});
  secure.push(1, 10, "ring");
  EXPECT_TRUE(await_pushes(1));
}

TEST_F(PushClientTest, OpensASealedPushWithItsKeysAndSaysSoOfOneItCannotOpen) {
  PushClient::Options wanted = options();
  wanted.keys_file = folder.file("keys");
  // The example of RFC 8291, its keys and its body.
  ASSERT_TRUE(io::write_file(
      wanted.keys_file,
      "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94 "
      "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4 "
      "BTBZMqHH6r4Tts7J_aSIgg\n"));
  const auto body = base::from_base64url(
      "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS"
      "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu"
      "lcy4a-fN");
  ASSERT_TRUE(body);
  PushClient client = create(wanted);
  EXPECT_EQ(client.sealing_keys().auth, "BTBZMqHH6r4Tts7J_aSIgg");
  go_online(client);
  mqtt::Publish sealed;
  sealed.topic = "wakeline/inbox/door";
  sealed.payload = *body;
  sealed.qos = mqtt::Qos::kAtLeastOnce;
  sealed.packet_id = 1;
  sealed.properties.user = {{"seq", "1"}, {"content-encoding", "aes128gcm"}};
  broker.send(sealed);
  sealed.packet_id = 2;
  sealed.payload.back() ^= 1;
  sealed.properties.user = {{"seq", "2"}, {"content-encoding", "aes128gcm"}};
  broker.send(sealed);
  ASSERT_TRUE(await_pushes(2));
  EXPECT_EQ(pushes[0].payload, "When I grow up, I want to be a watermelon");
  EXPECT_EQ(pushes[0].sealing, Sealing::kOpened);
  EXPECT_EQ(pushes[1].payload, base::as_text(sealed.payload));
  EXPECT_EQ(pushes[1].sealing, Sealing::kUnreadable);
  EXPECT_EQ(broker.take(2), (Words{"PUBACK", "PUBACK"})) << "nobody can send it any better";
}

TEST_F(PushClientTest, KeepsItsSealingKeysAndMakesNoNewOnesInThePlaceOfBrokenOnes) {
  const std::string file = options().state_file + ".keys";
  const SealingKeys keys = create(options()).sealing_keys();
  EXPECT_EQ(create(options()).sealing_keys(), keys);
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  ASSERT_TRUE(io::write_file(file, "broken\n"));
  EXPECT_EQ(fault(options()), ErrorCode::kMalformed);
}

TEST_F(PushClientTest, RefusesFaultyOptions) {
  auto wanted = options();
  wanted.host = "push.example";
  EXPECT_EQ(fault(wanted), ErrorCode::kInvalidArgument);  // without TLS
  wanted = options();
  wanted.device = "no/name";
  EXPECT_EQ(fault(wanted), ErrorCode::kInvalidArgument);
  wanted = options();
  wanted.tls = true;
  wanted.ca_file = folder.file("none.pem");
  EXPECT_EQ(fault(wanted), ErrorCode::kNotFound);
  wanted = options();
  ASSERT_TRUE(io::write_file(folder.file("plain"), ""));
  wanted.state_file = folder.file("plain/state");
  EXPECT_EQ(fault(wanted), ErrorCode::kOs);  // not a folder
}

TEST_F(PushClientTest, TakesItsStateFileForItselfAlone) {
  std::optional<PushClient> first = create(options());
  EXPECT_EQ(fault(options()), ErrorCode::kBusy);
  first.reset();
  EXPECT_EQ(fault(options()), ErrorCode::kOk);
}

TEST_F(PushClientTest, SetsACorruptStateFileAside) {
  const auto wanted = options();
  ASSERT_TRUE(io::make_folder(folder.file("state")));
  ASSERT_TRUE(io::write_file(wanted.state_file, "torn"));
  PushClient client = create(wanted);
  EXPECT_EQ(io::read_file(wanted.state_file + ".corrupt", 100), "torn");
  go_online(client);
}

}  // namespace
}  // namespace wakeline::app::test
