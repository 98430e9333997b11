// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>

namespace wakeline::io {

/// One thread's event loop.
class Loop {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs handlers until `stop` or until nothing is left to wait for.
  void run();
  /// Ends `run` after the handler under way. Thread-safe.
  void stop();
  /// Runs `task` on the loop's thread, later. Thread-safe.
  void post(std::function<void()> task);

  boost::asio::io_context& context() { return context_; }

 private:
  boost::asio::io_context context_{1};
};

}  // namespace wakeline::io
