// SPDX-License-Identifier: Apache-2.0
#include "server/web_push_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/http_reply.h"
#include "server/message_id.h"
#include "server/tokens.h"
#include "wire/push.h"

namespace wakeline::server {

using base::ErrorCode;

namespace {

/// A 32-byte secret in base64url.
constexpr std::size_t kCapabilitySize = 43;

bool is_base64url(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

/// Whole seconds, cut to what we keep (RFC 8030 §5.2); nothing when it is no number.
std::optional<std::uint32_t> read_ttl(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  std::uint64_t seconds = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    seconds =
        std::min<std::uint64_t>(seconds * 10 + static_cast<std::uint64_t>(c - '0'), wire::kTtlMax);
  }
  return static_cast<std::uint32_t>(seconds);
}

HttpResponse not_there(unsigned status) {
  return failure_reply(
      status, ErrorCode::kNotFound,
      status == 410 ? "this subscription was removed" : "there is no such subscription");
}

}  // namespace

std::string origin_of(const HttpRequest& request, const std::string& public_url) {
  if (!public_url.empty()) return public_url;
  if (!request.has("host")) return {};  // HTTP/1.0: what follows is relative to where it asked
  return fmt::format("{}://{}", request.tls ? "https" : "http", request.field("host"));
}

/// What the header fields of a request say.
struct WebPushApi::Form {
  std::uint32_t ttl_s = wire::kTtlMax;
  wire::Urgency urgency = wire::Urgency::kNormal;
  std::string topic{};
  wire::BodyEncoding encoding = wire::BodyEncoding::kIdentity;

  /// `strict`: as RFC 8030 asks; else what it asks for may be missing.
  static std::expected<Form, HttpResponse> read(const HttpRequest& request, bool strict);
};

std::expected<WebPushApi::Form, HttpResponse> WebPushApi::Form::read(const HttpRequest& request,
                                                                     bool strict) {
  Form form;
  if (request.has("ttl")) {
    const auto ttl = read_ttl(request.field("ttl"));
    if (!ttl) return std::unexpected(wrong_field_reply("ttl", "must be a whole number of seconds"));
    form.ttl_s = *ttl;
  } else if (strict) {
    return std::unexpected(wrong_field_reply("ttl", "is missing (RFC 8030 §5.2)"));
  }
  if (request.has("urgency")) {
    const auto urgency = wire::urgency_from_name(lower_case(request.field("urgency")));
    if (!urgency)
      return std::unexpected(wrong_field_reply("urgency", "must be very-low, low, normal or high"));
    form.urgency = *urgency;
  }
  form.topic = request.field("topic");
  if (request.has("topic") &&
      (form.topic.empty() || form.topic.size() > wire::kTopicMax || !is_base64url(form.topic)))
    return std::unexpected(
        wrong_field_reply("topic", "must be 1 to 32 letters, digits, '-' and '_'"));
  if (same_word(request.field("content-encoding"), "aes128gcm")) {
    form.encoding = wire::BodyEncoding::kAes128gcm;
  } else if (strict && !request.body.empty()) {
    return std::unexpected(
        with(failure_reply(415, ErrorCode::kUnsupported,
                           "the body must be encrypted as RFC 8291 says", "content-encoding"),
             "Accept-Encoding", "aes128gcm"));
  }
  if (request.body.size() > wire::kPushBodyMax) {
    return std::unexpected(
        failure_reply(413, ErrorCode::kTooLarge,
                      fmt::format("the body must be at most {} bytes", wire::kPushBodyMax)));
  }
  return form;
}

WebPushApi::WebPushApi(Parts parts, const Limits& limits) : parts_(std::move(parts)) {
  set_limits(limits);
}

void WebPushApi::set_limits(const Limits& limits) { by_endpoint_.set_pushes(limits.endpoint_rate); }

void WebPushApi::handle(const HttpRequest& request, const HttpFront::Respond& respond) {
  const bool strict = request.path().starts_with(kWebPushPath);
  const std::string_view capability =
      request.path().substr(strict ? kWebPushPath.size() : kUnifiedPushPath.size());
  if (request.method == "POST") return push(request, strict, capability, respond);
  if (request.method != "GET" && request.method != "HEAD")
    return respond(method_reply("GET, HEAD, POST"));
  // How a connector finds out what an address is (UnifiedPush, "discovery").
  auto subscription = find(capability);
  if (!subscription) return respond(std::move(subscription.error()));
  respond(json_reply(200, R"({"unifiedpush":{"version":1}})"));
}

/// Or the answer: 404, 410, 503.
std::expected<store::Subscription, HttpResponse> WebPushApi::find(std::string_view capability) {
  if (capability.size() != kCapabilitySize || !is_base64url(capability))
    return std::unexpected(not_there(404));
  auto found = parts_.directory.subscriptions().find(hash_token(base::as_bytes(capability)));
  if (!found) {
    base::log(base::LogLevel::kError, "http", "{}", base::to_string(found.error()));
    return std::unexpected(unavailable_reply(found.error()));
  }
  if (!*found) return std::unexpected(not_there(404));
  if ((*found)->removed) return std::unexpected(not_there(410));
  return std::move(**found);
}

/// RFC 8292 §4.2: 401 without a token where one is needed, 403 with a wrong one.
std::optional<HttpResponse> WebPushApi::refuse_sender(const HttpRequest& request,
                                                      const store::Subscription& subscription) {
  const bool needed = parts_.vapid_required || !subscription.vapid_key.empty();
  if (!request.has("authorization") && !needed) return std::nullopt;
  const std::string address = origin_of(request, parts_.public_url);
  const std::string_view origin = origin_part(address);
  const auto key = vapid_.verify(request.field("authorization"), origin, io::wall_now());
  if (!key && key.error().code == ErrorCode::kUnauthorized) {
    return with(failure_reply(401, ErrorCode::kUnauthorized,
                              "the app server must say who it is (RFC 8292)", "authorization"),
                "WWW-Authenticate", "vapid");
  }
  if (!key) {
    return failure_reply(403, key.error().code, describe_vapid(key.error(), origin),
                         "authorization");
  }
  if (!subscription.vapid_key.empty() && *key != subscription.vapid_key) {
    return failure_reply(403, ErrorCode::kPermission,
                         "this subscription belongs to another app server's key", "authorization");
  }
  return std::nullopt;
}

void WebPushApi::push(const HttpRequest& request, bool strict, std::string_view capability,
                      const HttpFront::Respond& respond) {
  auto subscription = find(capability);
  if (!subscription) return respond(std::move(subscription.error()));
  if (const auto wait = by_endpoint_.take(capability, io::now())) {
    return respond(retry_after(
        failure_reply(429, ErrorCode::kBusy, "too many pushes go to this endpoint"), *wait));
  }
  if (auto refused = refuse_sender(request, *subscription)) return respond(std::move(*refused));
  auto form = Form::read(request, strict);
  if (!form) return respond(std::move(form.error()));
  const auto receipt = strict ? parts_.receipts.asked_for(request) : std::nullopt;
  if (receipt && *receipt == 0)
    return respond(wrong_field_reply("push-receipt", "is no address of receipts"));
  if (const auto wait = parts_.by_device.take(subscription->device, io::now())) {
    return respond(retry_after(
        failure_reply(429, ErrorCode::kBusy, "too many pushes go to this device"), *wait));
  }
  const base::BytesView body = base::as_bytes(request.body);
  PushOrder order{.device = subscription->device,
                  .body = base::Bytes(body.begin(), body.end()),
                  .encoding = form->encoding,
                  .ttl_s = form->ttl_s,
                  .urgency = form->urgency,
                  .receipt = receipt.value_or(0)};
  // Of two subscriptions of a device none may replace the other's messages.
  if (!form->topic.empty()) order.topic = fmt::format("{}:{}", subscription->id, form->topic);
  const auto taken = parts_.desk.accept(
      std::move(order),
      [this, respond, ttl_s = form->ttl_s, device = subscription->device, receipt,
       origin = origin_of(request, parts_.public_url)](base::Result<store::Accepted> result) {
        if (!result) {
          base::log(base::LogLevel::kInfo, "http", "push to {}: {}", device,
                    base::to_string(result.error()));
          // The device went while its push was on the way.
          if (result.error().code == ErrorCode::kNotFound) return respond(not_there(410));
          return respond(to_reply(store_refusal(result.error())));
        }
        const std::string id = to_text({result->device, result->sequence}, parts_.secret);
        HttpResponse created{.status = receipt ? 202U : 201U};
        created.headers = {{"Location", origin + std::string(kMessagePath) + id},
                           {"TTL", std::to_string(ttl_s)}};
        if (receipt) {
          created.headers.emplace_back(
              "Link", fmt::format("<{}{}>; rel=\"urn:ietf:params:push:receipt\"", origin,
                                  parts_.receipts.path_of(*receipt)));
        }
        respond(std::move(created));
      });
  if (!taken) {
    respond(retry_after(failure_reply(503, taken.error().code, "too many pushes wait for the disk"),
                        kRetrySoon));
  }
}

/// The sender takes a push back that its device does not have yet.
void WebPushApi::handle_message(const HttpRequest& request, const HttpFront::Respond& respond) {
  if (request.method != "DELETE") return respond(method_reply("DELETE"));
  const auto id = read_message_id(request.path().substr(kMessagePath.size()), parts_.secret);
  if (!id) return respond(failure_reply(404, ErrorCode::kNotFound, "there is no such message"));
  const auto waits = parts_.store.find_accepted(id->device, id->sequence, io::wall_now());
  if (!waits) {
    base::log(base::LogLevel::kError, "http", "{}", base::to_string(waits.error()));
    return respond(unavailable_reply(waits.error()));
  }
  const auto gone = [] {
    return failure_reply(410, ErrorCode::kNotFound,
                         "the message was delivered, replaced, or has expired");
  };
  if (!*waits) return respond(gone());
  // Each shard reads the store for itself: only what is written is gone for all of them.
  const auto queued =
      parts_.desk.withdraw(id->device, id->sequence, [respond, gone](base::Result<bool> done) {
        if (!done) return respond(to_reply(store_refusal(done.error())));
        // Its device may have acknowledged it a moment ago.
        if (!*done) return respond(gone());
        respond({.status = 204});
      });
  if (!queued) respond(to_reply(store_refusal(queued.error())));
}

}  // namespace wakeline::server
