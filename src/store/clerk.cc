// SPDX-License-Identifier: Apache-2.0
#include "store/clerk.h"

#include <utility>

namespace wakeline::store {

base::Result<std::unique_ptr<Clerk>> Clerk::open(const std::string& path, Post post) {
  auto directory = Directory::open(path, Database::Mode::kWrite);
  if (!directory) return base::fail(directory.error());
  std::unique_ptr<Clerk> clerk(new Clerk(std::move(*directory), std::move(post)));
  clerk->thread_ = std::thread([raw = clerk.get()] { raw->work(); });
  return clerk;
}

Clerk::~Clerk() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

base::Result<void> Clerk::run(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    if (jobs_.size() >= kClerkJobsMax) return base::fail(base::ErrorCode::kBusy, "store.clerk");
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return {};
}

void Clerk::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    if (Then then = job(*directory_)) post_(std::move(then));
  }
}

}  // namespace wakeline::store
