// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bounded_list.h"
#include "base/error.h"
#include "base/strong_id.h"
#include "base/time.h"
#include "wire/host_message.h"

/// The values that go into and come out of the host's policy machine; `doze.h` holds the machine.
namespace wakeline::doze {

using base::Duration;
using base::Instant;
using wire::host::AppState;
using wire::host::CallState;
using wire::host::LaunchReason;
using wire::host::WakeCause;

using AppId = base::StrongId<struct AppTag>;
using TagId = base::StrongId<struct SocketTagTag>;
using TaskId = base::StrongId<struct TaskTag>;
using WakeId = base::StrongId<struct WakeRequestTag>;

inline constexpr std::size_t kAppsMax = 4'096;
inline constexpr std::size_t kTagsMax = 1'024;  ///< of one app
inline constexpr std::size_t kTasksMax = 64;    ///< of one app
inline constexpr std::size_t kWakesMax = 4;     ///< wake requests that one app has at a time

/// The least window of an app that a restarted host finds running: time for the app to find the
/// host (the library looks at least every four seconds) and to tag again. Suspended before that,
/// it would sleep with nothing to wake it.
inline constexpr Duration kAdoptionWindow = std::chrono::seconds(10);

/// A deadline that fires so late found the machine asleep or overloaded, and the app did not run
/// either: what it was promised until then it is given after it.
inline constexpr Duration kLate = std::chrono::seconds(1);

/// What the manifest declares of an app (C1).
struct AppConfig {
  std::string name{};
  bool voip = false;
  bool audio = false;
  bool relaunch = true;           ///< after a bad end (C23)
  bool exits_on_suspend = false;  ///< ended instead of suspended (C2)
  bool tags_itself = true;        ///< false: a program that knows nothing of us
  bool reclaim = false;           ///< its memory is given back when it has slept long
  Duration merge_pings{};         ///< pings of its servers may wait so long for a wake; 0: not
  friend bool operator==(const AppConfig&, const AppConfig&) = default;
};

enum class LimitAction : std::uint8_t { kNone, kKill, kDelay };

/// The numbers of a profile; see the table at the end of the contract. Durations.
struct Profile {
  std::string name = "linux";
  Duration wake_window = std::chrono::seconds(10);
  /// A voip app that was just launched, until it has tagged its first connection. Suspended before
  /// that, as on a machine that launches very many apps at once, it would sleep with nothing to
  /// wake it.
  Duration launch_window = std::chrono::seconds(60);
  Duration keep_alive_min = std::chrono::seconds(600);
  Duration keep_alive_budget = std::chrono::seconds(10);
  bool keep_alive_overrun_kills = false;
  Duration task_pool = std::chrono::seconds(180);
  Duration task_warning =
      std::chrono::seconds(5);  ///< expiration handlers run so long before the pool is empty
  LimitAction limit_action = LimitAction::kDelay;
  int limit_wakes = 15;  ///< in limit_span; one more is over the limit (C13)
  Duration limit_span = std::chrono::seconds(300);
  Duration limit_delay_first = std::chrono::seconds(1);  ///< of the first wake over the limit
  Duration limit_delay_max = std::chrono::seconds(60);
  /// Asleep so long with no event on any socket: the delay starts anew. Longer than the spacing
  /// that the limit allows (300 s / 15).
  Duration limit_quiet = std::chrono::seconds(30);
  bool wake_on_end = true;
  bool wake_on_network = true;
  Duration linger = std::chrono::seconds(1);  ///< of quiet, before a suspension (C12)
  Duration sample_interval =
      std::chrono::milliseconds(100);  ///< of the quiet check; the least quiet that counts
  Duration relaunch_first =
      std::chrono::seconds(1);  ///< second quick death; the first is relaunched at once (C23)
  Duration relaunch_max = std::chrono::seconds(60);
  Duration relaunch_quick = std::chrono::seconds(10);  ///< an app that lived shorter died quickly
  /// The part of a keep-alive timeout, counted from its end, in which a handler may run early to
  /// share a wake. With half of it every handler meets a wake that the shortest one needs anyway:
  /// (t/2, t] holds a multiple of each shorter timeout. Less would wake the machine more often.
  int keep_alive_early_percent = 50;
  /// A handler or wake request due so soon shares a wake that another app has.
  Duration alarm_ride = std::chrono::seconds(60);
  /// Running time in the background (C14): in a span an app has no more; zero: without a limit.
  Duration run_budget = std::chrono::minutes(15);
  Duration run_budget_span = std::chrono::hours(1);
  int wakes_per_day = 96;  ///< wake requests (C40); 0: they are refused
  bool udp_tags = true;    ///< a UDP socket may be tagged (C4, our extension)
  /// A suspended app runs so long for its other sockets, and so seldom at most.
  Duration ipc_slice = std::chrono::milliseconds(100);
  Duration ipc_gap = std::chrono::seconds(1);
  Duration reclaim_after = std::chrono::seconds(60);  ///< of sleep (linux.md §5)

  static Profile linux_default();
  static Profile ios();
  static Profile ios_classic();
  friend bool operator==(const Profile&, const Profile&) = default;
};
/// "linux", "ios", "ios-classic"; nullopt for another name.
std::optional<Profile> profile_of_name(std::string_view name);

/// What the driver read of one tagged socket; `bytes` rises for ever (tcpi_bytes_received),
/// `unread` is in the receive queue.
struct TagReading {
  TagId tag;
  std::uint64_t bytes = 0;
  std::uint32_t unread = 0;
  bool ended = false;  ///< FIN or reset is pending or past
  friend bool operator==(const TagReading&, const TagReading&) = default;
};
/// What a sample has to read beside the CPU time.
struct LookNeeds {
  bool sockets = false;
  bool threads = false;  ///< Reading::busy; where not, it is `busy`
  bool busy = false;
  friend bool operator==(const LookNeeds&, const LookNeeds&) = default;
};
/// What the driver read of an app.
struct Reading {
  std::vector<TagReading> tags;  ///< of what was not read there is no news
  Duration cpu{};                ///< CPU time since the launch
  /// A thread runs, or waits for a processor or a device, or a request of it lies unread at the
  /// host: it is in the midst of something, even if it has used no CPU time. Of a frozen app: such
  /// a request has come since the last look.
  bool busy = false;
  Duration took{};  ///< the look itself: see look_pace.h
  friend bool operator==(const Reading&, const Reading&) = default;
};

struct ExitStatus {
  bool known = true;  ///< false when the process was not our child and nobody can tell
  bool signaled = false;
  int code = 0;  ///< exit code or signal number
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

enum class SocketEvent : std::uint8_t {
  kData,
  kEnd,
  kError,
  kDoubt  ///< the socket says nothing, but its connection can hardly live: its app shall look
};
std::string_view name(SocketEvent);

/// How a watched socket is armed: level-triggered, or edge-triggered when the app has left old data
/// unread and only new data may wake it (C11).
enum class WatchMode : std::uint8_t { kLevel, kEdge };
std::string_view name(WatchMode);

enum class KillReason : std::uint8_t {
  kClosedByUser,
  kTasksExpired,
  kWakeLimit,
  kKeepAliveOverrun,
  kRemoved,        ///< it is no longer installed
  kExitsOnSuspend  ///< it would be suspended, and its manifest says that it rather ends
};
std::string_view name(KillReason);

// --- actions
// -------------------------------------------------------------------------------------------------
struct Launch {
  AppId app;
  LaunchReason reason;
  friend bool operator==(const Launch&, const Launch&) = default;
};
/// Read the app's sockets and CPU time, and answer with on_sample.
struct Sample {
  AppId app;
  friend bool operator==(const Sample&, const Sample&) = default;
};
/// Freeze every process of the app, then read it again and answer with on_suspended or
/// on_suspend_failed.
struct Suspend {
  AppId app;
  friend bool operator==(const Suspend&, const Suspend&) = default;
};
/// The app is frozen: take a duplicate of the tagged socket and watch it. With kEdge only bytes
/// over `bytes` (of the last reading) are an event: epoll reports old data once when a socket is
/// added.
struct Watch {
  AppId app;
  TagId tag;
  WatchMode mode;
  std::uint64_t bytes = 0;
  friend bool operator==(const Watch&, const Watch&) = default;
};
/// Close every duplicate of the app's sockets. Where there are some, it comes before Resume and
/// Kill.
struct Unwatch {
  AppId app;
  friend bool operator==(const Unwatch&, const Unwatch&) = default;
};
/// Let the app run, then tell it why.
struct Resume {
  AppId app;
  WakeCause cause;  ///< none: it was not to be suspended, and is not told
  TagId tag;        ///< none where no socket is the cause
  Duration window;  ///< zero when there is no limit (foreground, host stopping)
  friend bool operator==(const Resume&, const Resume&) = default;
};
struct RunKeepAlive {
  AppId app;
  Duration budget;
  friend bool operator==(const RunKeepAlive&, const RunKeepAlive&) = default;
};
struct ExpireTask {
  AppId app;
  TaskId task;
  Duration left;
  friend bool operator==(const ExpireTask&, const ExpireTask&) = default;
};
/// Tell the app that its wake request is due (C40).
struct RunWake {
  AppId app;
  WakeId wake;
  friend bool operator==(const RunWake&, const RunWake&) = default;
};
/// The app has slept long: give its memory back.
struct Reclaim {
  AppId app;
  friend bool operator==(const Reclaim&, const Reclaim&) = default;
};
/// What had to run before the machine sleeps has run: it may.
struct SleepReady {
  friend bool operator==(const SleepReady&, const SleepReady&) = default;
};
struct TellState {
  AppId app;
  AppState state;
  friend bool operator==(const TellState&, const TellState&) = default;
};
/// End the app's processes: `politely` SIGTERM first, then (after the driver's grace) all of them
/// by SIGKILL.
struct Kill {
  AppId app;
  KillReason reason;
  bool politely;
  friend bool operator==(const Kill&, const Kill&) = default;
};
/// Arm the machine's own alarm: wake the system in [earliest, latest] (C18). kNever, kNever: none.
struct SetAlarm {
  Instant earliest;
  Instant latest;
  friend bool operator==(const SetAlarm&, const SetAlarm&) = default;
};

enum class LedgerEvent : std::uint8_t {
  kLaunch,
  kExit,
  kTag,
  kUntag,
  kRefuse,
  kSuspend,
  kSuspendFailed,
  kWake,
  kWakeDelayed,
  kKeepAlive,
  kKeepAliveOverrun,
  kTaskBegin,
  kTaskEnd,
  kTaskExpired,
  kForeground,
  kBackground,
  kKill,
  kRelaunchDelayed,
  kClosed,
  kNotify,
  kAudio,
  kWakeRequest,
  kRunBudget,
  kPings,
  kCount
};
std::string_view name(LedgerEvent);

/// A line of the ledger; the driver adds wall time, latency and CPU time.
struct Ledger {
  AppId app;
  LedgerEvent event;
  std::string reason;      ///< a stable word: "quiet", "socket_data", "window_over", "too_short"
  std::int64_t value = 0;  ///< tag, task, wake request, wakes in the limiter's span, delay in ms:
                           ///< as the event's row in docs/protocol.md says
  friend bool operator==(const Ledger&, const Ledger&) = default;
};

using Action =
    std::variant<Launch, Sample, Suspend, Watch, Unwatch, Resume, RunKeepAlive, ExpireTask, RunWake,
                 Reclaim, SleepReady, TellState, Kill, SetAlarm, Ledger>;
/// One line for people and logs, the same in production and in the simulator:
/// "resume app=3 cause=socket_data tag=7 window=10s".
std::string to_line(const Action& action);
/// One event never gives more: a deadline that is due for every app at once, with a few actions
/// each.
using Actions = base::BoundedList<Action, 24 * kAppsMax>;

}  // namespace wakeline::doze
