// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "base/random.h"

namespace wakeline::sim {

/// One file of an app, replaced as io/file.h does it: write a new one, fdatasync, rename, sync the
/// folder. A process that dies leaves what it had done so far; a power loss also takes what was
/// never synced, or leaves a torn piece of it.
class Disk {
 public:
  explicit Disk(std::string text) : read_(text), platter_(std::move(text)) {}

  /// What a process reads now.
  const std::string& text() const { return read_; }

  // The steps of one replacement, in their order; a crash may stand between any two.
  void write(std::string text) { fresh_ = {std::move(text), false}; }
  void sync() { fresh_.second = true; }
  /// `synced` of the new file decides what a power loss leaves of it.
  void rename() {
    renamed_ = std::exchange(fresh_, {});
    read_ = renamed_.first;
    pending_ = true;
  }
  void sync_folder() {
    if (!pending_) return;
    pending_ = false;
    platter_ = renamed_.second ? renamed_.first : torn(renamed_.first, renamed_.first.size() / 2);
  }

  /// The power goes: the rename may have reached the disk or not, and unsynced bytes are a torn
  /// piece.
  void lose_power(base::Random& random) {
    if (pending_ && random.chance(1, 2))
      platter_ = renamed_.second ? renamed_.first
                                 : torn(renamed_.first, random.below(renamed_.first.size() + 1));
    pending_ = false;
    fresh_ = {};
    read_ = platter_;
  }

 private:
  static std::string torn(const std::string& text, std::size_t kept) {
    return text.substr(0, kept) + std::string(text.size() - kept, '\0');
  }

  std::string read_;
  std::string platter_;                 ///< what is there after a power loss
  std::pair<std::string, bool> fresh_;  ///< the new file, and whether it was synced
  std::pair<std::string, bool> renamed_;
  bool pending_ = false;  ///< the rename is not durable yet
};

}  // namespace wakeline::sim
