// SPDX-License-Identifier: Apache-2.0
#include "store/log_keeper.h"

#include <utility>

#include "base/log.h"

namespace wakeline::store {

LogKeeper::LogKeeper(Database database, std::function<void()> copied)
    : database_(std::move(database)), copied_(std::move(copied)) {
  thread_ = std::thread([this] { run(); });
}

base::Result<std::unique_ptr<LogKeeper>> LogKeeper::open(const std::string& path,
                                                         std::function<void()> copied) {
  auto database = Database::open(path, Database::Mode::kWrite);
  if (!database) return base::fail(database.error());
  return std::unique_ptr<LogKeeper>(new LogKeeper(std::move(*database), std::move(copied)));
}

LogKeeper::~LogKeeper() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LogKeeper::ask() {
  {
    const std::scoped_lock lock(mutex_);
    asked_ = true;
  }
  wake_.notify_one();
}

void LogKeeper::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || asked_; });
      if (stopping_) return;  // whoever closes the file last copies the rest
      asked_ = false;
    }
    copy();
    copied_();
  }
}

/// What is copied is synced here as well: SQLite does so only with the last page, and then all of
/// it would be the writer's to wait for.
void LogKeeper::copy() {
  const auto left = database_.checkpoint();
  auto done = left ? base::Result<void>() : base::fail(left.error());
  if (left && *left > 0) done = database_.sync_file();
  if (!done) base::log(base::LogLevel::kError, "store", "{}", base::to_string(done.error()));
}

}  // namespace wakeline::store
