// SPDX-License-Identifier: Apache-2.0
#include <wakeline/run_loop.h>

#include <utility>

#include "app/errors.h"
#include "app/loop_core.h"

namespace wakeline {

Result<RunLoop> RunLoop::create() {
  auto core = app::LoopCore::create();
  if (!core) return app::to_public(core.error());
  return RunLoop(std::move(*core));
}

RunLoop::RunLoop(std::shared_ptr<app::LoopCore> core) : core_(std::move(core)) {}
RunLoop::RunLoop(RunLoop&&) noexcept = default;
RunLoop& RunLoop::operator=(RunLoop&& other) noexcept {
  if (this != &other) {
    if (core_) core_->close();
    core_ = std::move(other.core_);
  }
  return *this;
}
RunLoop::~RunLoop() {
  if (core_) core_->close();
}

void RunLoop::run() {
  const auto core = core_;  // a handler may destroy this RunLoop
  core->run();
}

void RunLoop::stop() { core_->stop(); }
int RunLoop::fd() const { return core_->fd(); }
std::size_t RunLoop::dispatch() {
  const auto core = core_;
  return core->dispatch();
}

void RunLoop::post(std::function<void()> task) { core_->post(std::move(task)); }
RunLoop::TimerId RunLoop::call_after(std::chrono::milliseconds delay, std::function<void()> task) {
  return core_->call_after(base::bounded(delay), std::move(task));
}
void RunLoop::cancel(TimerId timer) { core_->cancel(timer); }

}  // namespace wakeline
