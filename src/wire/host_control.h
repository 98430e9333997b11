// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Messages with which a control client runs a program under the host and waits for its end; part
/// of host_message.h, which is what to include.
namespace wakeline::wire::host {

using RequestId = std::uint32_t;

/// Bytes of what rides along with Run: the manifest, a NUL, and the environment, each variable
/// ended by a NUL. Linux takes 2 MiB of arguments and environment together.
inline constexpr std::size_t kRunTextMax = 1'048'576;

/// Four descriptors ride along: stdin, stdout, stderr, and a sealed memory file with the text
/// above.
struct Run {
  RequestId request = 0;
  bool background = false;  ///< not in the foreground first
  friend bool operator==(const Run&, const Run&) = default;
};
/// Answered by Ended when the app ends; a Run waits for its end by itself.
struct Await {
  RequestId request = 0;
  std::string app;
  friend bool operator==(const Await&, const Await&) = default;
};

enum class SignalWord : std::uint8_t { kInterrupt, kTerminate, kHangup, kQuit };
std::string_view name(SignalWord);
/// For every process of the app, which is resumed for it.
struct Signal {
  RequestId request = 0;
  std::string app;
  SignalWord signal = SignalWord::kTerminate;
  friend bool operator==(const Signal&, const Signal&) = default;
};
/// Manifests and user settings have changed: read them again.
struct Reload {
  RequestId request = 0;
  friend bool operator==(const Reload&, const Reload&) = default;
};

/// How an app ended.
struct Ended {
  RequestId request = 0;  ///< that of Run or Await
  bool known = true;      ///< false: nobody could tell this host
  bool signaled = false;
  std::uint32_t code = 0;  ///< exit code or signal number
  friend bool operator==(const Ended&, const Ended&) = default;
};

}  // namespace wakeline::wire::host
