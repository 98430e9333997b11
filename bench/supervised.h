// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace wakeline::bench {

struct Ending {
  int code = 0;    ///< of `work`; -1: it crashed
  int signal = 0;  ///< that told us to end; 0: none
};

/// Does `work` in a process of its own. When that is over, and when SIGTERM, SIGINT or SIGHUP comes
/// before, every process that it or its children started is ended, and the folder goes that it had
/// as TMPDIR; after a failure only what is empty, for the logs. Call it before any thread is
/// started.
Ending supervised(const std::function<int()>& work);

}  // namespace wakeline::bench
