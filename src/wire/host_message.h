// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "wire/host_control.h"

/// The messages between an app (or a control client) and the host: one JSON object a datagram of a
/// SOCK_SEQPACKET Unix socket, file descriptors beside it. docs/protocol.md documents them; this
/// header is their one definition.
namespace wakeline::wire::host {

inline constexpr int kProtocolVersion = 1;
/// Bytes of one datagram; longer is kTooLarge.
inline constexpr std::size_t kMessageMax = 32'768;
// Limits of the fields, in bytes of UTF-8. Together they keep the longest message, every byte of it
// escaped, within kMessageMax.
inline constexpr std::size_t kNameMax = 64;        ///< ids, names, categories, tags, labels
inline constexpr std::size_t kSoundMax = 255;      ///< Notification::sound
inline constexpr std::size_t kTokenMax = 512;      ///< NotificationActivated::activation_token
inline constexpr std::size_t kTitleMax = 256;      ///< Notification::title
inline constexpr std::size_t kBodyMax = 2'048;     ///< Notification::body
inline constexpr std::size_t kPayloadMax = 2'048;  ///< Notification::payload
inline constexpr std::size_t kDetailMax = 512;     ///< Reply::message, LedgerLine::detail
inline constexpr std::size_t kActionsMax = 4;      ///< actions of a notification
inline constexpr std::size_t kPathMax = 1'024;     ///< folders of Welcome
inline constexpr std::size_t kAppsMax = 16;        ///< apps of one AppList
inline constexpr std::size_t kAddressesMax = 32;   ///< addresses of one NetworkChanged
inline constexpr std::size_t kRoutesMax = 8;       ///< default routes of one NetworkChanged
inline constexpr std::size_t kInterfaceMax = 16;   ///< IFNAMSIZ
/// Follow::backlog, in entries: below what a connection may hold unsent (1,024 messages). A longer
/// history is in the ledger's file.
inline constexpr std::uint32_t kBacklogMax = 1'000;

/// Background time without a limit, in ms: what every JSON reader can hold (2^53 - 1).
inline constexpr std::uint64_t kTimeUnlimited = 9'007'199'254'740'991;

// Every request carries a `request` number (RequestId) chosen by its sender (> 0); its `Reply`
// repeats it.

enum class LaunchReason : std::uint8_t { kUser, kBoot, kCrash, kNotification, kAdopted };
enum class AppState : std::uint8_t {
  kStopped,
  kStarting,
  kForeground,
  kBackground,
  kSuspended,
  kWaiting
};
enum class WakeCause : std::uint8_t {
  kNone,
  kSocketData,    ///< bytes on a tagged socket (C9)
  kSocketEnd,     ///< the peer closed (C10)
  kSocketError,   ///< reset or another error (C10)
  kKeepAlive,     ///< the keep-alive handler is due (C15)
  kNotification,  ///< the user acted on a notification (C28)
  kNetwork,       ///< addresses or routes changed (C31)
  kForeground,    ///< the user opened the app
  kWakeRequest,   ///< C40
  kTask,          ///< a background task is about to expire (C21)
  kControl,       ///< an operator's command
  kHostStopping,  ///< the host ends, everything runs
  kIpc,           ///< its local sockets: a short slice, so that they do not overflow their peers,
                  ///< or a whole window where its manifest says so
  kCall,          ///< the cellular call is over that interrupted its audio session (C29, C30)
};
/// A cellular call of this device (C30).
enum class CallState : std::uint8_t { kEnded, kIncoming, kActive };
std::string_view name(LaunchReason);
std::string_view name(AppState);
std::string_view name(WakeCause);
std::string_view name(CallState);

/// Urgency of a local notification, as org.freedesktop.Notifications numbers it.
enum class Urgency : std::uint8_t { kLow = 0, kNormal = 1, kCritical = 2 };
std::string_view name(Urgency);

struct NotificationAction {
  std::string id;     ///< "answer"; not "default", which is the notification itself
  std::string label;  ///< "Answer"
  friend bool operator==(const NotificationAction&, const NotificationAction&) = default;
};
/// A local notification (C27).
struct Notification {
  std::string title;  ///< required
  std::string body;
  std::string category;  ///< "call.incoming", "im.received", …; may be empty
  std::string sound;     ///< a name of the freedesktop sound theme, or a file's absolute path
  std::string
      tag;  ///< a later one with the same tag of the same app replaces this one; may be empty
  std::string payload;  ///< given back with the action or opening
  Urgency urgency = Urgency::kNormal;
  std::vector<NotificationAction> actions;  ///< at most kActionsMax
  friend bool operator==(const Notification&, const Notification&) = default;
};

// --- app → host
// -------------------------------------------------------------------------------------------------
struct Hello {  ///< the first message; `role` "app" or "control"
  RequestId request = 0;
  int version = kProtocolVersion;
  std::string role = "app";
  friend bool operator==(const Hello&, const Hello&) = default;
};
struct Tag {  ///< C3; the socket rides along as the one file descriptor; `fd` is its number in the
              ///< sender
  RequestId request = 0;
  int fd = -1;
  friend bool operator==(const Tag&, const Tag&) = default;
};
struct Untag {
  RequestId request = 0;
  std::uint64_t tag = 0;
  friend bool operator==(const Untag&, const Untag&) = default;
};
struct QueryTag {  ///< C5: is this connection wake-capable now?
  RequestId request = 0;
  std::uint64_t tag = 0;
  friend bool operator==(const QueryTag&, const QueryTag&) = default;
};
struct BeginTask {  ///< C20
  RequestId request = 0;
  std::string name;
  friend bool operator==(const BeginTask&, const BeginTask&) = default;
};
struct EndTask {
  RequestId request = 0;
  std::uint64_t task = 0;
  friend bool operator==(const EndTask&, const EndTask&) = default;
};
struct QueryTime {  ///< C20: what is left of the pool, in ms; kTimeUnlimited in the foreground
  RequestId request = 0;
  friend bool operator==(const QueryTime&, const QueryTime&) = default;
};
struct SetKeepAlive {  ///< C15, C16; 0 clears
  RequestId request = 0;
  std::uint32_t timeout_s = 0;
  friend bool operator==(const SetKeepAlive&, const SetKeepAlive&) = default;
};
struct KeepAliveDone {  ///< the handler returned
  RequestId request = 0;
  friend bool operator==(const KeepAliveDone&, const KeepAliveDone&) = default;
};
struct SetAudioSession {  ///< C29: not suspended while it is active
  RequestId request = 0;
  bool active = false;
  friend bool operator==(const SetAudioSession&, const SetAudioSession&) = default;
};
struct RequestWake {  ///< C40: a wake so long from now
  RequestId request = 0;
  std::uint32_t earliest_ms = 0;
  std::uint32_t latest_ms = 0;  ///< not below earliest_ms
  friend bool operator==(const RequestWake&, const RequestWake&) = default;
};
struct CancelWake {
  RequestId request = 0;
  std::uint64_t wake = 0;
  friend bool operator==(const CancelWake&, const CancelWake&) = default;
};
struct Notify {
  RequestId request = 0;
  Notification notification;
  friend bool operator==(const Notify&, const Notify&) = default;
};

// --- control client → host
// ----------------------------------------------------------------------------------------
enum class Command : std::uint8_t { kLaunch, kForeground, kBackground, kClose };
std::string_view name(Command);
struct Control {
  RequestId request = 0;
  Command command = Command::kLaunch;
  std::string app;
  friend bool operator==(const Control&, const Control&) = default;
};
struct List {
  RequestId request = 0;
  friend bool operator==(const List&, const List&) = default;
};
struct Follow {  ///< ledger entries from now on, as `LedgerLine`s, after the newest `backlog` ones
  RequestId request = 0;
  std::uint32_t backlog = 0;
  friend bool operator==(const Follow&, const Follow&) = default;
};

// --- host → app or control client
// -----------------------------------------------------------------------------------
struct Welcome {
  RequestId request = 0;
  int version = kProtocolVersion;
  std::string app;  ///< the app's id; empty for a control client
  std::string profile;
  LaunchReason launch_reason = LaunchReason::kUser;
  AppState state = AppState::kBackground;
  std::uint32_t wake_window_ms = 0;
  std::uint32_t keep_alive_min_s = 0;
  std::uint32_t task_pool_ms = 0;
  std::string state_folder;  ///< where the host's ledger and settings are; for a control client
  std::string apps_folder;   ///< the first of its folders of manifests; for a control client
  friend bool operator==(const Welcome&, const Welcome&) = default;
};
struct Reply {  ///< the answer to every request but Hello and List
  RequestId request = 0;
  base::ErrorCode error = base::ErrorCode::kOk;
  std::string message;  ///< what to do about it; empty with kOk
  std::uint64_t value =
      0;  ///< the tag, task, wake or notification; remaining time in ms; 1/0 for QueryTag
  friend bool operator==(const Reply&, const Reply&) = default;
};
struct StateChanged {
  AppState state = AppState::kBackground;  ///< kForeground or kBackground
  friend bool operator==(const StateChanged&, const StateChanged&) = default;
};
struct Woken {  ///< sent at the resume, never on the way of the wake itself
  WakeCause cause = WakeCause::kNone;
  std::uint64_t tag = 0;  ///< 0 where no socket is the cause
  std::uint32_t window_ms = 0;
  friend bool operator==(const Woken&, const Woken&) = default;
};
struct RunKeepAlive {
  std::uint32_t budget_ms = 0;
  friend bool operator==(const RunKeepAlive&, const RunKeepAlive&) = default;
};
struct ExpireTask {
  std::uint64_t task = 0;
  std::uint32_t left_ms = 0;
  friend bool operator==(const ExpireTask&, const ExpireTask&) = default;
};
struct WakeDue {  ///< C40; also when it shares the wake of something else
  std::uint64_t wake = 0;
  friend bool operator==(const WakeDue&, const WakeDue&) = default;
};
struct CallStateChanged {  ///< C30
  CallState state = CallState::kEnded;
  friend bool operator==(const CallStateChanged&, const CallStateChanged&) = default;
};
struct NetworkAddress {
  std::string interface;  ///< "wlan0"
  std::string address;    ///< "192.0.2.7", "2001:db8::7"
  friend bool operator==(const NetworkAddress&, const NetworkAddress&) = default;
};
struct NetworkRoute {  ///< a default route
  std::string interface;
  std::string gateway;  ///< empty: point to point
  friend bool operator==(const NetworkRoute&, const NetworkRoute&) = default;
};
/// C31. Addresses and routes are the truth; without a route nothing is reachable as far as is
/// known, which is no reason not to try.
struct NetworkChanged {
  std::vector<NetworkAddress> addresses;  ///< of global scope, in a stable order
  std::vector<NetworkRoute> routes;       ///< the preferred one first
  std::string kind;      ///< a hint: "wifi", "ethernet", "cellular"; empty where unknown
  bool metered = false;  ///< a hint
  friend bool operator==(const NetworkChanged&, const NetworkChanged&) = default;
};
struct NotificationActivated {  ///< C28; `action` "default" when the notification itself was opened
  std::uint64_t notification = 0;
  std::string action;
  std::string payload;
  std::string activation_token;  ///< with it the app may take the focus; empty: none was given
  friend bool operator==(const NotificationActivated&, const NotificationActivated&) = default;
};
struct AppInfo {
  std::string app;
  std::string name;
  AppState state = AppState::kStopped;
  std::int64_t pid = 0;
  std::uint32_t tags = 0;
  std::uint64_t wakes = 0;
  std::uint64_t cpu_us = 0;       ///< CPU time of the app's cgroup since its launch
  std::uint32_t limiter = 0;      ///< wakes in the limiter's span (C13)
  std::uint32_t limit = 0;        ///< how many it allows; 0: no limit
  std::uint64_t deadline_ms = 0;  ///< from now to its next deadline; 0: none
  std::uint64_t memory_kib = 0;   ///< resident, of all its processes
  std::uint64_t awake_us = 0;     ///< since it was last launched or resumed; 0 while suspended
  /// When memory of this run was last given back, since 1970, UTC; 0: it never was.
  std::int64_t given_back_ns = 0;
  std::uint64_t given_back_kib = 0;  ///< how much that was
  /// Why it was not, where it was tried then; kOk: it was.
  base::ErrorCode give_back_error = base::ErrorCode::kOk;
  friend bool operator==(const AppInfo&, const AppInfo&) = default;
};
/// The answer to List; a long one comes as several, `more` in all but the last.
struct AppList {
  RequestId request = 0;
  std::vector<AppInfo> apps;
  bool more = false;
  friend bool operator==(const AppList&, const AppList&) = default;
};
/// One line of the ledger, as it is stored and printed.
struct LedgerLine {
  std::uint64_t id = 0;
  std::int64_t wall_ns = 0;  ///< since 1970, UTC
  std::string app;
  std::string event;            ///< "suspend", "wake", "launch", "refuse", "exit", …
  std::string reason;           ///< "socket_data", "quiet", …
  std::string detail;           ///< for people
  std::int64_t latency_ns = 0;  ///< wake: event seen by the host → resumed; suspend: time to freeze
  std::uint64_t cpu_us = 0;     ///< CPU time of the app since its launch, at this moment
  std::string socket;           ///< wake by a socket: the other end of the connection
  std::uint64_t awake_us = 0;   ///< suspend, exit: time since it was last launched or resumed
  std::uint64_t used_us = 0;    ///< suspend, exit: CPU time that it used in this time
  friend bool operator==(const LedgerLine&, const LedgerLine&) = default;
};

using Message =
    std::variant<Hello, Tag, Untag, QueryTag, BeginTask, EndTask, QueryTime, SetKeepAlive,
                 KeepAliveDone, SetAudioSession, RequestWake, CancelWake, Notify, Control, List,
                 Follow, Run, Await, Signal, Reload, Welcome, Reply, StateChanged, Woken,
                 RunKeepAlive, ExpireTask, WakeDue, CallStateChanged, NetworkChanged,
                 NotificationActivated, AppList, LedgerLine, Ended>;

/// What is wrong with a datagram, for its sender and the log.
struct MessageError {
  base::ErrorCode code =
      base::ErrorCode::kMalformed;  ///< kMalformed, kTooLarge, kUnsupported (version or type)
  std::string field;
  std::string message;
  RequestId request = 0;  ///< 0 when it could not be read
  friend bool operator==(const MessageError&, const MessageError&) = default;
};

/// Reads one datagram: {"v":1,"type":"tag","request":7,…}. Unknown fields are ignored (a newer
/// peer), unknown types are kUnsupported, a missing or mistyped field is kMalformed and names it.
std::expected<Message, MessageError> decode(std::string_view datagram);
/// The datagram's text; always at most kMessageMax for values within their limits. A field that may
/// be missing is left out where it holds its default.
/// Errors: kTooLarge (a text or list over its limit), kInvalidArgument (another value that decode
/// would refuse).
base::Result<std::string> encode(const Message& message);

}  // namespace wakeline::wire::host
