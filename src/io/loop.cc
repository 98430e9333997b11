// SPDX-License-Identifier: Apache-2.0
#include "io/loop.h"

#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace wakeline::io {

Loop::Loop() : context_(std::make_unique<boost::asio::io_context>(1)) {}

Loop::~Loop() = default;

void Loop::run() {
  context_->run();
  // After the run, not before it: a `stop` that comes just before `run` is not lost.
  context_->restart();
}

void Loop::run_until_stopped() {
  const auto work = boost::asio::make_work_guard(*context_);
  run();
}

void Loop::stop() { context_->stop(); }

void Loop::post(std::function<void()> task) { boost::asio::post(*context_, std::move(task)); }

}  // namespace wakeline::io
