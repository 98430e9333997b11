// SPDX-License-Identifier: Apache-2.0
#include "app/state_writer.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <utility>

#include "base/check.h"
#include "io/file.h"

namespace wakeline::app {

base::Result<std::unique_ptr<StateWriter>> StateWriter::start(std::string file) {
  std::unique_ptr<StateWriter> writer(new StateWriter(std::move(file)));
  // The new thread inherits the mask: the app's signal handlers stay on the app's threads.
  sigset_t all;
  sigset_t former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  base::Result<void> started;
  try {
    writer->thread_ = std::thread([raw = writer.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    started = base::fail(base::os_error("thread", error.code().value()));
  }
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
  if (!started) return base::fail(started.error());
  return writer;
}

StateWriter::~StateWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void StateWriter::write(std::string text, OnWritten on_written) {
  {
    const std::lock_guard lock(mutex_);
    WL_CHECK(!job_.has_value());
    job_ = Job{std::move(text), std::move(on_written)};
  }
  changed_.notify_one();
}

void StateWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return job_.has_value() || ending_; });
    if (!job_) return;
    const Job job = *std::exchange(job_, std::nullopt);
    lock.unlock();
    job.on_written(io::write_file(file_, job.text));
    lock.lock();
  }
}

}  // namespace wakeline::app
