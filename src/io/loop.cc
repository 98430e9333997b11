// SPDX-License-Identifier: Apache-2.0
#include "io/loop.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace wakeline::io {

void Loop::run() {
  context_.run();
  // After the run, not before it: a `stop` that comes just before `run` is not lost.
  context_.restart();
}

void Loop::stop() { context_.stop(); }

void Loop::post(std::function<void()> task) { boost::asio::post(context_, std::move(task)); }

}  // namespace wakeline::io
