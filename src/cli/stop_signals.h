// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

/// The end of a command that goes on by itself, in its own time.
namespace wakeline::cli {

inline volatile std::sig_atomic_t stop_wanted = 0;

/// From here on SIGINT and SIGTERM only set `stop_wanted`.
inline void stop_on_signals() {
  struct sigaction action{};
  action.sa_handler = [](int) { stop_wanted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace wakeline::cli
