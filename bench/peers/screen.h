// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/time.h"
#include "cli/program.h"
#include "io/event_fd.h"
#include "io/unique_fd.h"

namespace wakeline::bench {

/// A terminal for a program: it writes there as it does for people, and a thread of ours reads at
/// once and takes the time. Any thread may call.
class Screen {
 public:
  static cli::Outcome<std::unique_ptr<Screen>> open();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen();

  const std::string& path() const { return path_; }  ///< "/dev/pts/3"
  /// From now on looks for `text` in what is written.
  void expect(std::string text);
  /// Waits for what is expected. Returns: when it was read, as `monotonic_ns`.
  cli::Outcome<std::int64_t> await(base::Duration timeout);
  /// As from the keyboard.
  void type(const std::string& text);

 private:
  Screen(io::UniqueFd master, io::UniqueFd slave, io::EventFd stop, std::string path);
  void read_on();

  io::UniqueFd master_;
  io::UniqueFd slave_;  ///< ours, so that the terminal is there before and after the program
  io::EventFd stop_;
  std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string expected_;
  std::string recent_;  ///< since `expect`, the end of it
  std::optional<std::int64_t> found_ns_;
  std::jthread reader_;  ///< the last: it uses the others
};

/// Letters that no program has on its screen already, others for each number: a screen writes only
/// what changes, also within a word.
std::string ring_word(int number);

}  // namespace wakeline::bench
