// SPDX-License-Identifier: Apache-2.0
#include "wire/host_message.h"

#include <gtest/gtest.h>

#include <limits>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

namespace wakeline::wire::host {

void PrintTo(const MessageError& error, std::ostream* out) {
  *out << base::name(error.code) << " " << error.field << ": " << error.message << " (request "
       << error.request << ")";
}

namespace {

using base::ErrorCode;

struct Example {
  Message message;
  const char* datagram;
};

Notification call() {
  Notification notification;
  notification.title = "Ada calls";
  notification.urgency = Urgency::kCritical;
  notification.actions = {{"answer", "Answer"}};
  return notification;
}

Welcome welcome() {
  Welcome message;
  message.request = 1;
  message.app = "doorbell";
  message.profile = "linux";
  message.launch_reason = LaunchReason::kCrash;
  message.wake_window_ms = 10'000;
  message.keep_alive_min_s = 600;
  message.task_pool_ms = 180'000;
  return message;
}

AppList one_app() {
  AppInfo info;
  info.app = "doorbell";
  info.name = "Door \"bell\"";
  info.state = AppState::kSuspended;
  info.pid = 42;
  return {3, {info}, true};
}

LedgerLine wake_line() {
  LedgerLine line;
  line.id = 9;
  line.wall_ns = 1'700'000'000'000'000'000;
  line.app = "doorbell";
  line.event = "wake";
  line.reason = "socket_data";
  line.latency_ns = 80'000;
  line.cpu_us = 1'234;
  return line;
}

// One of each type, in the order of the variant.
std::vector<Example> examples() {
  return {
      {Hello{1, kProtocolVersion, "control"},
       R"({"v":1,"type":"hello","request":1,"role":"control"})"},
      {Tag{2, 7}, R"({"v":1,"type":"tag","request":2,"fd":7})"},
      {Untag{3, 1}, R"({"v":1,"type":"untag","request":3,"tag":1})"},
      {QueryTag{4, 1}, R"({"v":1,"type":"query_tag","request":4,"tag":1})"},
      {BeginTask{5, "ping"}, R"({"v":1,"type":"begin_task","request":5,"name":"ping"})"},
      {EndTask{6, 2}, R"({"v":1,"type":"end_task","request":6,"task":2})"},
      {QueryTime{6}, R"({"v":1,"type":"query_time","request":6})"},
      {SetKeepAlive{7, 600}, R"({"v":1,"type":"set_keep_alive","request":7,"timeout_s":600})"},
      {KeepAliveDone{8}, R"({"v":1,"type":"keep_alive_done","request":8})"},
      {SetAudioSession{9, true}, R"({"v":1,"type":"set_audio_session","request":9,"active":true})"},
      {RequestWake{9, 60'000, 120'000},
       R"({"v":1,"type":"request_wake","request":9,"earliest_ms":60000,"latest_ms":120000})"},
      {CancelWake{9, 5}, R"({"v":1,"type":"cancel_wake","request":9,"wake":5})"},
      {Notify{9, call()},
       R"({"v":1,"type":"notify","request":9,"notification":{"title":"Ada calls",)"
       R"("urgency":"critical","actions":[{"id":"answer","label":"Answer"}]}})"},
      {Control{10, Command::kForeground, "doorbell"},
       R"({"v":1,"type":"control","request":10,"command":"foreground","app":"doorbell"})"},
      {List{11}, R"({"v":1,"type":"list","request":11})"},
      {Follow{12, 20}, R"({"v":1,"type":"follow","request":12,"backlog":20})"},
      {Run{13, true}, R"({"v":1,"type":"run","request":13,"background":true})"},
      {Await{14, "phone"}, R"({"v":1,"type":"await","request":14,"app":"phone"})"},
      {Signal{15, "phone", SignalWord::kInterrupt},
       R"({"v":1,"type":"signal","request":15,"app":"phone","signal":"interrupt"})"},
      {Reload{16}, R"({"v":1,"type":"reload","request":16})"},
      {welcome(), R"({"v":1,"type":"welcome","request":1,"app":"doorbell","profile":"linux",)"
                  R"("launch_reason":"crash","state":"background","wake_window_ms":10000,)"
                  R"("keep_alive_min_s":600,"task_pool_ms":180000})"},
      {Reply{2, ErrorCode::kNotTcp, "tag a TCP socket", 0},
       R"({"v":1,"type":"reply","request":2,"error":"not_tcp","message":"tag a TCP socket"})"},
      {StateChanged{AppState::kForeground},
       R"({"v":1,"type":"state_changed","state":"foreground"})"},
      {Woken{WakeCause::kSocketData, 1, 10'000},
       R"({"v":1,"type":"woken","cause":"socket_data","tag":1,"window_ms":10000})"},
      {RunKeepAlive{10'000}, R"({"v":1,"type":"run_keep_alive","budget_ms":10000})"},
      {ExpireTask{2, 5'000}, R"({"v":1,"type":"expire_task","task":2,"left_ms":5000})"},
      {WakeDue{5}, R"({"v":1,"type":"wake_due","wake":5})"},
      {CallStateChanged{CallState::kActive},
       R"({"v":1,"type":"call_state_changed","state":"active"})"},
      {NetworkChanged{{{"wlan0", "192.0.2.7"}}, {{"wlan0", "192.0.2.1"}}, "wifi", true},
       R"({"v":1,"type":"network_changed","addresses":[{"interface":"wlan0",)"
       R"("address":"192.0.2.7"}],"routes":[{"interface":"wlan0","gateway":"192.0.2.1"}],)"
       R"("kind":"wifi","metered":true})"},
      {NotificationActivated{3, "answer", "call 7", "focus"},
       R"({"v":1,"type":"notification_activated","notification":3,"action":"answer",)"
       R"("payload":"call 7","activation_token":"focus"})"},
      {one_app(),
       R"({"v":1,"type":"app_list","request":3,"apps":[{"app":"doorbell","name":"Door \"bell\"",)"
       R"("state":"suspended","pid":42}],"more":true})"},
      {wake_line(),
       R"({"v":1,"type":"ledger_line","id":9,"wall_ns":1700000000000000000,"app":"doorbell",)"
       R"("event":"wake","reason":"socket_data","latency_ns":80000,"cpu_us":1234})"},
      {Ended{13, true, true, 9},
       R"({"v":1,"type":"ended","request":13,"known":true,"signaled":true,"code":9})"},
  };
}

TEST(HostMessage, WritesEachTypeAsDocumented) {
  std::size_t type = 0;
  for (const Example& example : examples()) {
    EXPECT_EQ(example.message.index(), type++);
    EXPECT_EQ(encode(example.message), std::string(example.datagram));
  }
  EXPECT_EQ(type, std::variant_size_v<Message>);
}

TEST(HostMessage, ReadsEachTypeAsDocumented) {
  for (const Example& example : examples()) {
    SCOPED_TRACE(example.datagram);
    const auto message = decode(example.datagram);
    ASSERT_TRUE(message) << testing::PrintToString(message.error());
    EXPECT_EQ(*message, example.message);
  }
}

TEST(HostMessage, ReadsWhatANewerPeerAdds) {
  const auto message =
      decode(R"({"v":1,"type":"list","request":11,"new":{"deep":[[1]]},"other":null})");
  ASSERT_TRUE(message) << testing::PrintToString(message.error());
  EXPECT_EQ(*message, Message(List{11}));
}

TEST(HostMessage, TakesTheLastOfANameThatComesTwice) {
  EXPECT_EQ(*decode(R"({"v":1,"type":"list","request":1,"request":2})"), Message(List{2}));
}

TEST(HostMessage, RefusesEachFaultAndNamesTheField) {
  struct Case {
    const char* datagram;
    MessageError error;
  };
  const auto malformed = ErrorCode::kMalformed;
  const Case cases[] = {
      {"", {malformed, "", "is not JSON: incomplete JSON", 0}},
      {"{", {malformed, "", "is not JSON: incomplete JSON", 0}},
      {"[]", {malformed, "", "must be a JSON object", 0}},
      {"{} {}", {malformed, "", "is not JSON: extra data", 0}},
      {"{\"v\":\"\xff\"}", {malformed, "", "is not JSON: syntax error", 0}},
      {R"({"a":[[[[[[[[[1]]]]]]]]]})", {malformed, "", "is nested deeper than 8 levels", 0}},
      {R"({})", {malformed, "v", "is missing", 0}},
      {R"({"v":"1","request":5})", {malformed, "v", "must be a number", 5}},
      {R"({"v":2,"type":"hello","request":5})",
       {ErrorCode::kUnsupported, "v", "only version 1 is spoken here", 5}},
      {R"({"v":1,"request":5})", {malformed, "type", "is missing", 5}},
      {R"({"v":1,"type":7,"request":5})", {malformed, "type", "must be a text", 5}},
      {R"({"v":1,"type":"ta\ng","request":5})",
       {ErrorCode::kUnsupported, "type", "'ta?g' is not a message of this version", 5}},
      {R"({"v":1,"type":"list"})", {malformed, "request", "is missing", 0}},
      {R"({"v":1,"type":"list","request":0})",
       {malformed, "request", "must be a whole number from 1 to 4294967295", 0}},
      {R"({"v":1,"type":"list","request":4294967296})",
       {malformed, "request", "must be a whole number from 1 to 4294967295", 0}},
      {R"({"v":1,"type":"list","request":1.0})",
       {malformed, "request", "must be a whole number from 1 to 4294967295", 0}},
      {R"({"v":1,"type":"list","request":"1"})",
       {malformed, "request", "must be a whole number from 1 to 4294967295", 0}},
      {R"({"v":1,"type":"tag","request":5,"fd":-1})",
       {malformed, "fd", "must be a whole number from 0 to 2147483647", 5}},
      {R"({"v":1,"type":"untag","request":5,"tag":18446744073709551616})",
       {malformed, "tag", "must be a whole number from 0 to 18446744073709551615", 5}},
      {R"({"v":1,"type":"hello","request":5,"role":"root"})",
       {malformed, "role", "must be 'app' or 'control'", 5}},
      {R"({"v":1,"type":"hello","request":5,"role":null})",
       {malformed, "role", "must be a text", 5}},
      {R"({"v":1,"type":"follow","request":5,"backlog":1001})",
       {malformed, "backlog", "must be a whole number from 0 to 1000", 5}},
      {R"({"v":1,"type":"control","request":5,"command":"kill","app":"a"})",
       {malformed, "command", "must be one of: launch, foreground, background, close", 5}},
      {R"({"v":1,"type":"control","request":5,"command":"launch","app":""})",
       {malformed, "app", "must not be empty", 5}},
      {R"({"v":1,"type":"control","request":5,"command":"launch","app":"a\u0000b"})",
       {malformed, "app", "must not hold U+0000", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":[]})",
       {malformed, "notification", "must be an object", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":{"body":"b"}})",
       {malformed, "notification.title", "is missing", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":{"title":"t","urgency":3}})",
       {malformed, "notification.urgency", "must be one of: low, normal, critical", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":{"title":"t","actions":{}}})",
       {malformed, "notification.actions", "must be a list", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":{"title":"t","actions":[7]}})",
       {malformed, "notification.actions[0]", "must be an object", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":)"
       R"({"title":"t","actions":[{"id":"a","label":"A"},{"id":"b"}]}})",
       {malformed, "notification.actions[1].label", "is missing", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":)"
       R"({"title":"t","actions":[{},{},{},{},{}]}})",
       {ErrorCode::kTooLarge, "notification.actions", "must have at most 4 entries", 5}},
      {R"({"v":1,"type":"notify","request":5,"notification":)"
       R"({"title":"t","actions":[{"id":"default","label":"A"}]}})",
       {malformed, "notification.actions[0].id", "must not be 'default'", 5}},
      {R"({"v":1,"type":"app_list","request":5,"apps":[],"more":1})",
       {malformed, "more", "must be true or false", 5}},
      {R"({"v":1,"type":"state_changed","state":"suspended"})",
       {malformed, "state", "must be one of: foreground, background", 0}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.datagram);
    const auto message = decode(one.datagram);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error(), one.error);
  }
}

TEST(HostMessage, RefusesATextOverItsLimit) {
  const auto begin_task = [](std::size_t size) {
    return R"({"v":1,"type":"begin_task","request":5,"name":")" + std::string(size, 'x') + "\"}";
  };
  EXPECT_TRUE(decode(begin_task(kNameMax)));
  EXPECT_EQ(decode(begin_task(kNameMax + 1)).error(),
            (MessageError{ErrorCode::kTooLarge, "name", "must be at most 64 bytes", 5}));
}

TEST(HostMessage, RefusesADatagramOverItsLimitUnread) {
  std::string datagram = R"({"v":1,"type":"list","request":1})";
  datagram.append(kMessageMax - datagram.size(), ' ');
  EXPECT_TRUE(decode(datagram));
  datagram += ' ';
  EXPECT_EQ(decode(datagram).error(),
            (MessageError{ErrorCode::kTooLarge, "", "must be at most 32768 bytes", 0}));
}

TEST(HostMessage, WritesNoValueThatItWouldNotRead) {
  EXPECT_EQ(encode(List{0}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(Tag{1, -1}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(Hello{1, 1, "root"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(BeginTask{1, "\xff"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(StateChanged{AppState::kStopped}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(BeginTask{1, std::string(kNameMax + 1, 'x')}).error().code,
            ErrorCode::kTooLarge);
  EXPECT_EQ(encode(AppList{1, std::vector<AppInfo>(kAppsMax + 1), false}).error().code,
            ErrorCode::kTooLarge);
}

// A byte that JSON writes as six: U+0001.
std::string longest(std::size_t size) { return std::string(size, '\x01'); }

TEST(HostMessage, HoldsTheLongestOfEachTypeWithinADatagram) {
  Notification notification;
  notification.title = longest(kTitleMax);
  notification.body = longest(kBodyMax);
  notification.category = notification.tag = longest(kNameMax);
  notification.sound = longest(kSoundMax);
  notification.payload = longest(kPayloadMax);
  notification.urgency = Urgency::kCritical;
  notification.actions.assign(kActionsMax, {longest(kNameMax), longest(kNameMax)});

  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  constexpr auto kMost32 = std::numeric_limits<std::uint32_t>::max();
  constexpr auto kMost63 = std::numeric_limits<std::int64_t>::max();
  const AppInfo info{longest(kNameMax),
                     longest(kNameMax),
                     AppState::kBackground,
                     kMost63,
                     kMost32,
                     kMost,
                     kMost,
                     kMost32,
                     kMost32,
                     kMost,
                     kMost,
                     kMost,
                     kMost63,
                     kMost,
                     ErrorCode::kInvalidArgument};
  const Message messages[] = {
      Notify{kMost32, notification},
      AppList{kMost32, std::vector<AppInfo>(kAppsMax, info), true},
      NotificationActivated{kMost, longest(kNameMax), longest(kPayloadMax), longest(kTokenMax)},
      LedgerLine{kMost, kMost63, longest(kNameMax), longest(kNameMax), longest(kNameMax),
                 longest(kDetailMax), kMost63, kMost, longest(kNameMax), kMost, kMost},
      Reply{kMost32, ErrorCode::kInvalidArgument, longest(kDetailMax), kMost},
  };
  for (const Message& message : messages) {
    const auto datagram = encode(message);
    ASSERT_TRUE(datagram) << message.index();
    const auto again = decode(*datagram);
    ASSERT_TRUE(again) << testing::PrintToString(again.error());
    EXPECT_EQ(*again, message);
  }
}

TEST(HostMessage, WritesTheVersionOfAHello) {
  EXPECT_EQ(encode(Hello{1, 2, "app"}), R"({"v":2,"type":"hello","request":1,"role":"app"})");
}

}  // namespace
}  // namespace wakeline::wire::host
