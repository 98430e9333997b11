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
  lines_.push_back(fmt::format("{} {}: {}", time_text(now_.time_since_epoch()), part, text));
}

base::Random Kernel::random_of(std::string_view kind, std::uint64_t index) const {
  return sim::random_of(seed_, kind, index);
}

base::Random random_of(std::uint64_t seed, std::string_view kind, std::uint64_t index) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325ULL;
  for (const char c : kind) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x0000'0100'0000'01B3ULL;
  }
  base::Random first(seed ^ hash);
  return base::Random(first.next() + index * 0x9E37'79B9'7F4A'7C15ULL);
}

std::string time_text(Duration since_start) {
  const std::int64_t us = since_start / std::chrono::microseconds(1);
  return fmt::format("{:7}.{:06}", us / 1'000'000, us % 1'000'000);
}

}  // namespace wakeline::sim
