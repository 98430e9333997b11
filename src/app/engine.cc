// SPDX-License-Identifier: Apache-2.0
#include "app/engine.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace wakeline::app {

base::Result<std::unique_ptr<Engine>> Engine::start() {
  std::unique_ptr<Engine> engine(new Engine);
  // The new thread inherits the mask: the app's signal handlers stay on the app's threads.
  sigset_t all;
  sigset_t former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  base::Result<void> started;
  try {
    engine->thread_ = std::thread([loop = &engine->loop_] { loop->run_until_stopped(); });
  } catch (const std::system_error& error) {
    started = base::fail(base::os_error("thread", error.code().value()));
  }
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
  if (!started) return base::fail(started.error());
  return engine;
}

void Engine::call(std::function<void()> task) {
  wait_for<bool>([task = std::move(task)](const std::function<void(bool)>& done) {
    task();
    done(true);
  });
}

void Engine::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

}  // namespace wakeline::app
