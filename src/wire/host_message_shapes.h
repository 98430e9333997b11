// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tuple>

#include "wire/host_message.h"
#include "wire/json_fields.h"

/// The JSON form of each host message: its type's word, and its fields with their limits. Only for
/// host_message.cc.
namespace wakeline::wire::json_fields {

using namespace host;  // NOLINT(google-build-using-namespace): this file is about those alone

inline bool is_role(std::string_view role) { return role == "app" || role == "control"; }
/// "default" stands for the notification itself (Desktop Notifications 1.2).
inline bool is_button(std::string_view action) { return action != "default"; }

/// The number that a request carries and its answer repeats.
template <class M>
constexpr auto request() {
  return number("request", &M::request, 1);
}

template <>
struct Shape<NotificationAction> {
  static constexpr std::tuple kFields = {
      text("id", &NotificationAction::id, kNameMax, 1).that(is_button, "must not be 'default'"),
      text("label", &NotificationAction::label, kNameMax, 1)};
};
template <>
struct Shape<Notification> {
  static constexpr std::tuple kFields = {
      text("title", &Notification::title, host::kTitleMax, 1),
      text("body", &Notification::body, kBodyMax).optional(),
      text("category", &Notification::category, kNameMax).optional(),
      text("sound", &Notification::sound, kSoundMax).optional(),
      text("tag", &Notification::tag, kNameMax).optional(),
      text("payload", &Notification::payload, kPayloadMax).optional(),
      choice("urgency", &Notification::urgency, host::Urgency::kCritical).optional(),
      list("actions", &Notification::actions, kActionsMax).optional()};
};

// --- app → host
template <>
struct Shape<Hello> {
  static constexpr std::string_view kType = "hello";
  static constexpr std::tuple kFields = {
      request<Hello>(),
      text("role", &Hello::role, kNameMax, 1).that(is_role, "must be 'app' or 'control'")};
};
template <>
struct Shape<Tag> {
  static constexpr std::string_view kType = "tag";
  static constexpr std::tuple kFields = {request<Tag>(), number("fd", &Tag::fd)};
};
template <>
struct Shape<Untag> {
  static constexpr std::string_view kType = "untag";
  static constexpr std::tuple kFields = {request<Untag>(), number("tag", &Untag::tag)};
};
template <>
struct Shape<QueryTag> {
  static constexpr std::string_view kType = "query_tag";
  static constexpr std::tuple kFields = {request<QueryTag>(), number("tag", &QueryTag::tag)};
};
template <>
struct Shape<BeginTask> {
  static constexpr std::string_view kType = "begin_task";
  static constexpr std::tuple kFields = {request<BeginTask>(),
                                         text("name", &BeginTask::name, kNameMax).optional()};
};
template <>
struct Shape<EndTask> {
  static constexpr std::string_view kType = "end_task";
  static constexpr std::tuple kFields = {request<EndTask>(), number("task", &EndTask::task)};
};
template <>
struct Shape<QueryTime> {
  static constexpr std::string_view kType = "query_time";
  static constexpr std::tuple kFields = {request<QueryTime>()};
};
template <>
struct Shape<SetKeepAlive> {
  static constexpr std::string_view kType = "set_keep_alive";
  static constexpr std::tuple kFields = {request<SetKeepAlive>(),
                                         number("timeout_s", &SetKeepAlive::timeout_s)};
};
template <>
struct Shape<KeepAliveDone> {
  static constexpr std::string_view kType = "keep_alive_done";
  static constexpr std::tuple kFields = {request<KeepAliveDone>()};
};
template <>
struct Shape<SetAudioSession> {
  static constexpr std::string_view kType = "set_audio_session";
  static constexpr std::tuple kFields = {request<SetAudioSession>(),
                                         flag("active", &SetAudioSession::active)};
};
template <>
struct Shape<RequestWake> {
  static constexpr std::string_view kType = "request_wake";
  static constexpr std::tuple kFields = {request<RequestWake>(),
                                         number("earliest_ms", &RequestWake::earliest_ms),
                                         number("latest_ms", &RequestWake::latest_ms)};
};
template <>
struct Shape<CancelWake> {
  static constexpr std::string_view kType = "cancel_wake";
  static constexpr std::tuple kFields = {request<CancelWake>(), number("wake", &CancelWake::wake)};
};
template <>
struct Shape<Notify> {
  static constexpr std::string_view kType = "notify";
  static constexpr std::tuple kFields = {request<Notify>(),
                                         object("notification", &Notify::notification)};
};

// --- control client → host
template <>
struct Shape<Control> {
  static constexpr std::string_view kType = "control";
  static constexpr std::tuple kFields = {request<Control>(),
                                         choice("command", &Control::command, Command::kClose),
                                         text("app", &Control::app, kNameMax, 1)};
};
template <>
struct Shape<List> {
  static constexpr std::string_view kType = "list";
  static constexpr std::tuple kFields = {request<List>()};
};
template <>
struct Shape<Follow> {
  static constexpr std::string_view kType = "follow";
  static constexpr std::tuple kFields = {
      request<Follow>(), number("backlog", &Follow::backlog, 0, kBacklogMax).optional()};
};

template <>
struct Shape<Run> {
  static constexpr std::string_view kType = "run";
  static constexpr std::tuple kFields = {request<Run>(),
                                         flag("background", &Run::background).optional()};
};
template <>
struct Shape<Await> {
  static constexpr std::string_view kType = "await";
  static constexpr std::tuple kFields = {request<Await>(), text("app", &Await::app, kNameMax, 1)};
};
template <>
struct Shape<Signal> {
  static constexpr std::string_view kType = "signal";
  static constexpr std::tuple kFields = {request<Signal>(), text("app", &Signal::app, kNameMax, 1),
                                         choice("signal", &Signal::signal, SignalWord::kQuit)};
};
template <>
struct Shape<Reload> {
  static constexpr std::string_view kType = "reload";
  static constexpr std::tuple kFields = {request<Reload>()};
};

// --- host → app or control client
template <>
struct Shape<Ended> {
  static constexpr std::string_view kType = "ended";
  static constexpr std::tuple kFields = {request<Ended>(), flag("known", &Ended::known),
                                         flag("signaled", &Ended::signaled),
                                         number("code", &Ended::code)};
};
template <>
struct Shape<Welcome> {
  static constexpr std::string_view kType = "welcome";
  static constexpr std::tuple kFields = {
      request<Welcome>(),
      text("app", &Welcome::app, kNameMax).optional(),
      text("profile", &Welcome::profile, kNameMax).optional(),
      choice("launch_reason", &Welcome::launch_reason, LaunchReason::kAdopted),
      choice("state", &Welcome::state, AppState::kWaiting),
      number("wake_window_ms", &Welcome::wake_window_ms),
      number("keep_alive_min_s", &Welcome::keep_alive_min_s),
      number("task_pool_ms", &Welcome::task_pool_ms),
      text("state_folder", &Welcome::state_folder, host::kPathMax).optional(),
      text("apps_folder", &Welcome::apps_folder, host::kPathMax).optional()};
};
inline constexpr auto kLastError =
    static_cast<base::ErrorCode>(std::to_underlying(base::ErrorCode::kCount) - 1);
template <>
struct Shape<Reply> {
  static constexpr std::string_view kType = "reply";
  // 0: the request's number could not be read.
  static constexpr std::tuple kFields = {number("request", &Reply::request),
                                         choice("error", &Reply::error, kLastError),
                                         text("message", &Reply::message, kDetailMax).optional(),
                                         number("value", &Reply::value).optional()};
};
template <>
struct Shape<StateChanged> {
  static constexpr std::string_view kType = "state_changed";
  static constexpr std::tuple kFields = {
      choice("state", &StateChanged::state, AppState::kBackground, AppState::kForeground)};
};
template <>
struct Shape<Woken> {
  static constexpr std::string_view kType = "woken";
  static constexpr std::tuple kFields = {choice("cause", &Woken::cause, WakeCause::kCall),
                                         number("tag", &Woken::tag).optional(),
                                         number("window_ms", &Woken::window_ms)};
};
template <>
struct Shape<RunKeepAlive> {
  static constexpr std::string_view kType = "run_keep_alive";
  static constexpr std::tuple kFields = {number("budget_ms", &RunKeepAlive::budget_ms)};
};
template <>
struct Shape<ExpireTask> {
  static constexpr std::string_view kType = "expire_task";
  static constexpr std::tuple kFields = {number("task", &ExpireTask::task),
                                         number("left_ms", &ExpireTask::left_ms)};
};
template <>
struct Shape<WakeDue> {
  static constexpr std::string_view kType = "wake_due";
  static constexpr std::tuple kFields = {number("wake", &WakeDue::wake)};
};
template <>
struct Shape<CallStateChanged> {
  static constexpr std::string_view kType = "call_state_changed";
  static constexpr std::tuple kFields = {
      choice("state", &CallStateChanged::state, CallState::kActive)};
};
template <>
struct Shape<NetworkAddress> {
  static constexpr std::tuple kFields = {
      text("interface", &NetworkAddress::interface, kInterfaceMax, 1),
      text("address", &NetworkAddress::address, kNameMax, 1)};
};
template <>
struct Shape<NetworkRoute> {
  static constexpr std::tuple kFields = {
      text("interface", &NetworkRoute::interface, kInterfaceMax, 1),
      text("gateway", &NetworkRoute::gateway, kNameMax).optional()};
};
template <>
struct Shape<NetworkChanged> {
  static constexpr std::string_view kType = "network_changed";
  static constexpr std::tuple kFields = {
      list("addresses", &NetworkChanged::addresses, host::kAddressesMax),
      list("routes", &NetworkChanged::routes, kRoutesMax),
      text("kind", &NetworkChanged::kind, kNameMax).optional(),
      flag("metered", &NetworkChanged::metered).optional()};
};
template <>
struct Shape<NotificationActivated> {
  static constexpr std::string_view kType = "notification_activated";
  static constexpr std::tuple kFields = {
      number("notification", &NotificationActivated::notification),
      text("action", &NotificationActivated::action, kNameMax, 1),
      text("payload", &NotificationActivated::payload, kPayloadMax).optional(),
      text("activation_token", &NotificationActivated::activation_token, kTokenMax).optional()};
};
template <>
struct Shape<AppInfo> {
  static constexpr std::tuple kFields = {
      text("app", &AppInfo::app, kNameMax, 1),
      text("name", &AppInfo::name, kNameMax).optional(),
      choice("state", &AppInfo::state, AppState::kWaiting),
      number("pid", &AppInfo::pid).optional(),
      number("tags", &AppInfo::tags).optional(),
      number("wakes", &AppInfo::wakes).optional(),
      number("cpu_us", &AppInfo::cpu_us).optional(),
      number("limiter", &AppInfo::limiter).optional(),
      number("limit", &AppInfo::limit).optional(),
      number("deadline_ms", &AppInfo::deadline_ms).optional(),
      number("memory_kib", &AppInfo::memory_kib).optional(),
      number("awake_us", &AppInfo::awake_us).optional(),
      number("given_back_ns", &AppInfo::given_back_ns).optional(),
      number("given_back_kib", &AppInfo::given_back_kib).optional(),
      choice("give_back_error", &AppInfo::give_back_error, kLastError).optional()};
};
template <>
struct Shape<AppList> {
  static constexpr std::string_view kType = "app_list";
  static constexpr std::tuple kFields = {request<AppList>(), list("apps", &AppList::apps, kAppsMax),
                                         flag("more", &AppList::more).optional()};
};
template <>
struct Shape<LedgerLine> {
  static constexpr std::string_view kType = "ledger_line";
  static constexpr std::tuple kFields = {number("id", &LedgerLine::id),
                                         number("wall_ns", &LedgerLine::wall_ns),
                                         text("app", &LedgerLine::app, kNameMax).optional(),
                                         text("event", &LedgerLine::event, kNameMax, 1),
                                         text("reason", &LedgerLine::reason, kNameMax).optional(),
                                         text("detail", &LedgerLine::detail, kDetailMax).optional(),
                                         number("latency_ns", &LedgerLine::latency_ns).optional(),
                                         number("cpu_us", &LedgerLine::cpu_us).optional(),
                                         text("socket", &LedgerLine::socket, kNameMax).optional(),
                                         number("awake_us", &LedgerLine::awake_us).optional(),
                                         number("used_us", &LedgerLine::used_us).optional()};
};

}  // namespace wakeline::wire::json_fields
