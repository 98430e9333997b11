// SPDX-License-Identifier: Apache-2.0
#include "app/host_channel.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "app/errors.h"
#include "base/log.h"
#include "io/clock.h"

namespace wakeline::app {
namespace {

namespace host = wire::host;

/// A deadline that fires so late belongs to a process that was suspended meanwhile: the answer may
/// lie in the socket unread.
constexpr base::Duration kLate = std::chrono::milliseconds(500);

Error no_host(const std::string& why) { return {ErrorCode::kNoHost, "no Wakeline host: " + why}; }

}  // namespace

base::Result<std::unique_ptr<HostChannel>> HostChannel::create(io::Loop& loop, std::string path,
                                                               Events events) {
  std::unique_ptr<HostChannel> channel(new HostChannel(loop, std::move(path), std::move(events)));
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime,
                                         [raw = channel.get()] { raw->on_time(); });
  if (!timer) return base::fail(timer.error());
  channel->timer_ = std::move(*timer);
  return channel;
}

void HostChannel::start() { connect(); }

void HostChannel::connect() {
  retry_at_ = base::kNever;
  if (path_.empty()) return lose(no_host("WAKELINE_HOST is not set"), base::Duration::max());
  auto connected = io::connect_seqpacket(loop_, path_);
  if (!connected) {
    return lose(no_host(path_ + ": " + base::to_string(connected.error())), next_retry());
  }
  socket_ = std::move(*connected);
  socket_->start(
      host::kMessageMax,
      [this](std::string_view datagram, const std::vector<io::UniqueFd>&) {
        on_datagram(datagram);
      },
      [this](base::Error error) {
        lose(no_host("the connection ended: " + base::to_string(error)), next_retry());
      });
  hello_ = ++last_request_;
  hello_due_ = io::now() + kWelcomeTimeout;
  arm();
  auto text = host::encode(host::Hello{.request = hello_});
  if (text) socket_->send(std::move(*text));
}

void HostChannel::send(host::RequestId id, const host::Message& message, int fd, OnReply on_reply) {
  if (!ready_) return answer_later(std::move(on_reply), absence_);
  auto text = host::encode(message);
  if (!text) return answer_later(std::move(on_reply), to_public(text.error()));
  waiting_.emplace(id, Waiting{io::now() + kReplyTimeout, std::move(on_reply)});
  arm();
  socket_->send(std::move(*text), fd);
}

void HostChannel::answer_later(OnReply on_reply, Error error) {
  loop_.post(
      [on_reply = std::move(on_reply), error = std::move(error), alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) on_reply(error);
      });
}

void HostChannel::on_datagram(std::string_view datagram) {
  const auto message = host::decode(datagram);
  if (!message) {
    // A newer host may say what this version does not know.
    base::log(base::LogLevel::kWarning, "app", "host message: {} {}", message.error().field,
              message.error().message);
    return;
  }
  if (const auto* reply = std::get_if<host::Reply>(&*message)) return on_reply(*reply);
  if (const auto* welcome = std::get_if<host::Welcome>(&*message)) return on_welcome(*welcome);
  if (ready_) events_.on_message(*message);
}

void HostChannel::on_reply(const host::Reply& reply) {
  if (reply.request == hello_ && hello_ != 0) {
    return lose(to_public(reply.error, "the Wakeline host refuses this process: " + reply.message),
                next_refused_retry());
  }
  const auto found = waiting_.find(reply.request);
  if (found == waiting_.end()) return;
  const OnReply on_reply = std::move(found->second.on_reply);
  waiting_.erase(found);
  arm();
  if (reply.error == base::ErrorCode::kOk) return on_reply(reply.value);
  on_reply(to_public(reply.error, reply.message));
}

void HostChannel::on_welcome(const host::Welcome& welcome) {
  if (hello_ == 0 || welcome.request != hello_) return;
  if (welcome.version != host::kProtocolVersion) {
    return lose({ErrorCode::kUnsupported,
                 "the Wakeline host speaks version " + std::to_string(welcome.version)},
                next_refused_retry());
  }
  hello_ = 0;
  hello_due_ = base::kNever;
  retry_ = kRetryMin;
  refused_retry_ = kRefusedRetryMin;
  ready_ = true;
  arm();
  events_.on_ready(welcome);
}

void HostChannel::on_time() {
  const base::Instant now = io::now();
  if (retry_at_ <= now) return connect();
  base::Instant due = hello_due_;
  for (const auto& [id, waiting] : waiting_) due = std::min(due, waiting.due);
  if (due > now) return arm();
  if (now - due > kLate) {
    if (hello_due_ != base::kNever) hello_due_ = now + kWelcomeTimeout;
    for (auto& [id, waiting] : waiting_) waiting.due = now + kReplyTimeout;
    return arm();
  }
  lose({ErrorCode::kTimeout, "the Wakeline host does not answer"}, next_retry());
}

base::Duration HostChannel::next_retry() {
  return std::exchange(retry_, std::min(retry_ * 2, kRetryMax));
}

base::Duration HostChannel::next_refused_retry() {
  return std::exchange(refused_retry_, std::min(refused_retry_ * 2, kRefusedRetryMax));
}

void HostChannel::lose(Error why, base::Duration retry_in) {
  socket_.reset();
  ready_ = false;
  absence_ = std::move(why);
  hello_ = 0;
  hello_due_ = base::kNever;
  retry_at_ = base::saturating_add(io::now(), retry_in);
  const auto unanswered = std::exchange(waiting_, {});
  arm();
  events_.on_absent();
  for (const auto& [id, waiting] : unanswered) waiting.on_reply(absence_);
}

void HostChannel::arm() {
  base::Instant next = std::min(retry_at_, hello_due_);
  for (const auto& [id, waiting] : waiting_) next = std::min(next, waiting.due);
  timer_->set(next);
}

}  // namespace wakeline::app
