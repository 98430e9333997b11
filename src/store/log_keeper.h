// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "store/database.h"

namespace wakeline::store {

/// Copies the log (the WAL) to the file on a thread of its own, beside the commits: those need not
/// wait for it. It seldom gets to the end, as the log grows meanwhile; the little that is left is
/// copied between two commits, by the writer.
class LogKeeper {
 public:
  /// `copied` is called on its thread after each `ask`. Errors: those of Database::open.
  static base::Result<std::unique_ptr<LogKeeper>> open(const std::string& path,
                                                       std::function<void()> copied);
  ~LogKeeper();
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;

  /// Any thread; not again before `copied`.
  void ask();

 private:
  LogKeeper(Database database, std::function<void()> copied);
  void run();
  void copy();

  Database database_;
  std::function<void()> copied_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool asked_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace wakeline::store
