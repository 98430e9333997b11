// SPDX-License-Identifier: Apache-2.0
#include "server/receipts_api.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include <boost/json.hpp>

#include "io/clock.h"
#include "server/http_reply.h"
#include "server/json_body.h"
#include "server/message_id.h"
#include "server/subscriber.h"
#include "server/web_push_api.h"

namespace wakeline::server {

using base::ErrorCode;
namespace json = boost::json;

namespace {

constexpr std::size_t kLimit = 100;  // receipts of one answer

/// The value of one preference, "" for one without; nothing where it is not among them. Source:
/// RFC 7240 §2.
std::optional<std::string_view> preference(std::string_view field, std::string_view wanted) {
  while (!field.empty()) {
    const std::size_t comma = std::min(field.find(','), field.size());
    std::string_view one = field.substr(0, comma);
    field.remove_prefix(std::min(comma + 1, field.size()));
    one = one.substr(0, one.find(';'));
    const auto trim = [](std::string_view text) {
      while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
      while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
      return text;
    };
    const std::size_t equals = std::min(one.find('='), one.size());
    if (!same_word(trim(one.substr(0, equals)), wanted)) continue;
    return trim(one.substr(std::min(equals + 1, one.size())));
  }
  return std::nullopt;
}

}  // namespace

ReceiptsApi::ReceiptsApi(TimerQueue& timers, Parts parts)
    : Timed(timers), timers_(timers), parts_(std::move(parts)) {
  parts_.store.set_on_receipts([this] { on_receipts(); });
}

ReceiptsApi::~ReceiptsApi() { parts_.store.set_on_receipts(nullptr); }

std::optional<std::uint64_t> ReceiptsApi::asked_for(const HttpRequest& request) const {
  if (request.has("push-receipt")) {
    const std::string_view address = request.field("push-receipt");
    const std::size_t at = address.rfind(kReceiptsPath);
    if (at == std::string_view::npos) return 0;
    return read_group(address.substr(at + kReceiptsPath.size())).value_or(0);
  }
  if (!preference(request.field("prefer"), "respond-async")) return std::nullopt;
  return (io::random_seed() & kStoredMax) | 1;
}

std::string ReceiptsApi::path_of(std::uint64_t group) const {
  return std::string(kReceiptsPath) + to_text({store::DeviceId{group}, 0}, parts_.secret);
}

std::optional<std::uint64_t> ReceiptsApi::read_group(std::string_view token) const {
  const auto id = read_message_id(token, parts_.secret);
  if (!id) return std::nullopt;
  return id->device.value;
}

void ReceiptsApi::handle(const HttpRequest& request, const HttpFront::Respond& respond) {
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (!get && request.method != "DELETE") return respond(method_reply("DELETE, GET, HEAD"));
  const auto group = read_group(request.path().substr(kReceiptsPath.size()));
  if (!group)
    return respond(failure_reply(404, ErrorCode::kNotFound, "there are no such receipts"));
  if (get) return fetch(*group, request, respond);
  const auto queued =
      parts_.store.remove_receipts(*group, kStoredMax, [respond](base::Result<void> done) {
        if (!done) return respond(logged_unavailable_reply(done.error()));
        respond({.status = 204});
      });
  if (!queued) respond(logged_unavailable_reply(queued.error()));
}

void ReceiptsApi::fetch(std::uint64_t group, const HttpRequest& request,
                        const HttpFront::Respond& respond) {
  const auto after = query_number(request, "after", 0, kStoredMax);
  if (!after) {
    return respond(failure_reply(400, ErrorCode::kMalformed,
                                 "must be the id of the last receipt that was read", "after"));
  }
  std::uint32_t seconds = 0;
  const std::string_view wait = preference(request.field("prefer"), "wait").value_or("");
  std::from_chars(wait.data(), wait.data() + wait.size(), seconds);
  const auto look = [this,
                     waiter = Waiter{.group = group,
                                     .after = *after,
                                     .origin = origin_of(request, parts_.public_url),
                                     .sender = subscriber_of(std::string_view(request.peer)),
                                     .until = {},
                                     .respond = respond},
                     time = std::min<base::Duration>(std::chrono::seconds(seconds), kWaitMax)] {
    if (auto found = answer(waiter.group, waiter.after, waiter.origin))
      return waiter.respond(std::move(*found));
    if (time == base::Duration::zero() || stopped_) return waiter.respond({.status = 204});
    if (waiters_.size() >= kWaitersMax) make_room();
    waiters_.push_back(waiter);
    waiters_.back().until = io::now() + time;
    timers_.update(*this);
  };
  if (*after == 0) return look();
  // They were read: they are gone before the answer is.
  const auto queued =
      parts_.store.remove_receipts(group, *after, [look, respond](base::Result<void> done) {
        done ? look() : respond(logged_unavailable_reply(done.error()));
      });
  if (!queued) respond(logged_unavailable_reply(queued.error()));
}

void ReceiptsApi::make_room() {
  std::unordered_map<std::string_view, std::size_t> counts;
  for (const Waiter& waiter : waiters_) ++counts[waiter.sender];
  const auto goes = std::ranges::max_element(
      waiters_, {}, [&](const Waiter& waiter) { return counts.at(waiter.sender); });
  const HttpFront::Respond respond = std::move(goes->respond);
  waiters_.erase(goes);
  respond({.status = 204});
}

std::optional<HttpResponse> ReceiptsApi::answer(std::uint64_t group, std::uint64_t after,
                                                const std::string& origin) {
  const auto found = parts_.store.receipts(group, after, kLimit);
  if (!found) return logged_unavailable_reply(found.error());
  if (found->empty()) return std::nullopt;
  json::array entries;
  for (const store::Receipt& receipt : *found) {
    const std::string message = to_text({receipt.device, receipt.sequence}, parts_.messages_secret);
    entries.push_back(json::object{{"id", receipt.id},
                                   {"message", origin + std::string(kMessagePath) + message},
                                   {"status", receipt.status}});
  }
  return json_reply(200, json::serialize(json::object{{"receipts", entries}}));
}

void ReceiptsApi::on_receipts() {
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    auto found = answer(it->group, it->after, it->origin);
    if (!found) {
      ++it;
      continue;
    }
    const HttpFront::Respond respond = std::move(it->respond);
    it = waiters_.erase(it);
    respond(std::move(*found));
  }
}

void ReceiptsApi::stop() {
  stopped_ = true;
  for (Waiter& waiter : std::exchange(waiters_, {})) waiter.respond({.status = 204});
}

base::Instant ReceiptsApi::next_deadline() const {
  base::Instant next = base::kNever;
  for (const Waiter& waiter : waiters_) next = std::min(next, waiter.until);
  return next;
}

void ReceiptsApi::on_deadline(base::Instant now) {
  std::list<Waiter> due;
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    const auto next = std::next(it);
    if (it->until <= now) due.splice(due.end(), waiters_, it);
    it = next;
  }
  for (Waiter& waiter : due) waiter.respond({.status = 204});
  timers_.update(*this);
}

}  // namespace wakeline::server
