// SPDX-License-Identifier: Apache-2.0
#include "core/link/outbox.h"

#include <gtest/gtest.h>

#include "core/link/fnv.h"
#include "core/link/link_testing.h"

namespace wakeline::link::test {
namespace {

using base::ErrorCode;
using std::chrono::hours;

const Instant kUntil{seconds(10'000)};

Message message(const std::string& key, std::uint64_t number = 0) {
  return {.number = number,
          .key = key,
          .topic = "wakeline/reply/door",
          .content_type = "text/plain",
          .correlation = {7},
          .body = {'y', 'e', 's'},
          .until = kUntil};
}
/// As the server gets it.
mqtt::Packet reply(const std::string& key, std::uint64_t number, bool again = false) {
  mqtt::Publish p;
  p.topic = "wakeline/reply/door";
  p.payload = {'y', 'e', 's'};
  p.qos = mqtt::Qos::kAtLeastOnce;
  p.duplicate = again;
  p.packet_id = static_cast<std::uint16_t>(number + 2);
  p.properties.content_type = "text/plain";
  p.properties.correlation_data = {7};
  p.properties.user.emplace_back("key", key);
  return p;
}
mqtt::Packet answer(std::uint64_t number, mqtt::Reason reason = mqtt::Reason::kSuccess) {
  return mqtt::Ack{.packet_id = static_cast<std::uint16_t>(number + 2), .reason = reason};
}
Action store(std::uint64_t serial, std::vector<Message> messages) {
  return StoreOutbox{serial, std::move(messages)};
}
Action outcome(std::uint64_t number, const std::string& key, SendResult result, bool maybe = false,
               const std::string& detail = {}) {
  return Outcome{number, key, result, maybe, detail};
}
FileTime at(const std::string& boot, Duration now, Duration wall) {
  return {boot, Instant(now), base::WallTime(wall)};
}
const Action kHold = HoldAwake{Why::kOnline};
const Action kLetGo = LetGo{};

TEST(LinkOutbox, SendsWhatIsOnDiskAndForgetsItWhenTheAppKnows) {
  Pen pen;
  pen.go_online();
  EXPECT_THAT(pen.send(message("a")), ElementsAre(store(1, {message("a", 1)}), kHold));
  EXPECT_EQ(pen.sent, 1U);
  EXPECT_THAT(pen.outbox_stored(), ElementsAre(wrote(1, {reply("a", 1)})));
  EXPECT_THAT(pen.heard(1, {answer(1)}), ElementsAre(outcome(1, "a", SendResult::kSent)));
  EXPECT_THAT(pen.taken(1), ElementsAre(store(2, {})));
  EXPECT_THAT(pen.outbox_stored(), ElementsAre(kLetGo));
  EXPECT_EQ(pen.link.outbox_size(), 0U);
}

TEST(LinkOutbox, KeepsAMessageUntilTheLinkIsThere) {
  Pen pen;
  EXPECT_THAT(pen.send(message("a")), ElementsAre(store(1, {message("a", 1)}), HoldAwake{}));
  EXPECT_THAT(pen.outbox_stored(), ElementsAre(kLetGo));
  pen.start();
  pen.resolved();
  pen.connected(1);
  const auto online = pen.heard(1, {our_connack()});
  EXPECT_THAT(online, testing::Contains(wrote(1, {reply("a", 1)})));
}

TEST(LinkOutbox, SendsAgainOnANewLineWhatWasNotAnswered) {
  Pen pen;
  pen.go_online();
  pen.send(message("a"));
  pen.outbox_stored();
  pen.failed(1, Why::kPeerClosed);
  pen.deadline();
  if (!pen.started) pen.resolved();
  pen.connected(pen.attempt);
  const auto online = pen.heard(pen.attempt, {our_connack()});
  EXPECT_THAT(online, testing::Contains(wrote(pen.attempt, {reply("a", 1, true)})));
}

TEST(LinkOutbox, SendsAgainAfterARestartWithTheSamePacketId) {
  Pen pen(config(), {}, {message("a", 7)});
  pen.start();
  pen.resolved();
  pen.connected(1);
  EXPECT_THAT(pen.heard(1, {our_connack()}), testing::Contains(wrote(1, {reply("a", 7, true)})));
  EXPECT_THAT(pen.send(message("b")), ElementsAre(store(1, {message("a", 7), message("b", 8)})));
}

TEST(LinkOutbox, KnowsAKeyThatWaits) {
  Pen pen;
  pen.send(message("a"));
  EXPECT_THAT(pen.send(message("a")), IsEmpty());
  EXPECT_EQ(pen.sent, 1U);  // with the first one's write
  pen.outbox_stored();
  EXPECT_THAT(pen.send(message("a")), IsEmpty());
  EXPECT_EQ(pen.sent, 0U);
  EXPECT_EQ(pen.link.outbox_size(), 1U);
}

TEST(LinkOutbox, WritesWhatCameDuringAWriteWithTheNext) {
  Pen pen;
  pen.send(message("a"));
  EXPECT_THAT(pen.send(message("b")), IsEmpty());
  EXPECT_EQ(pen.sent, 2U);
  EXPECT_THAT(pen.outbox_stored(), ElementsAre(store(2, {message("a", 1), message("b", 2)})));
}

TEST(LinkOutbox, RefusesTheNewestWhenItIsFull) {
  Pen pen;
  for (std::size_t i = 0; i < kOutboxMax; ++i) pen.send(message("k" + std::to_string(i)));
  EXPECT_THAT(pen.send(message("one more")), IsEmpty());
  EXPECT_EQ(pen.sent.error().code, ErrorCode::kBusy);
  EXPECT_EQ(pen.link.outbox_size(), kOutboxMax);
}

TEST(LinkOutbox, KeepsToTheServersWindowAndToItsOrder) {
  Pen pen;
  auto connack = our_connack();
  connack.properties.receive_maximum = 2;
  pen.go_online(connack);
  for (const char* key : {"a", "b", "c"}) {
    pen.send(message(key));
    pen.outbox_stored();
  }
  while (!pen.outbox_stored().empty()) {
  }
  EXPECT_THAT(pen.heard(1, {answer(1)}),
              ElementsAre(outcome(1, "a", SendResult::kSent), wrote(1, {reply("c", 3)})));
}

TEST(LinkOutbox, TellsWhatExpiredAndWhetherTheServerMayHaveIt) {
  Pen pen;
  pen.go_online();
  pen.send(message("a"));
  pen.outbox_stored();
  pen.now = kUntil;
  const auto expired = pen.deadline();
  EXPECT_THAT(expired, testing::Contains(outcome(1, "a", SendResult::kExpired, true)));
  // An answer that comes now is no fault of the server.
  pen.heard(1, {answer(1)});
  EXPECT_EQ(pen.link.state(), State::kReady);
  Pen offline;
  offline.send(message("a"));
  offline.outbox_stored();
  offline.now = kUntil;
  EXPECT_THAT(offline.deadline(),
              ElementsAre(outcome(1, "a", SendResult::kExpired, false), HoldAwake{}));
}

TEST(LinkOutbox, TellsWhatTheServerWillNeverTake) {
  Pen pen;
  pen.go_online();
  pen.send(message("a"));
  pen.outbox_stored();
  EXPECT_THAT(pen.heard(1, {answer(1, mqtt::Reason::kNotAuthorized)}),
              ElementsAre(outcome(1, "a", SendResult::kRefused, false, "0x87")));
  Pen small;
  auto connack = our_connack();
  connack.properties.maximum_packet_size = 40;
  small.go_online(connack);
  small.send(message("a"));
  EXPECT_THAT(small.outbox_stored(), ElementsAre(outcome(1, "a", SendResult::kRefused, false,
                                                         "over the server's maximum packet size")));
  Pen deaf;
  connack = our_connack();
  connack.properties.maximum_qos = 0;
  deaf.go_online(connack);
  deaf.send(message("a"));
  EXPECT_THAT(deaf.outbox_stored(), ElementsAre(outcome(1, "a", SendResult::kRefused, false,
                                                        "the server acknowledges nothing")));
}

TEST(LinkOutbox, WaitsWhereTheServerWantsNoneForNow) {
  Pen pen;
  pen.go_online();
  pen.send(message("a"));
  pen.outbox_stored();
  EXPECT_THAT(pen.heard(1, {answer(1, mqtt::Reason::kQuotaExceeded)}), ElementsAre(kLetGo));
  const Duration pause = pen.waits();
  EXPECT_GE(pause, seconds(7));
  EXPECT_LE(pause, seconds(15));
  EXPECT_THAT(pen.send(message("b")),
              ElementsAre(store(2, {message("a", 1), message("b", 2)}), kHold));
  EXPECT_THAT(pen.outbox_stored(), ElementsAre(kLetGo));
  EXPECT_THAT(pen.deadline(), ElementsAre(wrote(1, {reply("a", 1, true), reply("b", 2)}), kHold));
}

TEST(LinkOutbox, ASecondAnswerToOneMessageEndsTheLine) {
  Pen pen;
  pen.go_online();
  pen.send(message("a"));
  pen.outbox_stored();
  pen.heard(1, {answer(1)});
  EXPECT_THAT(pen.heard(1, {answer(1)}), testing::Contains(Action(Close{{1}})));
}

TEST(LinkOutbox, AnAnswerThatIsLateIsAskedForByProvingTheLine) {
  Pen pen;
  pen.go_online();
  pen.send(message("a"));
  pen.outbox_stored();
  EXPECT_THAT(pen.deadline(), ElementsAre(wrote(1, {mqtt::Pingreq{}})));
}

TEST(LinkOutbox, ADiskThatFailsIsTheSendersToKnowAndNothingGoesOut) {
  Pen pen;
  pen.go_online();
  pen.send(message("a"));
  EXPECT_THAT(pen.outbox_failed(), ElementsAre(kLetGo));
  EXPECT_EQ(pen.link.outbox_size(), 0U);
  // What a file of before may still hold is written over later.
  EXPECT_THAT(pen.deadline(), ElementsAre(store(2, {}), kHold));
  // The next message tries the disk at once.
  pen.outbox_failed();
  EXPECT_THAT(pen.send(message("b")), ElementsAre(store(3, {message("b", 2)}), kHold));
}

TEST(Missed, TellsNumbersThatTheServerPassedOver) {
  Pen pen;
  pen.go_online();
  EXPECT_THAT(pen.heard(1, {push(5, 1)}), ElementsAre(delivered(1, 5), kHold));  // nothing known
  EXPECT_THAT(pen.heard(1, {push(6, 2)}), ElementsAre(delivered(2, 6)));
  EXPECT_THAT(pen.heard(1, {push(9, 3)}), ElementsAre(Missed{7, 8, 2}, delivered(3, 9)));
}

TEST(Missed, KnowsOverARestartWhatCameBefore) {
  Memory memory;
  memory.epoch = kEpoch;
  memory.accepted_high = 9;
  memory.unaccepted = {4, 6};  // the run before had them and died
  Pen pen(config(), memory);
  pen.go_online();
  EXPECT_THAT(pen.heard(1, {push(6, 1)}), ElementsAre(Missed{4, 4, 1}, delivered(1, 6), kHold));
  EXPECT_THAT(pen.heard(1, {push(12, 2)}), ElementsAre(Missed{10, 11, 2}, delivered(2, 12)));
}

TEST(Missed, SaysNothingOfAnotherStoresNumbers) {
  Memory memory;
  memory.epoch = kEpoch + 1;
  memory.accepted_high = 9;
  Pen pen(config(), memory);
  pen.go_online();
  EXPECT_THAT(pen.heard(1, {push(40, 1)}), ElementsAre(delivered(1, 40), kHold));
}

TEST(OutboxText, ComesBackAsItWasWritten) {
  Message longest = message(std::string(64, 'k'), std::numeric_limits<std::uint64_t>::max());
  longest.topic = std::string(kOutboxWordMax, 't');
  longest.content_type = std::string(kOutboxWordMax, 'c');
  longest.correlation = base::Bytes(kOutboxWordMax, 0xFF);
  longest.body = base::Bytes(4'096, 0);
  longest.until = base::kNever;
  std::vector<Message> full(kOutboxMax, longest);
  for (std::size_t i = 0; i < full.size(); ++i) full[i].number -= full.size() - i;
  Message bare{.number = 1, .key = "k", .topic = "t"};
  for (const auto& messages :
       {std::vector<Message>{}, {bare}, {message("a", 3), message("b", 9)}, full}) {
    const FileTime written = at("boot-1", hours(5), hours(500'000));
    const std::string text = encode(messages, written);
    EXPECT_LE(text.size(), kOutboxTextMax);
    const auto back = decode_outbox(text, written);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, (OutboxFile{messages, written}));
  }
}

/// For how long a message still lives that had two hours when it was written.
Duration left(const FileTime& written, const FileTime& read) {
  Message m = message("a", 1);
  m.until = written.now + hours(2);
  const auto file = decode_outbox(encode({m}, written), read);
  WL_CHECK(file && file->messages.size() == 1);
  return file->messages.front().until - read.now;
}

TEST(OutboxTime, OfOneBootIsExactWhateverTheWallClockDoes) {
  const FileTime written = at("boot-1", hours(5), hours(1'000));
  for (const Duration wall :
       {Duration{}, Duration(hours(1)), Duration(hours(1'000)), Duration(hours(500'000))})
    EXPECT_EQ(left(written, at("boot-1", hours(5) + minutes(30), wall)), minutes(90));
}

TEST(OutboxTime, OverARestartOfTheMachineIsThatOfTheWallClock) {
  const FileTime written = at("boot-1", hours(5), hours(1'000));
  EXPECT_EQ(left(written, at("boot-2", minutes(1), hours(1'001))), hours(1));
  EXPECT_EQ(left(written, at("boot-2", minutes(1), hours(1'002))), Duration{});
  EXPECT_LE(left(written, at("boot-2", minutes(1), hours(500'000))), Duration{});
  // Later in its life this boot is all that is known at least.
  EXPECT_EQ(left(written, at("boot-2", minutes(90), hours(1'001))), minutes(30));
}

TEST(OutboxTime, OfAWallClockThatWentBackIsWhatTheMachineHasBeenOn) {
  const FileTime written = at("boot-1", hours(5), hours(1'000));
  EXPECT_EQ(left(written, at("boot-2", minutes(1), hours(10))), hours(2) - minutes(1));
  EXPECT_EQ(left(written, at("boot-2", minutes(1), {})), hours(2) - minutes(1));
  // Nor is one that stood wrong when it was written.
  EXPECT_EQ(left(at("boot-1", hours(5), {}), at("boot-2", minutes(1), hours(1'000))),
            hours(2) - minutes(1));
}

TEST(OutboxTime, WithoutTheNameOfABootIsThatOfTheWallClockAlone) {
  const FileTime written = at("", hours(5), hours(1'000));
  EXPECT_EQ(left(written, at("", hours(9), hours(1'001))), hours(1));
  EXPECT_EQ(left(written, at("boot-2", hours(9), hours(1'001))), hours(1));
  EXPECT_EQ(left(written, at("", hours(9), hours(1))), hours(2));
  // A boot clock that went back is another machine's, whatever the name says.
  EXPECT_EQ(left(at("boot-1", hours(5), hours(1'000)), at("boot-1", minutes(1), hours(1'001))),
            hours(1));
}

TEST(OutboxTime, OfAFileOfTheVersionBeforeIsThatOfTheWallClock) {
  const std::string head = "wakeline-outbox 1\nmessages 1\n";
  const auto body = [&](Duration until) {
    std::string text = head + fmt::format("message 1 {} =YQ =dA = = =\n", until.count());
    return text + fmt::format("checksum {:016x}\n", fnv(text));
  };
  const auto file = decode_outbox(body(hours(1'002)), at("boot-1", hours(5), hours(1'000)));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->messages.front().until, Instant(hours(7)));
  EXPECT_EQ(file->written, FileTime{});
}

TEST(OutboxTime, ThatIsOutOfAllRangeIsRefused) {
  const auto file = [](const std::string& written) {
    const std::string text = "wakeline-outbox 2\nwritten " + written + "\nmessages 0\n";
    return decode_outbox(text + fmt::format("checksum {:016x}\n", fnv(text)), FileTime{});
  };
  EXPECT_TRUE(file("=b 1 1"));
  EXPECT_TRUE(file("= 0 0"));
  for (const char* wrong : {"b 1 1", "=b 1", "=b 1 1 1", "=b -1 1", "=b 1 -1",
                            "=b 9223372036854775807 1", "=b 1 9223372036854775807", ""})
    EXPECT_FALSE(file(wrong)) << wrong;
  EXPECT_FALSE(file('=' + std::string(65, 'b') + " 1 1"));
}

TEST(OutboxText, IsRefusedWhereAByteIsAnotherOrMissing) {
  const FileTime now = at("boot-1", hours(5), hours(1'000));
  const std::string text = encode({message("a", 3), message("b", 9)}, now);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(decode_outbox(text.substr(0, i), now)) << i;
    std::string other = text;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_FALSE(decode_outbox(other, now)) << i;
  }
  EXPECT_EQ(decode_outbox("wakeline-outbox 3\n", now).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(decode_outbox(std::string(kOutboxTextMax + 1, 'x'), now).error().code,
            ErrorCode::kTooLarge);
}

TEST(OutboxMessage, IsCheckedFieldByField) {
  EXPECT_TRUE(check(message("a")));
  const auto refused = [](auto change) {
    Message m = message("a");
    change(m);
    const auto checked = check(m);
    return checked ? std::string("fine") : std::string(checked.error().where);
  };
  EXPECT_EQ(refused([](Message& m) { m.key = ""; }), "message.key");
  EXPECT_EQ(refused([](Message& m) { m.key = "a b"; }), "message.key");
  EXPECT_EQ(refused([](Message& m) { m.key = std::string(65, 'k'); }), "message.key");
  EXPECT_EQ(refused([](Message& m) { m.topic = ""; }), "message.topic");
  EXPECT_EQ(refused([](Message& m) { m.topic = "a/#"; }), "message.topic");
  EXPECT_EQ(refused([](Message& m) { m.topic = std::string("a\0b", 3); }), "message.topic");
  EXPECT_EQ(refused([](Message& m) { m.content_type = "\xFF"; }), "message.content_type");
  EXPECT_EQ(refused([](Message& m) { m.correlation.resize(257); }), "message.correlation");
  EXPECT_EQ(refused([](Message& m) { m.body.resize(4'097); }), "message.body");
}

}  // namespace
}  // namespace wakeline::link::test
