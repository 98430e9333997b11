// SPDX-License-Identifier: Apache-2.0
#include "server/device_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "io/clock.h"
#include "server/es256.h"
#include "server/http2_client.h"
#include "server/http_reply.h"
#include "server/json_body.h"
#include "server/tokens.h"
#include "server/web_push_api.h"
#include "wire/push.h"

namespace wakeline::server {

using base::ErrorCode;
namespace json = boost::json;

namespace {

constexpr std::string_view kSubscriptions = "/v1/subscriptions";
constexpr std::size_t kVapidKeyMax = 100;   ///< base64url of 65 bytes, and some room
constexpr std::size_t kApnsTokenMax = 200;  ///< hex; the vendor's are 64 today, and may grow
constexpr std::size_t kApnsTopicMax = 255;
constexpr std::size_t kUrlMax = 2'048;

/// The store's answer to a change. `what`: the field that names what is not there.
HttpResponse change_refused(base::Error error, std::string_view what) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return failure_reply(404, error.code, "there is none of this name", what);
    case ErrorCode::kTooLarge:
      return failure_reply(409, error.code, "there are too many already", what);
    case ErrorCode::kStorageFull:
      return failure_reply(507, error.code, base::describe(error.code));
    default:
      base::log(base::LogLevel::kError, "http", "{}", base::to_string(error));
      return unavailable_reply(error);
  }
}

bool is_hex(std::string_view text) {
  return !text.empty() && text.size() % 2 == 0 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool is_topic(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

bool is_https(const std::string& url) {
  return url.starts_with("https://") && !authority_of_url(url).empty() &&
         std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7F; });
}

/// The id below /v1/subscriptions/; 0: none.
std::uint64_t id_of(const HttpRequest& request) {
  const std::string_view path = request.path();
  if (path.size() <= kSubscriptions.size() + 1) return 0;
  const std::string_view digits = path.substr(kSubscriptions.size() + 1);
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  return error == std::errc() && end == digits.data() + digits.size() ? id : 0;
}

}  // namespace

std::expected<DeviceApi::Caller, HttpResponse> DeviceApi::caller(const HttpRequest& request,
                                                                 const std::string& named) {
  constexpr std::string_view kBasic = "basic ";
  if (same_word(request.field("authorization").substr(0, kBasic.size()), kBasic)) {
    auto device = parts_.authorizer.device(request);
    if (!device) return std::unexpected(std::move(device.error()));
    if (!named.empty() && named != device->name)
      return std::unexpected(forbidden_reply("act for another device"));
    return Caller{device->name, "device " + device->name};
  }
  auto sender = parts_.authorizer.sender(request);
  if (!sender) return std::unexpected(std::move(sender.error()));
  if (!(*sender)->scopes.subscriptions())
    return std::unexpected(forbidden_reply("make subscriptions"));
  if (!wire::is_device_name(named))
    return std::unexpected(wrong_field_reply("device", "is missing, or is no name of a device"));
  return Caller{named, "token " + (*sender)->name};
}

void DeviceApi::handle_subscriptions(const HttpRequest& request,
                                     const HttpFront::Respond& respond) {
  if (request.path() != kSubscriptions) {
    if (request.method != "DELETE") return respond(method_reply("DELETE"));
    return unsubscribe(request, respond);
  }
  if (request.method == "POST") return subscribe(request, respond);
  if (request.method == "GET" || request.method == "HEAD") return list(request, respond);
  respond(method_reply("GET, HEAD, POST"));
}

/// Source: RFC 8030 §4; the device's part of it goes over our own session instead.
void DeviceApi::subscribe(const HttpRequest& request, const HttpFront::Respond& respond) {
  const auto body = read_object(request, {"device", "vapid_key"});
  if (!body) return respond(body.error());
  const auto named = read_text(*body, "device", wire::kDeviceNameMax);
  if (!named) return respond(named.error());
  const auto who = caller(request, *named);
  if (!who) return respond(who.error());
  const auto key_text = read_text(*body, "vapid_key", kVapidKeyMax);
  if (!key_text) return respond(key_text.error());
  const auto key = base::from_base64url(*key_text);
  if (!key_text->empty() && (!key || !is_p256_point(*key)))
    return respond(
        wrong_field_reply("vapid_key", "must be a P-256 public key of 65 bytes in base64url"));

  const std::string capability = make_token();
  const auto id = std::make_shared<std::uint64_t>(0);
  const auto queued = parts_.store.run(
      [hash = hash_token(base::as_bytes(capability)), device = who->device,
       key = key ? *key : base::Bytes(), now = io::wall_now(),
       id](store::Database& database) -> base::Result<void> {
        auto subscriptions = store::Subscriptions::prepare(database);
        if (!subscriptions) return base::fail(subscriptions.error());
        const auto added = subscriptions->add(hash, device, key, now);
        if (!added) return base::fail(added.error());
        *id = *added;
        return {};
      },
      [this, respond, capability, id, who = *who,
       origin = origin_of(request, parts_.public_url)](base::Result<void> done) {
        if (!done) return respond(change_refused(done.error(), "device"));
        parts_.audit(
            "subscription_added",
            {{"device", who.device}, {"subscription", std::to_string(*id)}, {"by", who.by}});
        const std::string endpoint = origin + std::string(kWebPushPath) + capability;
        const std::string resource = fmt::format("{}{}/{}", origin, kSubscriptions, *id);
        HttpResponse created = json_reply(
            201, json::serialize(json::object{
                     {"id", *id},
                     {"device", who.device},
                     {"endpoint", endpoint},
                     {"unifiedpush", origin + std::string(kUnifiedPushPath) + capability}}));
        created.headers = {{"Location", resource},
                           {"Link", fmt::format("<{}>; rel=\"urn:ietf:params:push\"", endpoint)}};
        respond(std::move(created));
      });
  if (!queued) respond(unavailable_reply(queued.error()));
}

void DeviceApi::list(const HttpRequest& request, const HttpFront::Respond& respond) {
  const auto who = caller(request, std::string(query_value(request, "device")));
  if (!who) return respond(who.error());
  const auto found = parts_.directory.subscriptions().list(who->device);
  if (!found) return respond(change_refused(found.error(), "device"));
  json::array entries;
  for (const store::Subscription& one : *found) {
    json::object entry{
        {"id", one.id},
        {"created_ms",
         std::chrono::floor<std::chrono::milliseconds>(one.created.time_since_epoch()).count()}};
    if (!one.vapid_key.empty()) entry["vapid_key"] = base::to_base64url(one.vapid_key);
    entries.push_back(std::move(entry));
  }
  respond(json_reply(
      200, json::serialize(json::object{{"device", who->device}, {"subscriptions", entries}})));
}

void DeviceApi::unsubscribe(const HttpRequest& request, const HttpFront::Respond& respond) {
  const std::uint64_t id = id_of(request);
  const auto who = caller(request, std::string(query_value(request, "device")));
  if (!who) return respond(who.error());
  const auto own = parts_.directory.subscriptions().list(who->device);
  if (!own) return respond(change_refused(own.error(), "device"));
  if (std::ranges::find(*own, id, &store::Subscription::id) == own->end()) {
    return respond(
        failure_reply(404, ErrorCode::kNotFound, "this device has no subscription of this id"));
  }
  const auto queued = parts_.store.run(
      [id, now = io::wall_now()](store::Database& database) -> base::Result<void> {
        auto subscriptions = store::Subscriptions::prepare(database);
        if (!subscriptions) return base::fail(subscriptions.error());
        return subscriptions->remove(id, now);
      },
      [this, respond, id, who = *who](base::Result<void> done) {
        if (!done) return respond(change_refused(done.error(), "id"));
        parts_.audit(
            "subscription_removed",
            {{"device", who.device}, {"subscription", std::to_string(id)}, {"by", who.by}});
        respond({.status = 204});
      });
  if (!queued) respond(unavailable_reply(queued.error()));
}

void DeviceApi::handle_fallback(const HttpRequest& request, const HttpFront::Respond& respond) {
  if (request.method == "PUT") return set_fallback(request, respond);
  if (request.method == "DELETE") return remove_fallback(request, respond);
  respond(method_reply("DELETE, PUT"));
}

void DeviceApi::set_fallback(const HttpRequest& request, const HttpFront::Respond& respond) {
  const auto body = read_object(request, {"device", "apns_token", "apns_topic", "web_push"});
  if (!body) return respond(body.error());
  const auto named = read_text(*body, "device", wire::kDeviceNameMax);
  const auto token = read_text(*body, "apns_token", kApnsTokenMax);
  const auto topic = read_text(*body, "apns_topic", kApnsTopicMax);
  const auto url = read_text(*body, "web_push", kUrlMax);
  for (const auto* text : {&named, &token, &topic, &url}) {
    if (!*text) return respond(text->error());
  }
  const auto who = caller(request, *named);
  if (!who) return respond(who.error());
  if (token->empty() == url->empty())
    return respond(wrong_field_reply("apns_token", "one of apns_token and web_push is needed"));
  if (!token->empty() && !is_hex(*token))
    return respond(wrong_field_reply("apns_token", "must be hexadecimal"));
  if (!token->empty() && !is_topic(*topic))
    return respond(wrong_field_reply("apns_topic", "must be the app's bundle id"));
  if (!url->empty() && !is_https(*url))
    return respond(wrong_field_reply("web_push", "must be a URL that begins with https://"));
  // What is sent there would come back to it, again and again.
  if (!url->empty() &&
      authority_of_url(*url) == authority_of_url(origin_of(request, parts_.public_url)))
    return respond(wrong_field_reply("web_push", "must not be an endpoint of this server"));
  store::Fallback fallback{
      .device = who->device,
      .kind = url->empty() ? store::FallbackKind::kApns : store::FallbackKind::kWebPush,
      .address = url->empty() ? *token : *url,
      .topic = url->empty() ? *topic : std::string()};
  const auto queued = parts_.store.run(
      [fallback = std::move(fallback)](store::Database& database) -> base::Result<void> {
        auto fallbacks = store::Fallbacks::prepare(database);
        if (!fallbacks) return base::fail(fallbacks.error());
        return fallbacks->set(fallback);
      },
      [this, respond, who = *who](base::Result<void> done) {
        if (!done) return respond(change_refused(done.error(), "device"));
        parts_.audit("fallback_set", {{"device", who.device}, {"by", who.by}});
        respond({.status = 204});
      });
  if (!queued) respond(unavailable_reply(queued.error()));
}

void DeviceApi::remove_fallback(const HttpRequest& request, const HttpFront::Respond& respond) {
  const auto who = caller(request, std::string(query_value(request, "device")));
  if (!who) return respond(who.error());
  const auto queued = parts_.store.run(
      [device = who->device](store::Database& database) -> base::Result<void> {
        auto fallbacks = store::Fallbacks::prepare(database);
        if (!fallbacks) return base::fail(fallbacks.error());
        return fallbacks->remove(device);
      },
      [this, respond, who = *who](base::Result<void> done) {
        if (!done) return respond(change_refused(done.error(), "device"));
        parts_.audit("fallback_removed", {{"device", who.device}, {"by", who.by}});
        respond({.status = 204});
      });
  if (!queued) respond(unavailable_reply(queued.error()));
}

}  // namespace wakeline::server
