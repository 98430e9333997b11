// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/background.h>
#include <wakeline/error.h>
#include <wakeline/export.h>
#include <wakeline/network.h>
#include <wakeline/notification.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wakeline {

/// Why this process was launched (C22–C24).
enum class LaunchReason : std::uint8_t {
  kUser,          ///< the user, or no host is there
  kBoot,          ///< the host started, or the machine
  kCrash,         ///< the last run ended with an error; this one starts from nothing
  kNotification,  ///< the user acted on a notification
  kAdopted,       ///< it ran before the host took it over
};
/// Where the app is.
enum class AppState : std::uint8_t {
  kForeground,  ///< the user sees it; it is never suspended
  kBackground,  ///< it runs only in its windows
};
/// The device's cellular calls (C30).
enum class CallState : std::uint8_t {
  kEnded,     ///< none
  kIncoming,  ///< one rings
  kActive,    ///< one is going on
};

/// Why a suspended app runs again.
enum class WakeCause : std::uint8_t {
  kNone,          ///< none
  kSocketData,    ///< bytes on a tagged socket (C9)
  kSocketEnd,     ///< its peer closed (C10)
  kSocketError,   ///< it was reset (C10)
  kKeepAlive,     ///< the keep-alive handler is due (C15)
  kNotification,  ///< the user acted on a notification (C28)
  kNetwork,       ///< addresses or routes changed (C31)
  kForeground,    ///< the user opened the app
  kWakeRequest,   ///< a wake that the app asked for (C40)
  kTask,          ///< a background task expires (C21)
  kControl,       ///< an operator's command
  kHostStopping,  ///< the host ends
  kIpc,           ///< a short time for its other sockets, whose peers wait
  kCall,          ///< the cellular call is over that interrupted its audio session (C29)
};

/// The stable word of a value: "boot", "background", "incoming", "socket_data".
WAKELINE_API std::string_view name(LaunchReason reason);
/// @copydoc name(LaunchReason)
WAKELINE_API std::string_view name(AppState state);
/// @copydoc name(LaunchReason)
WAKELINE_API std::string_view name(CallState state);
/// @copydoc name(LaunchReason)
WAKELINE_API std::string_view name(WakeCause cause);

/// The host that suspends and wakes this app.
struct HostInfo {
  std::string app = {};                      ///< this app's id, from its manifest
  std::string profile = {};                  ///< "linux", "ios", "ios-classic"
  std::chrono::milliseconds wake_window{0};  ///< at most this long awake for a wake (C9)
  std::chrono::seconds keep_alive_min{0};    ///< the shortest keep-alive timeout (C15)
  std::chrono::milliseconds task_pool{0};    ///< background time of all tasks together (C20)
  friend bool operator==(const HostInfo&, const HostInfo&) = default;
};

/// An app's part of the contract with the Wakeline host. Without a host everything works and
/// nothing is suspended: tags and tasks are kept for a host that comes, the keep-alive handler runs
/// by a timer, only `notify` fails. A host that restarts is found again, with all that was asked.
///
/// Threads: one internal thread speaks with the host. Handlers run in the thread that calls
/// `dispatch` or `run` (one thread at a time). Every other method may be called from any thread,
/// also in a handler. An exception out of a handler leaves `dispatch` or `run` by the way it came.
/// One App a process; a fork keeps nothing of it. Warnings go to standard error; the environment's
/// WAKELINE_LOG chooses: debug, info, warning, error.
class WAKELINE_API App {
 public:
  /// For `create`.
  struct Options {
    std::string host_path = {};  ///< the host's socket; empty: the environment's WAKELINE_HOST
  };

  /// Waits for the host's welcome, at most two seconds; that there is none is no error.
  /// Errors: kOs (no descriptors, no thread).
  static Result<App> create(const Options& options);
  /// With the default options.
  static Result<App> create();
  App(App&&) noexcept;
  App& operator=(App&&) noexcept;
  ~App();

  /// The host, or why there is none: kNoHost (not asked for by the environment, not there),
  /// kPermission (it does not know this process), kUnsupported (its version).
  Result<HostInfo> host() const;
  /// Without a host: kUser.
  LaunchReason launch_reason() const;
  /// Without a host, and while one is gone, kForeground: nothing suspends the app. No handler tells
  /// of that.
  AppState state() const;

  /// Readable while `dispatch` has something to run: for the app's own event loop. Never read it.
  int fd() const;
  /// Runs the handlers that are due now. Returns: how many. Never waits.
  std::size_t dispatch();
  /// Waits and dispatches until `stop`.
  void run();
  /// Ends `run` after the handlers that are due, or the next one at once. Also safe in a signal
  /// handler.
  void stop();

  /// When the user brings the app to the front.
  void on_foreground(std::function<void()> handler);
  /// When the user leaves the app: from then on it runs in its windows alone.
  void on_background(std::function<void()> handler);
  /// After each wake; for information: the sockets' own events come as ever.
  void on_woken(std::function<void(WakeCause)> handler);
  /// When the user acts on a notification of this app, maybe of an earlier run (C28).
  void on_notification_response(std::function<void(const NotificationResponse&)> handler);

  /// After each change of the device's cellular calls, so that the app's own call yields or holds
  /// (C30). It wakes nobody: a suspended app is told at its next wake.
  void on_call_state(std::function<void(CallState)> handler);
  /// Without a host, while one is gone, or where it hears of no calls: kEnded.
  CallState call_state() const;
  /// After each change of addresses or default routes, which wakes a suspended app where the
  /// profile says so (C31).
  void on_network_changed(std::function<void(const NetworkFacts&)> handler);
  /// As last told; nullopt: nobody has.
  std::optional<NetworkFacts> network() const;

  /// Connects TCP: all addresses of `host`, the families in turn, the first that stands (RFC 8305).
  /// Returns: a blocking socket of the caller, closed on exec, not yet tagged.
  /// Errors: kUnreachable (the name, or refused), kTimeout, kOs.
  Result<int> connect_tcp(const std::string& host, std::uint16_t port,
                          std::chrono::milliseconds timeout);

  /// Tags a connected, outgoing TCP socket of this process: its own, or one that belongs to another
  /// library; in profile `linux` also a UDP socket, connected or not (C4). Blocking or not; its
  /// flags and options stay as they are (C7).
  /// Errors: kNotSocket, kListening, kNotConnected, kNotTcp, kNotOwned, kNotDeclared, kTimeout;
  ///         the socket works on untagged (C4).
  Result<Tag> tag(int fd);
  /// As `tag`, until the connection ends: one line for an existing network layer (C36).
  Result<void> enable_backgrounding(int fd);
  /// Whether this connection, tagged either way, would wake the app now (C5).
  bool is_wake_capable(int fd) const;

  /// Asks for time in the background. `on_expire` runs shortly before the pool is empty: end the
  /// task then, or the app is killed (C21).
  /// Errors: kNoHandler (no `on_expire`), kBusy (the pool is empty), kTooLarge (too many tasks, or
  ///         a name over 64 bytes), kTimeout.
  Result<BackgroundTask> begin_background_task(const std::string& name,
                                               std::function<void()> on_expire);
  /// What is left of the pool; nullopt: unlimited (in the foreground, or without a host).
  std::optional<std::chrono::milliseconds> background_time_remaining() const;

  /// `handler` runs at least once before each `timeout` elapses, also while suspended, and has ten
  /// seconds (C15, C17). It replaces a former one and does not survive the process (C16).
  /// Returns: whether it replaced one.
  /// Errors: kTooShort (600 s, or what the host says), kNoHandler, kNotDeclared, kTimeout; a former
  ///         one stays then.
  Result<bool> set_keep_alive_timeout(std::chrono::seconds timeout, std::function<void()> handler);
  /// Takes the keep-alive handler away, also where it waits to be dispatched already; that there is
  /// none is no error.
  void clear_keep_alive_timeout();

  /// Not suspended while the session lives, but for a cellular call that interrupts it (C29): tell
  /// it from `on_call_state`.
  /// Errors: kNotDeclared (the background mode `audio`), kTimeout.
  Result<AudioSession> begin_audio_session();

  /// `handler` runs once, between `earliest` and `latest` from now, also while suspended. It is
  /// merged with other wakes, so a wide window is the cheaper one (C40).
  /// Errors: kNoHandler, kInvalidArgument (latest < earliest), kNotAllowed (the host's profile),
  ///         kNotDeclared, kTooLarge (four at a time), kOverBudget (today's are used up), kTimeout.
  Result<WakeRequest> request_wake(std::chrono::milliseconds earliest,
                                   std::chrono::milliseconds latest, std::function<void()> handler);

  /// Shows a notification. Returns: its number, for NotificationResponse.
  /// Errors: kNoHost (nobody would see it), kInvalidArgument (no title, over four actions),
  ///         kTooLarge (32 KiB in all), kTimeout.
  Result<std::uint64_t> notify(const Notification& notification);

 private:
  friend class PushClient;
  friend class StreamPair;
  explicit App(std::shared_ptr<app::Core> core);

  std::shared_ptr<app::Core> core_;
};

}  // namespace wakeline
