// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"

namespace wakeline::app {

/// Writes a file whole on a thread of its own, so that nobody waits for the disk.
class StateWriter {
 public:
  using OnWritten = std::function<void(base::Result<void>)>;

  /// Errors: kOs (no thread).
  static base::Result<std::unique_ptr<StateWriter>> start(std::string file);
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;
  /// Waits for the write that is under way; one that waits is made as well.
  ~StateWriter();

  /// At most one is under way: call again after `on_written`, which runs on the writer's thread.
  void write(std::string text, OnWritten on_written);

 private:
  struct Job {
    std::string text;
    OnWritten on_written;
  };

  explicit StateWriter(std::string file) : file_(std::move(file)) {}
  void run();

  const std::string file_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Job> job_;  // under mutex_
  bool ending_ = false;     // under mutex_
  std::thread thread_;
};

}  // namespace wakeline::app
