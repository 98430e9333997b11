// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "wire/socket_rule.h"

namespace wakeline::wire {

inline constexpr std::size_t kManifestMax = 65'536;  ///< bytes
inline constexpr std::size_t kArgumentsMax = 256;    ///< of Exec, and variables of the environment
inline constexpr std::size_t kAppNameMax = 64;       ///< bytes of id and of name

/// Timeouts of a manifest, in whole seconds; a week is longer than any registration lives.
inline constexpr std::int64_t kTimeoutMaxS = 604'800;
/// Pings that wait; longer, no registrar waits for its answer.
inline constexpr std::int64_t kMergePingsMaxS = 600;
/// What Linux takes for TCP_KEEPIDLE. Source: MAX_TCP_KEEPIDLE in include/net/tcp.h.
inline constexpr std::int64_t kTcpKeepAliveMaxS = 32'767;

/// What becomes of the D-Bus, Wayland and X11 sockets of a suspended app, whose peers would
/// otherwise fill them.
enum class IpcPolicy : std::uint8_t {
  kDrain,   ///< the app runs for a short slice now and then, and reads them
  kWake,    ///< data there wakes it, as on a tagged socket
  kIgnore,  ///< they are left alone
};
std::string_view name(IpcPolicy);

/// How the app's notifications are shown; the user's own setting goes before it (C27).
enum class NotificationStyle : std::uint8_t { kBanner, kAlert, kNone };
std::string_view name(NotificationStyle);

/// What an app declares of itself (C1). Our native form is a freedesktop desktop entry with
/// X-Wakeline- keys.
struct Manifest {
  std::string
      id;  ///< [a-z0-9._-]{1,64}, not starting with a dot: the name of its cgroup and of its files
  std::string name;  ///< for people; 1..kAppNameMax bytes
  std::vector<std::string>
      command;  ///< Exec, split as the desktop entry specification says; field codes dropped
  std::string working_directory;         ///< Path, absolute; empty: the host's
  std::vector<std::string> environment;  ///< X-Wakeline-Environment: "KEY=value" each
  bool voip = false;                     ///< background modes
  bool audio = false;
  SocketRule sockets;               ///< of a program that tags nothing itself; implies `voip`
  base::Duration keep_alive{};      ///< zero: none. Else it gets a window at least so often
  base::Duration tcp_keep_alive{};  ///< zero: none. Else the idle time that is set on `sockets`
  MediaRule media;                  ///< not suspended while it has such a socket; implies `audio`
  base::Duration merge_pings{};     ///< zero: none. Else pings of SIP may wait so long for a wake
  bool exits_on_suspend = false;    ///< ended instead of suspended
  bool relaunch = true;             ///< after a bad end (C23)
  bool reclaim = false;             ///< memory is given back in a long sleep
  IpcPolicy ipc = IpcPolicy::kDrain;
  NotificationStyle style = NotificationStyle::kBanner;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// [a-z0-9._-]{1,64}, not starting with a dot.
bool is_app_id(std::string_view id);

/// A fault in a manifest: `line` from 1, 0 where the whole file is meant.
struct ManifestError {
  base::ErrorCode code = base::ErrorCode::kMalformed;
  int line = 0;
  std::string key;
  std::string message;
  friend bool operator==(const ManifestError&, const ManifestError&) = default;
};

/// Reads a desktop entry. `id` is the file's name without ".desktop", used where X-Wakeline-Id is
/// absent. docs/guides/manifest.md has every key. Other keys, other groups and translations
/// (Name[de]) are passed over; an unknown X-Wakeline- key too, with a line in `warnings`.
/// Errors: kMalformed (no [Desktop Entry], a key twice, a missing Type, Name or Exec, a value that
///         its key does not know, not UTF-8), kTooLarge (over a limit above).
/// Source: freedesktop.org Desktop Entry Specification 1.5.
std::expected<Manifest, ManifestError> parse_desktop_entry(
    std::string_view text, std::string_view id, std::vector<ManifestError>* warnings = nullptr);

/// The desktop entry that parse_desktop_entry reads as `manifest`.
/// Errors: kInvalidArgument (a name or argument that no entry can hold: not UTF-8, a control
///         character that has no escape), kTooLarge.
base::Result<std::string> write_desktop_entry(const Manifest& manifest);

/// "doorbell.desktop:4: X-Wakeline-BackgroundModes: unknown mode 'voop'; known: voip, audio".
std::string to_string(const ManifestError& error, std::string_view file);

}  // namespace wakeline::wire
