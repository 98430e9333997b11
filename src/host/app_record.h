// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/flat_map.h"
#include "core/doze/types.h"
#include "host/app_process.h"
#include "host/rate_limit.h"
#include "io/unique_fd.h"
#include "linux/process.h"
#include "linux/socket_end.h"
#include "wire/host_message.h"
#include "wire/manifest.h"

namespace wakeline::host {

/// Activations kept for an app that is being launched for them; the oldest go first.
inline constexpr std::size_t kUndeliveredMax = 16;

/// Lines of the ledger that an app can cause by its requests: so many at once, and one a second.
/// What is more is counted: it would push the lines of other apps out of the ledger.
inline constexpr int kRequestLinesBurst = 4'096;
inline constexpr base::Duration kRequestLineInterval = std::chrono::seconds(1);

/// Where messages to an app go: its connection.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void send(const wire::host::Message& message) = 0;
  /// Whether the app has asked something that was not read yet: it waits for us, and is not quiet.
  virtual bool asked() const = 0;
  /// Ends the connection; no call comes after it.
  virtual void end() = 0;
};

/// One tagged socket, as the host finds it again: a number in a process, and the kernel's name of
/// the socket to know whether the number still means it (C5).
struct TagRecord {
  std::shared_ptr<const sys::Process> process;  ///< that tagged it
  std::uint64_t cookie = 0;
  int fd = -1;
  /// Taken after the freeze, given to the socket watch or closed before the thaw; -1 else.
  io::UniqueFd duplicate;
  sys::SocketEnd remote;  ///< for the ledger
  bool udp = false;
  bool connecting = false;  ///< at the last reading
};

/// What became of giving an app's memory back.
struct GivenBack {
  std::int64_t wall_ns = 0;  ///< when; 0: it was never tried
  std::uint64_t kib = 0;
  base::ErrorCode error = base::ErrorCode::kOk;  ///< why it was not
};

/// What the driver holds of one installed app beside the policy's state.
struct AppRecord {
  doze::AppId id;
  wire::Manifest manifest;
  /// Changed while it runs: taken when it ends. What the user grants is taken at once.
  std::optional<wire::Manifest> next_manifest;
  std::string manifest_file;  ///< empty: of a program that `run` started
  std::unique_ptr<AppProcess> process;
  base::FlatMap<doze::TagId, TagRecord> tags;

  MessageSink* sink = nullptr;  ///< null: not connected
  wire::host::LaunchReason launch_reason = wire::host::LaunchReason::kUser;
  std::vector<wire::host::NotificationActivated> undelivered;
  std::vector<doze::TaskId> tasks;  ///< begun over the connection, ended with it
  bool keep_alive_set = false;      ///< over the connection, cleared with it
  bool network_untold = false;      ///< changed while it slept
  bool call_untold = false;         ///< changed while it slept

  /// Of a program that `run` started; given away with its launch, and it is launched once.
  std::unique_ptr<LaunchStreams> streams;
  base::Error launch_error;  ///< of the last launch; kOk when it succeeded
  /// Called after the machine has heard of it. May be empty.
  std::function<void(sys::ExitInfo)> on_ended;
  bool uninstalled = false;   ///< its manifest is gone: forgotten when it ends
  int postponements = 0;      ///< suspensions put off in a row: see adoption.h
  base::Instant line_due{};   ///< until then its first connection is waited for
  bool line_awaited = false;  ///< its last suspension was put off for that
  bool denial_told = false;   ///< in this run
  bool in_media = false;      ///< its media sockets are its audio session

  bool suspended = false;
  bool rings_watched = false;        ///< in this suspension
  bool ring_woke = false;            ///< the last wake came from an io_uring
  std::uint64_t wakes = 0;           ///< since the host started
  base::Duration cpu{};              ///< last read; since the launch
  base::Duration latency{};          ///< of the last freeze or thaw, for the ledger
  GivenBack given_back;              ///< the last time that its memory was, in this run
  base::Instant awake_since{};       ///< the last launch or resume
  base::Duration awake_cpu{};        ///< `cpu` then
  base::Duration awake{};            ///< of the stretch that ended with the last freeze or exit
  sys::SocketEnd woken_by;           ///< the other end of the connection that woke it
  RateLimit lines;                   ///< of the ledger, that its own requests give
  std::uint64_t lines_left_out = 0;  ///< and were too many, since the last word about it
  /// For people, on the next ledger line of that event.
  doze::LedgerEvent note_event = doze::LedgerEvent::kCount;
  std::string note;
};

}  // namespace wakeline::host
