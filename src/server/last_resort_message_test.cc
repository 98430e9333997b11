// SPDX-License-Identifier: Apache-2.0
#include "server/last_resort_message.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <boost/json.hpp>

#include "wire/push.h"

namespace wakeline::server {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr base::WallTime kSentAt{std::chrono::seconds(1'700'000'000)};
const store::Fallback kApns{.id = store::DeviceId{3},
                            .device = "door",
                            .kind = store::FallbackKind::kApns,
                            .address = "ab12",
                            .topic = "org.door"};

store::Push push_of(const wire::PushContent& content) {
  return {.sequence = 7,
          .body = *wire::encode(content),
          .urgency = static_cast<std::uint8_t>(wire::Urgency::kHigh),
          .expires = kSentAt + 60s};
}
bool has(const Http2Client::Request& request, const std::string& header) {
  return std::ranges::find(request.headers, header) != request.headers.end();
}

TEST(ApnsRequest, SaysWhatThePushSaysAndUntilWhen) {
  const FallbackOptions options;
  const auto request = apns_request(
      options, kApns, push_of({.title = "Ring", .body = "At the door", .data = "d"}), kSentAt, "T");
  EXPECT_EQ(request.url, "https://api.push.apple.com/3/device/ab12");
  for (const char* header :
       {"authorization: bearer T", "apns-topic: org.door", "apns-push-type: alert",
        "apns-priority: 10", "apns-expiration: 1700000060", "apns-collapse-id: wakeline-3-7"}) {
    EXPECT_TRUE(has(request, header)) << header;
  }
  EXPECT_EQ(json::parse(request.body),
            json::parse(R"({"aps":{"alert":{"title":"Ring","body":"At the door"},"sound":"default",
                            "mutable-content":1},"wakeline":{"sequence":7,"data":"d"}})"));
}

TEST(ApnsRequest, IsForAVoipAppOfItsOwnTopicAndType) {
  FallbackOptions options;
  options.apns_push_type = "voip";
  const auto request =
      apns_request(options, kApns, push_of({.title = "Ada", .body = {}, .data = {}}), kSentAt, "T");
  EXPECT_TRUE(has(request, "apns-topic: org.door.voip"));
  EXPECT_TRUE(has(request, "apns-push-type: voip"));
  EXPECT_EQ(json::parse(request.body).at("wakeline").at("title").as_string(), "Ada");
}

TEST(ApnsRequest, NeverShowsWhatIsEncryptedAndNeverIsTooLarge) {
  store::Push encrypted = push_of({.title = "x", .body = {}, .data = {}});
  encrypted.body.assign(4'096, 0xA5);
  encrypted.encoding = static_cast<std::uint8_t>(wire::BodyEncoding::kAes128gcm);
  const FallbackOptions options;
  const auto hidden = apns_request(options, kApns, encrypted, kSentAt, "T");
  EXPECT_EQ(json::parse(hidden.body).at("aps").at("alert").at("title").as_string(), "New message");
  for (const std::string& text :
       {std::string(3'900, 'x'), std::string(600, '\x01'), std::string(1'900, '"')}) {
    const auto large = apns_request(options, kApns,
                                    push_of({.title = {}, .body = text, .data = {}}), kSentAt, "T");
    EXPECT_LE(large.body.size(), 4'096U);
    boost::json::error_code error;
    boost::json::parse(large.body, error);
    EXPECT_FALSE(error);
  }
}

TEST(ApnsSigner, MakesATokenAnewBeforeItIsAnHourOld) {
  ApnsSigner signer(make_p256_key(), "KID", "TEAM");
  const std::string first = signer.token(kSentAt);
  EXPECT_EQ(signer.token(kSentAt + 44min), first);
  EXPECT_NE(signer.token(kSentAt + 45min), first);
  const std::string header = first.substr(0, first.find('.'));
  EXPECT_EQ(base::as_text(*base::from_base64url(header)), R"({"alg":"ES256","kid":"KID"})");
  EXPECT_FALSE(ApnsSigner(nullptr, "", "").usable());
}

TEST(WebPushRequest, PassesAnEncryptedBodyOnAndNothingElse) {
  const store::Fallback there{.id = store::DeviceId{3},
                              .device = "door",
                              .kind = store::FallbackKind::kWebPush,
                              .address = "https://push.example:8443/wp/x"};
  store::Push push = push_of({.title = "secret", .body = {}, .data = {}});
  const auto empty = web_push_request(there, push, kSentAt, "vapid t=a, k=b");
  EXPECT_TRUE(empty.body.empty());
  EXPECT_TRUE(has(empty, "ttl: 60") && has(empty, "urgency: high"));
  push.encoding = static_cast<std::uint8_t>(wire::BodyEncoding::kAes128gcm);
  push.body = {1, 0, 2};
  const auto whole = web_push_request(there, push, kSentAt, "vapid t=a, k=b");
  EXPECT_EQ(whole.body, std::string("\1\0\2", 3));
  EXPECT_TRUE(has(whole, "content-encoding: aes128gcm"));
  EXPECT_TRUE(VapidSigner().authorization(there.address, kSentAt).starts_with("vapid t="));
}

TEST(VerdictOf, AnAnswerOfEitherService) {
  for (const auto kind : {store::FallbackKind::kApns, store::FallbackKind::kWebPush}) {
    const auto verdict = [kind](unsigned status) {
      return verdict_of({.status = status, .body = {}}, kind);
    };
    for (const unsigned status : {200U, 201U}) EXPECT_EQ(verdict(status), Verdict::kSent);
    EXPECT_EQ(verdict(410), Verdict::kAddressGone);
    for (const unsigned status : {400U, 413U}) EXPECT_EQ(verdict(status), Verdict::kRefused);
    for (const unsigned status : {401U, 403U}) EXPECT_EQ(verdict(status), Verdict::kWrongSetup);
    for (const unsigned status : {429U, 500U, 503U}) EXPECT_EQ(verdict(status), Verdict::kTryAgain);
  }
}

TEST(VerdictOf, WhatOurOwnSetupMayBringAboutForAllDevices) {
  const auto verdict = [](unsigned status, std::string reason, store::FallbackKind kind) {
    return verdict_of({.status = status, .body = R"({"reason":")" + reason + "\"}"}, kind);
  };
  const auto apns = store::FallbackKind::kApns;
  EXPECT_EQ(verdict(404, "BadPath", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(405, "MethodNotAllowed", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(301, "", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(400, "BadDeviceToken", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(400, "DeviceTokenNotForTopic", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(400, "BadTopic", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(400, "MissingTopic", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(400, "TopicDisallowed", apns), Verdict::kWrongSetup);
  EXPECT_EQ(verdict(400, "BadMessageId", apns), Verdict::kRefused);
  EXPECT_EQ(verdict(410, "Unregistered", apns), Verdict::kAddressGone);
  EXPECT_EQ(verdict(404, "", store::FallbackKind::kWebPush), Verdict::kAddressGone);
  EXPECT_EQ(verdict(405, "", store::FallbackKind::kWebPush), Verdict::kRefused);
}

TEST(ReasonOf, IsOneWordOrNothing) {
  const auto reason = [](std::string body) {
    return reason_of({.status = 400, .body = std::move(body)});
  };
  EXPECT_EQ(reason(R"({"reason":"BadTopic"})"), "BadTopic");
  EXPECT_EQ(reason(R"({"reason":"ab12cd"})"), "");
  EXPECT_EQ(reason(R"({"reason":7})"), "");
  EXPECT_EQ(reason("[]"), "");
  EXPECT_EQ(reason("Cannot POST /3/device/ab12cd"), "");
  EXPECT_EQ(reason(R"({"reason":")" + std::string(65, 'x') + "\"}"), "");
}

}  // namespace
}  // namespace wakeline::server
