// SPDX-License-Identifier: Apache-2.0
#include "server/last_resort_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include <boost/json.hpp>

#include "wire/push.h"

namespace wakeline::server {

namespace json = boost::json;
namespace {

/// The vendor refuses a token of over an hour, and one that is made anew within twenty minutes.
constexpr base::Duration kTokenAge = std::chrono::minutes(45);
/// The largest payload, in bytes: of an ordinary push, and of a VoIP push.
constexpr std::size_t kPayloadMax = 4'096;
constexpr std::size_t kVoipPayloadMax = 5'120;
constexpr base::Duration kVapidLife = std::chrono::hours(12);

std::int64_t seconds_of(base::WallTime at) {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

std::int64_t left_s(const store::Push& push, base::WallTime now) {
  return std::max<std::int64_t>(
      0, std::chrono::floor<std::chrono::seconds>(push.expires - now).count());
}

/// `text` cut to at most `most` bytes, between two characters.
std::string cut(const std::string& text, std::size_t most) {
  std::size_t size = std::min(text.size(), most);
  while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  return text.substr(0, size);
}

/// {"aps":{…},"wakeline":{"sequence":7}}; the app fetches what does not fit when it runs.
std::string apns_body(const FallbackOptions& options, const store::Push& push) {
  const bool alert = options.apns_push_type == "alert";
  wire::PushContent content;
  if (push.encoding == static_cast<std::uint8_t>(wire::BodyEncoding::kContent)) {
    if (auto read = wire::decode_push_content(push.body)) content = std::move(*read);
  }
  const std::size_t most = options.apns_push_type == "voip" ? kVoipPayloadMax : kPayloadMax;
  const auto build = [&](std::size_t text_max, bool with_data) {
    json::object aps;
    if (alert) {
      json::object shown{{"title", cut(content.title, text_max)},
                         {"body", cut(content.body, text_max)}};
      if (content.title.empty() && content.body.empty()) shown = {{"title", "New message"}};
      aps = {{"alert", shown}, {"sound", "default"}, {"mutable-content", 1}};
    } else {
      aps = {{"content-available", 1}};
    }
    json::object ours{{"sequence", push.sequence}};
    if (with_data && !content.data.empty()) ours["data"] = content.data;
    if (!alert && !content.title.empty()) ours["title"] = cut(content.title, text_max);
    return json::serialize(json::object{{"aps", aps}, {"wakeline", ours}});
  };
  std::string body = build(kPayloadMax, true);
  if (body.size() > most) body = build(kPayloadMax, false);
  // Every byte of a text may become six in JSON.
  if (body.size() > most) body = build(256, false);
  return body;
}

}  // namespace

const std::string& ApnsSigner::token(base::WallTime now) {
  const bool fresh = !token_.empty() && now >= made_ && now - made_ < kTokenAge;
  if (fresh) return token_;
  made_ = now;
  token_ = make_jwt(key_, json::serialize(json::object{{"alg", "ES256"}, {"kid", key_id_}}),
                    json::serialize(json::object{{"iss", team_id_}, {"iat", seconds_of(now)}}));
  return token_;
}

std::string VapidSigner::authorization(const std::string& endpoint, base::WallTime now) const {
  const json::object claims{{"aud", origin_of_url(endpoint)},
                            {"exp", seconds_of(now + kVapidLife)}};
  return fmt::format("vapid t={}, k={}",
                     make_jwt(key_, R"({"typ":"JWT","alg":"ES256"})", json::serialize(claims)),
                     base::to_base64url(public_point(key_)));
}

Http2Client::Request apns_request(const FallbackOptions& options, const store::Fallback& fallback,
                                  const store::Push& push, base::WallTime now,
                                  const std::string& token) {
  const bool voip = options.apns_push_type == "voip";
  const bool high = push.urgency >= static_cast<std::uint8_t>(wire::Urgency::kNormal);
  Http2Client::Request request{
      .url = options.apns_url + "/3/device/" + fallback.address,
      .headers = {"authorization: bearer " + token,
                  "apns-topic: " + fallback.topic + (voip ? ".voip" : ""),
                  "apns-push-type: " + options.apns_push_type,
                  // A background push of priority 10 is refused.
                  fmt::format("apns-priority: {}",
                              high && options.apns_push_type != "background" ? 10 : 5),
                  fmt::format("apns-expiration: {}", seconds_of(push.expires)),
                  // A push that is sent again replaces itself on the screen.
                  fmt::format("apns-collapse-id: wakeline-{}-{}", fallback.id.value, push.sequence),
                  "content-type: application/json"},
      .body = apns_body(options, push)};
  if (left_s(push, now) == 0) request.headers.at(4) = "apns-expiration: 0";
  return request;
}

Http2Client::Request web_push_request(const store::Fallback& fallback, const store::Push& push,
                                      base::WallTime now, const std::string& authorization) {
  Http2Client::Request request{
      .url = fallback.address,
      .headers = {fmt::format("ttl: {}", left_s(push, now)),
                  fmt::format("urgency: {}", wire::name(static_cast<wire::Urgency>(push.urgency))),
                  "authorization: " + authorization}};
  if (push.encoding == static_cast<std::uint8_t>(wire::BodyEncoding::kAes128gcm)) {
    request.headers.emplace_back("content-encoding: aes128gcm");
    request.headers.emplace_back("content-type: application/octet-stream");
    request.body = base::as_text(push.body);
  }
  return request;
}

std::string reason_of(const Http2Client::Answer& answer) {
  constexpr std::size_t kLongest = 64;
  json::error_code error;
  const json::value body = json::parse(answer.body, error);
  const json::object* object = error ? nullptr : body.if_object();
  const json::value* reason = object == nullptr ? nullptr : object->if_contains("reason");
  if (reason == nullptr || !reason->is_string()) return {};
  const std::string word(reason->as_string());
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  return word.size() <= kLongest && std::ranges::all_of(word, is_letter) ? word : std::string();
}

Verdict verdict_of(const Http2Client::Answer& answer, store::FallbackKind kind) {
  const unsigned status = answer.status;
  if (status >= 200 && status < 300) return Verdict::kSent;
  if (status == 410) return Verdict::kAddressGone;
  // A token of ours that it does not take yet or any more is a matter of configuration or of time.
  if (status == 401 || status == 403) return Verdict::kWrongSetup;
  if (status == 429 || status >= 500) return Verdict::kTryAgain;
  if (kind == store::FallbackKind::kWebPush)  // RFC 8030 §7.3: the subscription has expired
    return status == 404 ? Verdict::kAddressGone : Verdict::kRefused;
  // Nothing is at our path; or the device's token is of the other environment, or of another app
  // than its topic or our key: a token that was good and is no more gets 410. No push is to blame.
  constexpr std::string_view kOfEveryPush[] = {
      "BadDeviceToken", "BadTopic", "DeviceTokenNotForTopic", "MissingTopic", "TopicDisallowed"};
  const bool of_every_push =
      status == 400 && std::ranges::find(kOfEveryPush, reason_of(answer)) != std::end(kOfEveryPush);
  if (status < 400 || status == 404 || status == 405 || of_every_push) return Verdict::kWrongSetup;
  return Verdict::kRefused;
}

}  // namespace wakeline::server
