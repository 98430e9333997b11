// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "base/time.h"
#include "io/unique_fd.h"

namespace wakeline::test {

/// A TCP proxy on 127.0.0.1 that does to its connections what networks do. A thread of its own;
/// every call may come from any thread, and holds for connections that stand and for new ones.
class FaultProxy {
 public:
  struct Faults {
    std::chrono::milliseconds delay{0};  ///< each piece of bytes, each way
    bool byte_by_byte = false;           ///< every byte is a segment of its own
    bool silent = false;    ///< nothing passes, not even an end: a NAT that forgot, a dead path
    bool refusing = false;  ///< new connections are reset at once
  };

  explicit FaultProxy(std::uint16_t target);
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;
  ~FaultProxy();

  std::uint16_t port() const { return port_; }
  void set(const Faults& faults);
  /// The server moved.
  void set_target(std::uint16_t target) { target_ = target; }
  /// Resets every connection, on both sides.
  void reset_all();
  /// Ends every connection in order, on both sides.
  void end_all();
  /// The connections that stand go silent for ever; new ones are not touched.
  void freeze_all();
  /// How many were ever accepted.
  std::size_t accepted() const { return accepted_; }

 private:
  enum class Ending : std::uint8_t { kNone, kReset, kEnd, kFreeze };
  struct Piece {
    base::Instant due;
    std::vector<std::uint8_t> bytes;  ///< empty: the end
  };
  /// One way of a connection.
  struct Way {
    int from;
    int to;
    std::deque<Piece> pieces;
    bool ended = false;
  };
  struct Pair {
    io::UniqueFd client;
    io::UniqueFd server;
    Way up;
    Way down;
    bool frozen = false;
  };

  void run();
  void accept_one(const Faults& faults);
  void apply(Ending ending);
  bool read_some(Way& way, const Faults& faults);
  bool write_due(Way& way, const Faults& faults);
  void wake();

  std::atomic<std::uint16_t> target_;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> accepted_ = 0;
  std::mutex mutex_;
  Faults faults_;              // under mutex_
  std::vector<Ending> asked_;  // under mutex_
  std::atomic<bool> stopping_ = false;
  io::UniqueFd listener_;
  io::UniqueFd wake_;
  std::list<Pair> pairs_;  // of the thread
  std::thread thread_;
};

}  // namespace wakeline::test
