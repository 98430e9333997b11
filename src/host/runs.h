// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/driver.h"
#include "io/loop.h"
#include "io/unique_fd.h"
#include "wire/host_message.h"

namespace wakeline::host {

/// Programs that `wakeline run` started: apps without a file of a manifest, each for one launch.
///
/// Their manifests are kept in `folder` while they run, so that a restarted host takes them over;
/// they outlive their caller's connection too.
class Runs {
 public:
  using OnEnded = std::function<void(const wire::host::Ended&)>;

  /// `loop` and `driver` outlive it; `folder` is made where it does not exist.
  Runs(io::Loop& loop, Driver& driver, std::string folder);

  /// Installs again what an earlier host ran and is still alive; forgets the others.
  void restore(const std::vector<std::string>& living);

  /// `fds`: stdin, stdout, stderr, and the memory file with manifest and environment. `on_ended` is
  /// called once, later, unless the reply is an error or `forget` comes first.
  wire::host::Reply run(const wire::host::Run& run, std::vector<io::UniqueFd> fds,
                        std::uint64_t waiter, OnEnded on_ended);
  /// Nothing is answered at once where the reply is kOk.
  wire::host::Reply await(const wire::host::Await& wanted, std::uint64_t waiter, OnEnded on_ended);
  wire::host::Reply signal(const wire::host::Signal& signal);
  /// The connection `waiter` has gone.
  void forget(std::uint64_t waiter);
  /// Whether the app is one of these.
  bool contains(const std::string& app) const { return apps_.contains(app); }

 private:
  struct Waiter {
    std::uint64_t number = 0;
    wire::host::RequestId request = 0;
    OnEnded on_ended;
  };

  wire::host::Reply start(const wire::host::Run& run, const wire::Manifest& manifest,
                          const std::string& text, std::unique_ptr<LaunchStreams> streams);
  std::string path_of(const std::string& app) const { return folder_ + "/" + app + ".desktop"; }
  void watch(AppRecord& app);
  void on_ended(const std::string& app, sys::ExitInfo info);
  void remove(const std::string& app);

  io::Loop& loop_;
  Driver& driver_;
  std::string folder_;
  std::set<std::string> apps_;
  std::map<std::string, std::vector<Waiter>> waiters_;
};

}  // namespace wakeline::host
