// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace wakeline::wire {

inline constexpr std::size_t kManifestMax = 65'536;  ///< bytes
inline constexpr std::size_t kArgumentsMax = 64;     ///< of Exec, and variables of the environment
inline constexpr std::size_t kAppNameMax = 64;       ///< bytes of id and of name

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
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// A fault in a manifest: `line` from 1, 0 where the whole file is meant.
struct ManifestError {
  base::ErrorCode code = base::ErrorCode::kMalformed;
  int line = 0;
  std::string key;
  std::string message;
  friend bool operator==(const ManifestError&, const ManifestError&) = default;
};

/// Reads a desktop entry. `id` is the file's name without ".desktop", used where X-Wakeline-Id is
/// absent. Keys: Type=Application, Name, Exec, Path, X-Wakeline-Id,
/// X-Wakeline-BackgroundModes=voip;audio;, X-Wakeline-Environment=A=1;B=2; Other keys, other
/// groups and translations (Name[de]) are passed over.
/// Errors: kMalformed (no [Desktop Entry], a key twice, a missing Type, Name or Exec, an unknown
///         X-Wakeline- key or background mode, not UTF-8), kTooLarge (over a limit above).
/// Source: freedesktop.org Desktop Entry Specification 1.5.
std::expected<Manifest, ManifestError> parse_desktop_entry(std::string_view text,
                                                           std::string_view id);

/// "doorbell.desktop:4: X-Wakeline-BackgroundModes: unknown mode 'voop'; known: voip, audio".
std::string to_string(const ManifestError& error, std::string_view file);

}  // namespace wakeline::wire
