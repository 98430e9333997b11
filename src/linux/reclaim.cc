// SPDX-License-Identifier: Apache-2.0
#include "linux/reclaim.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "linux/control_file.h"
#include "linux/proc.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// /proc/PID/maps of a process with kRangesMax ranges and as many of files.
constexpr std::size_t kMapsMax = 4 << 20;

// The next word, and what is behind it.
std::string_view take_word(std::string_view& line) {
  const auto begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  const auto end = std::min(line.find(' ', begin), line.size());
  const auto word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

bool read_hex(std::string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

// "VmRSS:      1234 kB", "SwapFree:  0 kB" in bytes; nullopt where there is no such line.
std::optional<std::uint64_t> kilobytes_of(std::string_view text, std::string_view key) {
  std::optional<std::uint64_t> bytes;
  for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with(key)) return;
    line.remove_prefix(key.size());
    const auto begin = line.find_first_of("0123456789");
    if (begin == std::string_view::npos) return;
    std::uint64_t value = 0;
    std::from_chars(line.data() + begin, line.data() + line.size(), value);
    bytes = value << 10;
  });
  return bytes;
}

base::Result<void> check_swap() {
  const auto free = free_swap_percent();
  if (!free) return base::fail(ErrorCode::kUnsupported, "swap");
  if (*free < kFreeSwapMin) return base::fail(ErrorCode::kBusy, "swap");
  return {};
}

base::Result<void> page_out(int pidfd, const MemoryRange& range) {
  const iovec part = {reinterpret_cast<void*>(static_cast<std::uintptr_t>(range.begin)),
                      static_cast<std::size_t>(range.end - range.begin)};
  if (::syscall(SYS_process_madvise, pidfd, &part, 1, MADV_PAGEOUT, 0) >= 0) return {};
  switch (errno) {
    case ENOSYS:
      return base::fail(ErrorCode::kUnsupported, "process_madvise", errno);
    case ESRCH:   // it has ended
    case ENOMEM:  // the range was there a moment ago: a part of the app runs
    case EINVAL:  // locked memory, huge pages: what cannot be paged out
      return {};
    default:
      return base::fail(base::os_error("process_madvise", errno));
  }
}

}  // namespace

std::vector<MemoryRange> anonymous_ranges(std::string_view maps) {
  std::vector<MemoryRange> ranges;
  for_each_line(maps, [&](std::string_view line) {
    const auto bounds = take_word(line);
    const auto rights = take_word(line);
    take_word(line);  // offset
    take_word(line);  // device
    const auto inode = take_word(line);
    const auto name = take_word(line);
    const auto dash = bounds.find('-');
    MemoryRange range;
    if (dash == std::string_view::npos || !read_hex(bounds.substr(0, dash), range.begin) ||
        !read_hex(bounds.substr(dash + 1), range.end) || range.begin >= range.end) {
      return;
    }
    // Shared memory is others' as well; [vdso] and its like belong to the kernel.
    const bool of_kernel = name.starts_with("[v");
    const bool anonymous = inode == "0" && rights.size() == 4 && rights[3] == 'p' && !of_kernel;
    if (anonymous && rights != "---p" && ranges.size() < kRangesMax) ranges.push_back(range);
  });
  return ranges;
}

base::Result<MemoryUse> memory_use(pid_t pid) {
  const auto text = read_control(AT_FDCWD, proc_file(pid, "status").c_str());
  if (!text) return base::fail(text.error());
  const auto in_memory = kilobytes_of(*text, "VmRSS:");
  if (!in_memory) return base::fail(ErrorCode::kMalformed, "/proc/PID/status");
  return MemoryUse{*in_memory, kilobytes_of(*text, "VmSwap:").value_or(0)};
}

std::optional<int> free_swap_percent(std::string_view meminfo) {
  const auto total = kilobytes_of(meminfo, "SwapTotal:");
  const auto free = kilobytes_of(meminfo, "SwapFree:");
  if (!total || !free || *total == 0) return std::nullopt;
  return static_cast<int>(std::min(*free, *total) / 1'024 * 100 / (*total / 1'024));
}

std::optional<int> free_swap_percent() {
  const auto text = read_control(AT_FDCWD, "/proc/meminfo");
  return text ? free_swap_percent(*text) : std::nullopt;
}

base::Result<ReclaimJob> ReclaimJob::begin(std::vector<pid_t> processes) {
  if (const auto swap = check_swap(); !swap) return base::fail(swap.error());
  ReclaimJob job;
  job.processes_ = std::move(processes);
  job.before_ = job.resident_now();
  return job;
}

base::Result<bool> ReclaimJob::step() {
  while (ranges_.empty()) {
    if (next_process_ == processes_.size()) return false;
    if (const auto opened = open_next(); !opened) return base::fail(opened.error());
  }
  std::uint64_t left = kStepBytes;
  while (left > 0 && !ranges_.empty()) {
    MemoryRange& range = ranges_.back();
    const MemoryRange part = {range.begin, std::min(range.end, range.begin + left)};
    if (const auto done = page_out(pidfd_.get(), part); !done) return base::fail(done.error());
    left -= part.end - part.begin;
    range.begin = part.end;
    if (range.begin == range.end) ranges_.pop_back();
  }
  return !ranges_.empty() || next_process_ < processes_.size();
}

// One that has ended, or may not be looked into, has no ranges.
base::Result<void> ReclaimJob::open_next() {
  const pid_t pid = processes_[next_process_++];
  if (const auto swap = check_swap(); !swap) return swap;
  const auto stat = read_proc_stat(pid);
  if (!stat) return {};
  auto pidfd = open_pidfd(stat->key);
  if (!pidfd) return {};
  const auto maps = read_control(AT_FDCWD, proc_file(pid, "maps").c_str(), kMapsMax);
  if (!maps && maps.error().code == ErrorCode::kNotFound) return {};
  if (!maps) return base::fail(maps.error());
  pidfd_ = std::move(*pidfd);
  ranges_ = anonymous_ranges(*maps);
  return {};
}

std::uint64_t ReclaimJob::resident_now() const {
  std::uint64_t sum = 0;
  for (const pid_t pid : processes_) {
    if (const auto use = memory_use(pid)) sum += use->resident;
  }
  return sum;
}

}  // namespace wakeline::sys
