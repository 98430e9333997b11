// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace wakeline::io {

/// One thread's event loop. What it is made of stays out of this header, which most of the program
/// includes: asio is the most of what a compiler reads for a file.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs handlers until `stop` or until nothing is left to wait for.
  void run();
  /// As `run`, also while there is nothing to wait for.
  void run_until_stopped();
  /// Ends `run` after the handler under way. Thread-safe.
  void stop();
  /// Runs `task` on the loop's thread, later. Thread-safe.
  void post(std::function<void()> task);

  boost::asio::io_context& context() { return *context_; }

 private:
  std::unique_ptr<boost::asio::io_context> context_;
};

}  // namespace wakeline::io
