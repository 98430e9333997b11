// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_set.hpp>

#include "core/session/session.h"
#include "server/device_line.h"
#include "store/types.h"

namespace wakeline::server {

/// A device that is connected, or whose session is kept.
struct KnownDevice {
  session::Session session;
  std::string name;
  store::DeviceId id{};
  DeviceLine line;
  std::uint32_t generation = 0;  ///< of `line`: an event of a former one is not for it
  bool used = false;
};

/// The slab of one shard's devices: each has a slot, a small number that stays its own until it is
/// forgotten. Growing copies nothing; the index by name holds slots alone.
class DeviceTable {
 public:
  using Slot = std::uint32_t;

  DeviceTable() : names_(0, Hash{&slab_}, Equal{&slab_}) {}
  DeviceTable(const DeviceTable&) = delete;
  DeviceTable& operator=(const DeviceTable&) = delete;

  KnownDevice& operator[](Slot slot) { return slab_[slot]; }
  const KnownDevice& operator[](Slot slot) const { return slab_[slot]; }
  /// Slots that were ever given out; look at `used`.
  Slot size() const { return slab_.size(); }
  std::optional<Slot> find(std::string_view name) const {
    const auto it = names_.find(name);
    if (it == names_.end()) return std::nullopt;
    return *it;
  }
  /// No device of that name is there.
  Slot add(std::string_view name, store::DeviceId id) {
    Slot slot = 0;
    if (free_.empty()) {
      slot = size();
      slab_.grow();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    KnownDevice& device = slab_[slot];
    device.name = name;
    device.id = id;
    device.used = true;
    names_.insert(slot);
    return slot;
  }
  void remove(Slot slot) {
    names_.erase(slot);
    const std::uint32_t generation = slab_[slot].generation + 1;
    slab_[slot] = KnownDevice{};
    slab_[slot].generation = generation;
    free_.push_back(slot);
  }

 private:
  /// Grows by whole chunks, which stay where they are.
  class Slab {
   public:
    KnownDevice& operator[](Slot slot) { return (*chunks_[slot / kChunk])[slot % kChunk]; }
    const KnownDevice& operator[](Slot slot) const {
      return (*chunks_[slot / kChunk])[slot % kChunk];
    }
    Slot size() const { return size_; }
    void grow() {
      if (size_ % kChunk == 0) chunks_.push_back(std::make_unique<Chunk>());
      ++size_;
    }

   private:
    static constexpr Slot kChunk = 256;
    using Chunk = std::array<KnownDevice, kChunk>;
    std::vector<std::unique_ptr<Chunk>> chunks_;
    Slot size_ = 0;
  };
  struct Hash {
    using is_transparent = void;
    const Slab* slab;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>{}(name);
    }
    std::size_t operator()(Slot slot) const { return (*this)((*slab)[slot].name); }
  };
  struct Equal {
    using is_transparent = void;
    const Slab* slab;
    bool operator()(Slot a, Slot b) const { return a == b; }
    bool operator()(std::string_view name, Slot slot) const { return name == (*slab)[slot].name; }
    bool operator()(Slot slot, std::string_view name) const { return (*this)(name, slot); }
  };

  Slab slab_;
  std::vector<Slot> free_;
  boost::unordered_flat_set<Slot, Hash, Equal> names_;
};

}  // namespace wakeline::server
