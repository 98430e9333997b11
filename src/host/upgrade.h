// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/loop.h"
#include "linux/process.h"

namespace wakeline::host {

/// What a host leaves to the program that its process becomes.
struct Predecessor {
  pid_t guardian = 0;             ///< our child still: it lets every app run, and ends
  std::set<std::string> resting;  ///< apps that do not run, and are not to be launched
};

/// What a host is told by signals: to end, and SIGHUP, to become another program. From one program
/// to the next they are held, and the next one lets them through when it has its handlers.
std::vector<int> host_signals();

/// Takes what an earlier program of this very process has left in `runtime_folder`, and waits (a
/// second at most) until its guardian has done its work: it must not thaw what we suspend. Empty
/// after an ordinary start.
Predecessor take_over(const std::string& runtime_folder);

struct UpgradeOptions {
  std::vector<std::string> successor;
  std::vector<std::string> check;
  std::string runtime_folder;
  sys::Limits limits;  ///< those that this process was started with
  /// Makes everything ready for the end of this program.
  std::function<Predecessor()> hand_over;
  std::function<void(std::string why)> on_failed;
};

/// Makes this process become another program by exec: it keeps its number, its children and its
/// place under the service manager, and every app runs on. Nothing is closed before the exec has
/// succeeded: where it fails, this host goes on as if nothing had been.
class Upgrade {
 public:
  /// `loop` outlives it.
  Upgrade(io::Loop& loop, UpgradeOptions options) : loop_(loop), options_(std::move(options)) {}

  /// Does the check, then the exec; does nothing while one is under way.
  void begin();

 private:
  void become();
  void fail(const std::string& why);
  base::Result<void> execute(const Predecessor& left);

  io::Loop& loop_;
  UpgradeOptions options_;
  sys::Process check_;
  std::unique_ptr<sys::ExitWatch> check_watch_;  // before check_ dies: it uses the pidfd
};

}  // namespace wakeline::host
