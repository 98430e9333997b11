// SPDX-License-Identifier: Apache-2.0
#include "server/last_resort.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/tls.h"

namespace wakeline::server {

using base::LogLevel;

namespace {

constexpr std::size_t kKeyFileMax = 16'384;
constexpr base::Duration kRequestTimeout = std::chrono::seconds(30);
/// Between two looks while somebody is missing.
constexpr base::Duration kLookPause = std::chrono::seconds(1);
/// After a failure, doubled each time.
constexpr base::Duration kRetryFirst = std::chrono::seconds(2);
constexpr base::Duration kRetryLast = std::chrono::minutes(10);
/// Where the vendor says that a token of a device is wrong, which may be so for good.
constexpr base::Duration kRetrySeldom = std::chrono::hours(1);

/// Nothing of an answer but this goes to the log.
std::string summary_of(const Http2Client::Answer& answer) {
  const std::string reason = reason_of(answer);
  return reason.empty() ? std::to_string(answer.status)
                        : fmt::format("{} {}", answer.status, reason);
}

}  // namespace

Outcome<ApnsSigner> prepare_fallback(const FallbackOptions& options) {
  const auto failure = [](const std::string& what, base::Error error) {
    // A certificate that is none is a file that is wrong, and no peer that cannot be reached.
    if (error.code == base::ErrorCode::kTls) error.code = base::ErrorCode::kMalformed;
    return std::unexpected(Failure{what, error});
  };
  if (!options.ca_file.empty()) {
    if (const auto trusted = io::TlsContext::client(options.ca_file); !trusted)
      return failure(options.ca_file, trusted.error());
  }
  if (options.apns_key_file.empty()) return ApnsSigner(nullptr, {}, {});
  if (options.apns_key_id.empty() || options.apns_team_id.empty()) {
    return failure(options.apns_key_file,
                   base::Error{base::ErrorCode::kInvalidArgument, "apns_key_id and apns_team_id"});
  }
  const auto pem = io::read_file(options.apns_key_file, kKeyFileMax);
  if (!pem) return failure(options.apns_key_file, pem.error());
  auto key = read_p256_key(*pem);
  if (!key) return failure(options.apns_key_file, key.error());
  return ApnsSigner(std::move(*key), options.apns_key_id, options.apns_team_id);
}

LastResort::LastResort(Parts parts, const FallbackOptions& options)
    : Timed(parts.timers),
      parts_(std::move(parts)),
      options_(options),
      http_(parts_.http ? std::move(parts_.http)
                        : Http2Client::create(parts_.loop, options.ca_file)) {
  plan(io::now());  // what waited before the start
}

void LastResort::plan(base::Instant at) {
  if (at >= look_at_) return;
  look_at_ = at;
  parts_.timers.update(*this);
}

void LastResort::on_stored() { plan(io::now() + std::min(kLookPause, options_.after)); }

void LastResort::on_deadline(base::Instant now) {
  look_at_ = base::kNever;
  look(now);
}

/// Some devices at a time, so that many that are merely slow hold up no other.
void LastResort::look(base::Instant now) {
  const bool goes_on = static_cast<bool>(seen_through_);
  if (!goes_on) round_at_ = now;
  // What is not in the tables now will be, if nobody acknowledges it: then it is looked at.
  const bool later = parts_.store.recent() > 0;
  const auto due = parts_.directory.fallbacks().due(seen_through_, parts_.devices_max);
  if (!due) {
    base::log(LogLevel::kError, "fallback", "{}", base::to_string(due.error()));
    return plan(now + kRetryFirst);
  }
  for (const store::Fallback& fallback : *due) consider(fallback, now);
  const bool more = due->size() == parts_.devices_max;
  seen_through_ = more ? due->back().id : store::DeviceId{};
  if (!more) {
    std::erase_if(cases_, [&](const auto& entry) {
      return !entry.second.under_way && entry.second.looked_at < round_at_;
    });
  }
  // The last look of a round may find nobody, where those before it found some that still wait.
  if (later || goes_on || !due->empty()) plan(now + kLookPause);
}

void LastResort::consider(const store::Fallback& fallback, base::Instant now) {
  if (fallback.kind == store::FallbackKind::kApns && !parts_.apns.usable()) return;
  if (!parts_.gone(fallback.device)) {  // its own connection brings it, or may yet
    const auto known = cases_.find(fallback.device);
    // What is under way is so whether it is back or not: until then nothing is sent again.
    if (known != cases_.end() && !known->second.under_way) cases_.erase(known);
    return;
  }
  Case& its = cases_[fallback.device];
  its.looked_at = now;
  if (its.address != fallback.address) {  // what was wrong with another one is over
    its.address = fallback.address;
    its.failures = 0;
    its.try_at = {};
  }
  if (its.under_way || now < its.try_at) return;
  const base::WallTime wall = io::wall_now();
  const auto waiting = parts_.store.pending(fallback.id, fallback.sent_through, 1, wall);
  if (!waiting) {
    base::log(LogLevel::kError, "fallback", "{}", base::to_string(waiting.error()));
    return;
  }
  if (waiting->sequences.empty()) return;
  const auto push = parts_.store.find(fallback.id, waiting->sequences.front(), wall);
  if (push && *push) send(fallback, **push, now);
}

void LastResort::send(const store::Fallback& fallback, const store::Push& push, base::Instant) {
  const base::WallTime wall = io::wall_now();
  cases_[fallback.device].under_way = true;
  auto request =
      fallback.kind == store::FallbackKind::kApns
          ? apns_request(options_, fallback, push, wall, parts_.apns.token(wall))
          : web_push_request(fallback, push, wall, vapid_.authorization(fallback.address, wall));
  http_->post(std::move(request), kRequestTimeout,
              [this, alive = std::weak_ptr(alive_), fallback,
               sequence = push.sequence](base::Result<Http2Client::Answer> answer) {
                if (!alive.expired()) on_answer(fallback, sequence, answer);
              });
}

void LastResort::on_answer(const store::Fallback& fallback, store::Sequence sequence,
                           const base::Result<Http2Client::Answer>& answer) {
  Case& its = cases_[fallback.device];
  its.under_way = false;
  if (!answer) {
    count(fallback, "unreachable");
    base::log(LogLevel::kInfo, "fallback", "{}: push {}: {}", fallback.device, sequence,
              base::to_string(answer.error()));
    return try_again(fallback.device, base::Duration::zero());
  }
  switch (verdict_of(*answer, fallback.kind)) {
    case Verdict::kSent:
      its.failures = 0;
      count(fallback, "sent");
      return note_sent(fallback, sequence);
    case Verdict::kAddressGone:
      count(fallback, "gone");
      base::log(LogLevel::kInfo, "fallback", "{}: its address is gone", fallback.device);
      return forget_address(fallback);
    case Verdict::kRefused:
      count(fallback, "refused");
      base::log(LogLevel::kWarning, "fallback", "{}: push {} was refused with {}", fallback.device,
                sequence, summary_of(*answer));
      return note_sent(fallback, sequence);
    case Verdict::kTryAgain:
      count(fallback, "later");
      return try_again(fallback.device, answer->retry_after);
    case Verdict::kWrongSetup:
      count(fallback, "later");
      base::log(LogLevel::kError, "fallback",
                "{}: push {} was answered with {}: are the service's URL, the key and the kind "
                "of pushes right?",
                fallback.device, sequence, summary_of(*answer));
      return try_again(fallback.device, answer->status == 400 ? kRetrySeldom : answer->retry_after);
  }
}

void LastResort::try_again(const std::string& device, base::Duration wait) {
  Case& its = cases_[device];
  const int doublings = std::min(its.failures++, 16);
  const base::Duration own = std::min<base::Duration>(kRetryLast, kRetryFirst * (1 << doublings));
  its.try_at = io::now() + std::max(own, std::min<base::Duration>(wait, std::chrono::hours(1)));
  plan(its.try_at);
}

/// The next push of the device goes out when this is durable.
void LastResort::note_sent(const store::Fallback& fallback, store::Sequence sequence) {
  cases_[fallback.device].under_way = true;
  const auto queued = parts_.store.run(
      [id = fallback.id, sequence](store::Database& database) -> base::Result<void> {
        auto fallbacks = store::Fallbacks::prepare(database);
        if (!fallbacks) return base::fail(fallbacks.error());
        return fallbacks->set_sent(id, sequence);
      },
      [this, alive = std::weak_ptr(alive_), device = fallback.device](base::Result<void> done) {
        if (alive.expired()) return;
        cases_[device].under_way = false;
        if (!done) {
          base::log(LogLevel::kError, "fallback", "{}", base::to_string(done.error()));
          return try_again(device, base::Duration::zero());
        }
        plan(io::now());
      });
  if (queued) return;
  cases_[fallback.device].under_way = false;
  try_again(fallback.device, base::Duration::zero());
}

void LastResort::forget_address(const store::Fallback& fallback) {
  parts_.audit("fallback_gone", fallback.device);
  const auto queued = parts_.store.run(
      [id = fallback.id,
       address = fallback.address](store::Database& database) -> base::Result<void> {
        auto fallbacks = store::Fallbacks::prepare(database);
        if (!fallbacks) return base::fail(fallbacks.error());
        return fallbacks->remove_address(id, address);
      },
      [this, alive = std::weak_ptr(alive_), device = fallback.device](base::Result<void> done) {
        if (alive.expired()) return;
        if (done) return plan(io::now());
        base::log(LogLevel::kError, "fallback", "{}", base::to_string(done.error()));
        try_again(device, base::Duration::zero());
      });
  if (!queued) try_again(fallback.device, base::Duration::zero());
}

void LastResort::count(const store::Fallback& fallback, const char* result) {
  parts_.metrics
      .counter("wakeline_fallback_requests_total", "Pushes sent the last way, by what came of it",
               {{"kind", fallback.kind == store::FallbackKind::kApns ? "apns" : "web_push"},
                {"result", result}})
      .add();
}

}  // namespace wakeline::server
