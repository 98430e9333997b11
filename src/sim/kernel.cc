// SPDX-License-Identifier: Apache-2.0
#include "sim/kernel.h"

#include <algorithm>

namespace wakeline::sim {

void Kernel::at(Instant when, Task task) {
  if (free_.empty()) {
    free_.push_back(tasks_.size());
    tasks_.emplace_back();
  }
  const std::size_t slot = free_.back();
  free_.pop_back();
  tasks_[slot] = std::move(task);
  heap_.push_back({std::max(when, now_).time_since_epoch().count(), next_order_++, slot});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Kernel::run_until(Instant end, std::uint64_t events_max) {
  while (!heap_.empty() && heap_.front().at <= end.time_since_epoch().count()) {
    if (events_ >= events_max) return false;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event event = heap_.back();
    heap_.pop_back();
    now_ = Instant(Duration(event.at));
    ++events_;
    mix(static_cast<std::uint64_t>(event.at));
    const Task task = std::exchange(tasks_[event.slot], nullptr);
    free_.push_back(event.slot);
    task();
  }
  now_ = std::max(now_, end);
  return true;
}

void Kernel::mix(std::uint64_t value) {
  // Multiply and fold: cheap, and every bit of both reaches every bit.
  digest_ = (digest_ ^ value) * 0x9E37'79B9'7F4A'7C15ULL;
  digest_ ^= digest_ >> 32;
}

void Kernel::trace(std::string_view part, std::string_view text) {
  if (lines_.size() >= 2 * kTraceMax)
    lines_.erase(lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(kTraceMax));
  const double seconds = std::chrono::duration<double>(now_.time_since_epoch()).count();
  lines_.push_back(fmt::format("{:14.6f} {}: {}", seconds, part, text));
}

}  // namespace wakeline::sim
