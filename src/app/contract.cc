// SPDX-License-Identifier: Apache-2.0
#include "app/contract.h"

#include <optional>
#include <utility>
#include <variant>

#include "app/errors.h"
#include "app/socket_check.h"
#include "base/log.h"

namespace wakeline::app {
namespace {

namespace host = wire::host;

template <class T>
constexpr int number(T value) {
  return static_cast<int>(value);
}
static_assert(number(WakeCause::kCall) == number(host::WakeCause::kCall));
static_assert(number(WakeCause::kTask) == number(host::WakeCause::kTask));
static_assert(number(CallState::kActive) == number(host::CallState::kActive));
static_assert(number(NotificationUrgency::kCritical) == number(host::Urgency::kCritical));

host::Notification to_wire(const Notification& notification) {
  host::Notification made{
      .title = notification.title,
      .body = notification.body,
      .category = notification.category,
      .sound = notification.sound,
      .tag = notification.tag,
      .payload = notification.payload,
      .urgency = static_cast<host::Urgency>(notification.urgency),
      .actions = {},
  };
  for (const auto& action : notification.actions) made.actions.push_back({action.id, action.label});
  return made;
}

NetworkFacts facts_of(const host::NetworkChanged& network) {
  NetworkFacts facts{.kind = network.kind, .metered = network.metered};
  for (const auto& a : network.addresses) facts.addresses.push_back({a.interface, a.address});
  for (const auto& r : network.routes) facts.routes.push_back({r.interface, r.gateway});
  return facts;
}

}  // namespace

base::Result<std::unique_ptr<Contract>> Contract::create(io::Loop& loop, std::string host_path,
                                                         Events events) {
  std::unique_ptr<Contract> made(new Contract(std::move(events)));
  auto* raw = made.get();
  auto keep_alive = KeepAlive::create(loop);
  if (!keep_alive) return base::fail(keep_alive.error());
  made->keep_alive_ = std::move(*keep_alive);
  auto wakes = Wakes::create(loop);
  if (!wakes) return base::fail(wakes.error());
  made->wakes_ = std::move(*wakes);
  auto channel = HostChannel::create(
      loop, std::move(host_path),
      {.on_ready = [raw](const host::Welcome& welcome) { raw->on_ready(welcome); },
       .on_absent = [raw] { raw->on_absent(); },
       .on_message = [raw](const host::Message& message) { raw->on_message(message); }});
  if (!channel) return base::fail(channel.error());
  made->channel_ = std::move(*channel);
  made->keep_alive_->attach(*made->channel_);
  made->wakes_->attach(*made->channel_);
  return made;
}

Result<host::Welcome> Contract::host() const {
  if (!channel_->ready()) return channel_->absence();
  return welcome_;
}

TagKey Contract::tag(int fd, std::function<void(Result<TagKey>)> done) {
  const auto cookie = check_socket(fd, ready());
  if (!cookie) {
    done(to_public(cookie.error().code, {}));
    return 0;
  }
  forget_closed();
  const TagKey key = ++last_key_;
  tags_.emplace(key, Tagged{.fd = fd, .cookie = *cookie});
  if (ready()) {
    ask_tag(key, std::move(done));
  } else {
    done(key);
  }
  return key;
}

void Contract::ask_tag(TagKey key, std::function<void(Result<TagKey>)> done) {
  Tagged& wanted = tags_.at(key);
  wanted.asked = true;
  channel_->ask(
      host::Tag{.fd = wanted.fd},
      [this, key, done = std::move(done)](const Result<std::uint64_t>& reply) {
        on_tag_answer(key, reply, done);
      },
      wanted.fd);
}

void Contract::on_tag_answer(TagKey key, const Result<std::uint64_t>& reply,
                             const std::function<void(Result<TagKey>)>& done) {
  const auto found = tags_.find(key);
  if (found == tags_.end()) {  // untagged meanwhile
    if (reply) channel_->ask(host::Untag{.tag = *reply}, ignore);
    return done(key);
  }
  found->second.asked = false;
  const auto after_answer = std::exchange(found->second.after_answer, {});
  const bool refused = !reply && channel_->ready();
  if (reply) found->second.host_id = *reply;
  if (refused) tags_.erase(found);
  // Where the host went meanwhile, the next one is asked.
  done(refused ? Result<TagKey>(reply.error()) : Result<TagKey>(key));
  for (const auto& next : after_answer) next();
}

void Contract::untag(TagKey tag) {
  const auto found = tags_.find(tag);
  if (found == tags_.end()) return;
  const Tagged former = std::move(found->second);
  tags_.erase(found);
  if (former.host_id != 0 && ready()) channel_->ask(host::Untag{.tag = former.host_id}, ignore);
  for (const auto& next : former.after_answer) next();
}

void Contract::is_wake_capable(TagKey tag, std::function<void(bool)> done) {
  const auto found = tags_.find(tag);
  if (found != tags_.end() && found->second.asked) {
    found->second.after_answer.emplace_back(
        [this, tag, done = std::move(done)] { is_wake_capable(tag, done); });
    return;
  }
  const bool known = found != tags_.end() && found->second.host_id != 0 && ready() &&
                     socket_cookie(found->second.fd) == found->second.cookie;
  if (!known) return done(false);
  channel_->ask(
      host::QueryTag{.tag = found->second.host_id},
      [done = std::move(done)](const Result<std::uint64_t>& reply) { done(reply && *reply == 1); });
}

TagKey Contract::find_tag(int fd) const {
  const std::uint64_t cookie = socket_cookie(fd);
  for (const auto& [key, tagged] : tags_) {
    if (cookie != 0 && tagged.cookie == cookie) return key;
  }
  return 0;
}

/// Drops the tags whose connections were closed: what `enable_backgrounding` leaves behind.
void Contract::forget_closed() {
  std::erase_if(tags_, [](const auto& entry) {
    return !entry.second.asked && socket_cookie(entry.second.fd) != entry.second.cookie;
  });
}

void Contract::begin_task(std::string name, std::function<void()> on_expire,
                          std::function<void(Result<TaskKey>)> done) {
  const TaskKey key = ++last_key_;
  tasks_.emplace(key, Task{std::move(name), std::move(on_expire), 0});
  if (!ready()) return done(key);
  ask_task(key, std::move(done));
}

void Contract::ask_task(TaskKey key, std::function<void(Result<TaskKey>)> done) {
  const auto answered = [this, key, done = std::move(done)](const Result<std::uint64_t>& reply) {
    const auto found = tasks_.find(key);
    if (reply && found == tasks_.end()) {
      channel_->ask(host::EndTask{.task = *reply}, ignore);
    } else if (reply) {
      found->second.host_id = *reply;
    } else if (found != tasks_.end() && channel_->ready()) {
      tasks_.erase(found);
      return done(reply.error());
    }
    done(key);
  };
  channel_->ask(host::BeginTask{.name = tasks_.at(key).name}, answered);
}

void Contract::end_task(TaskKey task) {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return;
  const std::uint64_t host_id = found->second.host_id;
  tasks_.erase(found);
  if (host_id != 0 && ready()) channel_->ask(host::EndTask{.task = host_id}, ignore);
}

void Contract::time_remaining(std::function<void(std::uint64_t)> done) {
  if (!ready()) return done(host::kTimeUnlimited);
  channel_->ask(host::QueryTime{}, [done = std::move(done)](const Result<std::uint64_t>& reply) {
    done(reply ? *reply : host::kTimeUnlimited);
  });
}

void Contract::begin_audio(std::function<void(Result<std::uint64_t>)> done) {
  const std::uint64_t session = ++last_key_;
  audio_sessions_.insert(session);
  if (!ready()) return done(session);
  channel_->ask(host::SetAudioSession{.active = true}, [this, session, done = std::move(done)](
                                                           const Result<std::uint64_t>& reply) {
    const bool refused = !reply && channel_->ready();
    if (refused) audio_sessions_.erase(session);
    done(refused ? Result<std::uint64_t>(reply.error()) : Result<std::uint64_t>(session));
  });
}

void Contract::end_audio(std::uint64_t session) {
  if (audio_sessions_.erase(session) == 0 || !audio_sessions_.empty() || !ready()) return;
  channel_->ask(host::SetAudioSession{.active = false}, ignore);
}

void Contract::notify(const Notification& notification,
                      std::function<void(Result<std::uint64_t>)> done) {
  channel_->ask(host::Notify{.notification = to_wire(notification)}, std::move(done));
}

void Contract::on_ready(const host::Welcome& welcome) {
  welcome_ = welcome;
  const auto said = [](const char* what) {
    return [what](const Result<std::uint64_t>& reply) {
      if (reply) return;
      base::log(base::LogLevel::kWarning, "app", "{}: {}", what, reply.error().message);
    };
  };
  forget_closed();
  for (const auto& [key, tagged] : tags_) ask_tag(key, said("tag"));
  for (const auto& [key, task] : tasks_) ask_task(key, said("background task"));
  if (!audio_sessions_.empty())
    channel_->ask(host::SetAudioSession{.active = true}, said("audio session"));
  wakes_->on_host_ready();
  keep_alive_->on_host_ready(std::chrono::seconds(welcome.keep_alive_min_s));
  events_.on_host_changed();
}

void Contract::on_absent() {
  for (auto& [key, tagged] : tags_) tagged.host_id = 0;
  for (auto& [key, task] : tasks_) task.host_id = 0;
  wakes_->on_host_absent();
  keep_alive_->on_host_absent();
  events_.on_host_changed();
}

void Contract::on_message(const host::Message& message) {
  if (const auto* changed = std::get_if<host::StateChanged>(&message)) {
    welcome_.state = changed->state;
    events_.on_state(changed->state == host::AppState::kForeground ? AppState::kForeground
                                                                   : AppState::kBackground);
  } else if (const auto* woken = std::get_if<host::Woken>(&message)) {
    TagKey tag = 0;
    for (const auto& [key, tagged] : tags_) {
      if (woken->tag != 0 && tagged.host_id == woken->tag) tag = key;
    }
    events_.on_woken(static_cast<WakeCause>(woken->cause), tag);
  } else if (std::holds_alternative<host::RunKeepAlive>(message)) {
    keep_alive_->on_host_run();
  } else if (const auto* expire = std::get_if<host::ExpireTask>(&message)) {
    for (const auto& [key, task] : tasks_) {
      if (task.host_id != expire->task) continue;
      const auto on_expire = task.on_expire;  // it may end the task
      return on_expire();
    }
  } else if (const auto* due = std::get_if<host::WakeDue>(&message)) {
    wakes_->on_host_due(due->wake);
  } else if (const auto* call = std::get_if<host::CallStateChanged>(&message)) {
    events_.on_call(static_cast<CallState>(call->state));
  } else if (const auto* network = std::get_if<host::NetworkChanged>(&message)) {
    events_.on_network(facts_of(*network));
  } else if (const auto* activated = std::get_if<host::NotificationActivated>(&message)) {
    events_.on_response({activated->notification, activated->action, activated->payload,
                         activated->activation_token});
  }
}

}  // namespace wakeline::app
