// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "store/store.h"

namespace wakeline::store {

inline const base::WallTime kNow(std::chrono::hours(400'000));

/// The caller's thread of a store: runs what is posted while it waits.
class Mailbox {
 public:
  Store::Post post() {
    return [this](std::function<void()> task) {
      {
        const std::scoped_lock lock(mutex_);
        tasks_.push_back(std::move(task));
      }
      wake_.notify_one();
    };
  }
  /// Runs tasks until `done`, which also what posts nothing may bring about. Returns: false after
  /// ten seconds without a task.
  bool run_until(const std::function<bool()>& done) {
    int looks = 10'000;
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!wake_.wait_for(lock, std::chrono::milliseconds(1), [this] { return !tasks_.empty(); })) {
        if (--looks == 0) return false;
        continue;
      }
      looks = 10'000;
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
};

inline NewPush push_to(std::string device, std::size_t size = 100) {
  return {.device = std::move(device),
          .body = base::Bytes(size, 7),
          .accepted = kNow,
          .expires = kNow + std::chrono::hours(1)};
}

inline DeviceId add_device(const std::string& path, const char* name) {
  auto registry = Registry::open(path, Database::Mode::kWrite);
  EXPECT_TRUE(registry);
  return *registry->add_device(name, TokenHash{}, kNow);
}

/// Makes as many devices as a group takes, and puts them into it.
inline void fill_group(Database& database, std::string_view group) {
  auto devices = database.prepare(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
      " INSERT INTO devices (name, token_hash, created)"
      " SELECT 'member-' || i, zeroblob(32), 0 FROM n");
  ASSERT_TRUE(devices && devices->with(kMembersMax).run());
  auto members = database.prepare(
      "INSERT INTO members (kind, name, device)"
      " SELECT 1, ?1, id FROM devices WHERE name LIKE 'member-%'");
  ASSERT_TRUE(members && members->with(group).run());
}

}  // namespace wakeline::store
