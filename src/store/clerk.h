// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "store/directory.h"

namespace wakeline::store {

/// Changes to the directory that wait for the clerk; a further one is refused.
inline constexpr std::size_t kClerkJobsMax = 1'024;

/// Makes changes to the directory on a thread of its own, one after the other: each waits for the
/// disk, and the thread that serves must not.
class Clerk {
 public:
  using Post = std::function<void(std::function<void()>)>;
  /// What the caller wants to do about it, on its own thread; may be null.
  using Then = std::function<void()>;
  using Job = std::function<Then(Directory&)>;

  /// `post` as in Store. Errors: those of Directory::open.
  static base::Result<std::unique_ptr<Clerk>> open(const std::string& path, Post post);
  /// Does what is queued, then ends.
  ~Clerk();
  Clerk(const Clerk&) = delete;
  Clerk& operator=(const Clerk&) = delete;

  /// Errors: kBusy (kClerkJobsMax).
  base::Result<void> run(Job job);

 private:
  Clerk(std::unique_ptr<Directory> directory, Post post)
      : directory_(std::move(directory)), post_(std::move(post)) {}
  void work();

  std::unique_ptr<Directory> directory_;
  Post post_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace wakeline::store
