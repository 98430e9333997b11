// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "core/doze/types.h"

namespace wakeline::doze {

/// The background tasks of one app and the pool of time that they share (C20, C21).
///
/// The pool runs from the first task that is open in the background until the app is suspended or
/// comes to the foreground, also between tasks: otherwise an app could stay awake for ever by
/// beginning and ending tasks.
class Tasks {
 public:
  bool open() const { return !tasks_.empty(); }
  std::size_t size() const { return tasks_.size(); }
  bool holds(TaskId id) const { return find(id) != tasks_.end(); }
  void begin(TaskId id) { tasks_.push_back({id, false}); }
  bool end(TaskId id) {
    const auto it = find(id);
    if (it == tasks_.end()) return false;
    tasks_.erase(it);
    return true;
  }

  /// kNever while the pool does not run.
  Instant pool_end() const { return pool_end_; }
  void start_pool(Instant end) {
    if (pool_end_ == base::kNever) pool_end_ = end;
  }
  void extend_pool(Instant end) { pool_end_ = std::max(pool_end_, end); }
  /// In the foreground: time without limit.
  void stop_pool() {
    pool_end_ = base::kNever;
    for (Task& task : tasks_) task.warned = false;
  }
  /// A new wake gives a full pool; not to tasks that were open before it.
  void refill() {
    if (tasks_.empty()) pool_end_ = base::kNever;
  }

  /// The open tasks, oldest first.
  std::vector<TaskId> ids() const {
    std::vector<TaskId> ids;
    ids.reserve(tasks_.size());
    for (const Task& task : tasks_) ids.push_back(task.id);
    return ids;
  }
  /// Those whose expiration handler was not called yet; from now on it is.
  std::vector<TaskId> take_unwarned() {
    std::vector<TaskId> ids;
    for (Task& task : tasks_)
      if (!std::exchange(task.warned, true)) ids.push_back(task.id);
    return ids;
  }

  friend bool operator==(const Tasks&, const Tasks&) = default;

 private:
  struct Task {
    TaskId id;
    bool warned;
    friend bool operator==(const Task&, const Task&) = default;
  };
  std::vector<Task>::const_iterator find(TaskId id) const {
    return std::ranges::find(tasks_, id, &Task::id);
  }

  std::vector<Task> tasks_;  ///< at most kTasksMax
  Instant pool_end_ = base::kNever;
};

}  // namespace wakeline::doze
