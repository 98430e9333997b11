// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/check.h"
#include "base/error.h"
#include "io/clock.h"
#include "io/loop.h"

/// What tests with real descriptors share; no production code includes it.
namespace wakeline::io {

inline base::ErrorCode code_of(const auto& result) {
  return result ? base::ErrorCode::kOk : result.error().code;
}

/// Runs the loop until `done()`, which is asked after each handler.
/// Returns: false when that took more than ten seconds or nothing is left to wait for.
inline bool run_until(Loop& loop, const std::function<bool()>& done) {
  const base::Instant end = now() + std::chrono::seconds(10);
  while (!done()) {
    if (now() > end) return false;
    const std::size_t ran = loop.context().run_one_for(std::chrono::seconds(10));
    loop.context().restart();
    if (ran == 0) return done();
  }
  return true;
}

/// Runs the handlers that are ready, without waiting for more.
inline void run_ready(Loop& loop) {
  loop.context().poll();
  loop.context().restart();
}

/// A new folder below the system's temporary folder, removed with all in it.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wakeline-XXXXXX").string();
    WL_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace wakeline::io
