// SPDX-License-Identifier: Apache-2.0
#include "server/push_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "io/clock.h"
#include "server/http_reply.h"
#include "wire/push.h"

namespace wakeline::server {

using base::ErrorCode;
namespace json = boost::json;

namespace {

/// Devices that one request reaches, over all its pushes.
constexpr std::size_t kDevicesMax = store::kMembersMax;

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= wire::kIdempotencyKeyMax - 4 &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7F; });
}

/// Gives the pushes without a key of their own one of the header's: the draft
/// httpapi-idempotency-key-header writes it as a quoted string.
bool take_key(const HttpRequest& request, wire::PushBatch& batch) {
  if (!request.has("idempotency-key")) return true;
  std::string_view key = request.field("idempotency-key");
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"')
    key = key.substr(1, key.size() - 2);
  if (!is_key(key)) return false;
  for (std::size_t i = 0; i < batch.pushes.size(); ++i) {
    if (!batch.pushes[i].idempotency_key.empty()) continue;
    batch.pushes[i].idempotency_key =
        batch.listed ? fmt::format("{}/{}", key, i) : std::string(key);
  }
  return true;
}

}  // namespace

/// What became of each device's push; answers the request when the last one is known.
struct PushApi::Answers {
  struct Result {
    std::size_t index;  ///< of the push in the request
    std::string device;
    store::Sequence sequence;
    std::optional<Refusal> refusal;
  };

  bool many = false;    ///< the answer is a list
  bool listed = false;  ///< so was the request
  std::size_t places = 0;
  std::size_t open = 0;
  bool all_sent = false;
  std::vector<Result> results{};
  HttpFront::Respond respond{};

  void refuse(std::size_t index, std::string device, Refusal refusal) {
    results.push_back({index, std::move(device), 0, std::move(refusal)});
  }
  void finish_when_done() {
    if (all_sent && open == 0) respond(many ? list() : single());
  }

 private:
  HttpResponse single() const {
    const Result& result = results.front();
    if (result.refusal) return to_reply(*result.refusal);
    return json_reply(201, json::serialize(json::object{{"device", result.device},
                                                        {"sequence", result.sequence}}));
  }
  HttpResponse list() {
    std::ranges::sort(results, {}, [](const Result& r) { return std::tie(r.index, r.device); });
    json::array entries;
    bool all = true;
    for (const Result& result : results) {
      json::object entry;
      if (listed) entry["push"] = result.index;
      entry["status"] = result.refusal ? result.refusal->status : 201;
      if (!result.device.empty()) entry["device"] = result.device;
      if (result.refusal) {
        all = false;
        entry["error"] = base::name(result.refusal->code);
        if (!result.refusal->field.empty()) entry["field"] = result.refusal->field;
        entry["message"] = result.refusal->message;
        if (result.refusal->wait > base::Duration::zero()) {
          entry["retry_after_s"] =
              std::chrono::ceil<std::chrono::seconds>(result.refusal->wait).count();
        }
      } else {
        entry["sequence"] = result.sequence;
      }
      entries.push_back(std::move(entry));
    }
    return json_reply(all ? 201 : 207, json::serialize(json::object{{"results", entries}}));
  }
};

PushApi::PushApi(Authorizer& authorizer, store::Directory& directory, PushDesk& desk,
                 RateLimiter& by_device, const Limits& limits)
    : authorizer_(authorizer), directory_(directory), desk_(desk), by_device_(by_device) {
  set_limits(limits);
}

void PushApi::set_limits(const Limits& limits) { by_sender_.set_pushes(limits.sender_rate); }

void PushApi::handle(const HttpRequest& request, const HttpFront::Respond& respond) {
  if (request.method != "POST") return respond(method_reply("POST"));
  auto sender = authorizer_.sender(request);
  if (!sender) return respond(std::move(sender.error()));
  if (!is_json(request.field("content-type"))) {
    return respond(
        failure_reply(415, ErrorCode::kUnsupported, "the body must be application/json"));
  }
  auto batch = wire::parse_push_batch(request.body);
  if (!batch) {
    const unsigned status = batch.error().code == ErrorCode::kTooLarge ? 413 : 400;
    return respond(
        failure_reply(status, batch.error().code, batch.error().message, batch.error().field));
  }
  if (!take_key(request, *batch)) {
    return respond(failure_reply(400, ErrorCode::kMalformed,
                                 "must be 1 to 60 visible ASCII characters", "idempotency-key"));
  }
  auto answers = std::make_shared<Answers>();
  answers->listed = batch->listed;
  answers->many = batch->listed || batch->pushes.front().device.empty();
  answers->respond = respond;
  for (std::size_t i = 0; i < batch->pushes.size(); ++i)
    send(batch->pushes[i], i, **sender, answers);
  answers->all_sent = true;
  answers->finish_when_done();
}

void PushApi::send(const wire::PushRequest& push, std::size_t index,
                   const Authorizer::Sender& sender, const std::shared_ptr<Answers>& answers) {
  const bool user = !push.user.empty();
  const char* kind = user ? "user" : push.group.empty() ? "device" : "group";
  const std::string& name = user ? push.user : push.group.empty() ? push.device : push.group;
  if (!sender.scopes.may_push(kind, name)) {
    return answers->refuse(index, push.device,
                           {403, ErrorCode::kPermission,
                            fmt::format("this token may not push to the {} {}", kind, name), kind});
  }
  if (const auto wait = by_sender_.take(sender.name, io::now())) {
    return answers->refuse(index, push.device,
                           {429, ErrorCode::kBusy, "this token pushes too often", {}, *wait});
  }
  auto body = wire::encode(push.content);
  if (!body) {
    return answers->refuse(index, push.device, {400, body.error().code, "the text cannot be sent"});
  }
  if (!push.device.empty())
    return send_to(push.device, push, std::move(*body), index, sender.name, answers);
  const auto devices = directory_.members().devices(
      user ? store::MemberKind::kUser : store::MemberKind::kGroup, name);
  if (!devices) return answers->refuse(index, {}, store_refusal(devices.error()));
  if (devices->empty()) {
    return answers->refuse(index, {},
                           {404, ErrorCode::kNotFound,
                            fmt::format("no device belongs to the {} {}", kind, name), kind});
  }
  if (answers->places + devices->size() > kDevicesMax) {
    return answers->refuse(
        index, {},
        {413, ErrorCode::kTooLarge,
         fmt::format("one request reaches at most {} devices", kDevicesMax), kind});
  }
  for (const std::string& device : *devices)
    send_to(device, push, *body, index, sender.name, answers);
}

void PushApi::send_to(const std::string& device, const wire::PushRequest& push, base::Bytes body,
                      std::size_t index, const std::string& sender,
                      const std::shared_ptr<Answers>& answers) {
  ++answers->places;
  if (const auto wait = by_device_.take(device, io::now())) {
    return answers->refuse(
        index, device,
        {429, ErrorCode::kBusy, "too many pushes go to this device", "device", *wait});
  }
  PushOrder order{.device = device,
                  .body = std::move(body),
                  .ttl_s = push.ttl_s,
                  .urgency = push.urgency,
                  .topic = push.topic,
                  .sender = sender,
                  .idempotency_key = push.idempotency_key,
                  .group = push.group};
  ++answers->open;
  const auto taken = desk_.accept(
      std::move(order), [answers, index, device](base::Result<store::Accepted> result) {
        --answers->open;
        if (result) {
          answers->results.push_back({index, device, result->sequence, std::nullopt});
        } else {
          const bool its_own = result.error().code == ErrorCode::kNotFound ||
                               result.error().code == ErrorCode::kBusy ||
                               result.error().code == ErrorCode::kAlreadyExists;
          base::log(its_own ? base::LogLevel::kInfo : base::LogLevel::kError, "http",
                    "push to {}: {}", device, base::to_string(result.error()));
          answers->refuse(index, device, store_refusal(result.error()));
        }
        answers->finish_when_done();
      });
  if (taken) return;
  --answers->open;
  answers->refuse(index, device,
                  {503, taken.error().code, "too many pushes wait for the disk", {}, kRetrySoon});
}

}  // namespace wakeline::server
