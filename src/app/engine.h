// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "base/error.h"
#include "io/loop.h"

namespace wakeline::app {

/// The library's one thread, with its loop. No signal of the process is handled on it.
class Engine {
 public:
  /// Errors: kOs (no thread).
  static base::Result<std::unique_ptr<Engine>> start();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() { stop(); }

  io::Loop& loop() { return loop_; }
  std::thread::id thread_id() const { return thread_.get_id(); }

  /// Runs `begin(answer)` on the loop's thread and waits until somebody calls `answer(value)`,
  /// which must happen. Never from the loop's thread.
  template <class Value>
  Value wait_for(std::function<void(std::function<void(Value)>)> begin) {
    auto promise = std::make_shared<std::promise<Value>>();
    loop_.post([begin = std::move(begin), promise] {
      begin([promise](Value value) { promise->set_value(std::move(value)); });
    });
    return promise->get_future().get();
  }
  /// Runs `task` on the loop's thread and waits for its end. Never from the loop's thread.
  void call(std::function<void()> task);

  /// Ends the thread; what is attached to the loop may be destroyed then, by any thread.
  void stop();

 private:
  Engine() = default;

  io::Loop loop_;
  std::thread thread_;
};

}  // namespace wakeline::app
