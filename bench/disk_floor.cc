// SPDX-License-Identifier: Apache-2.0
#include "disk_floor.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "bed.h"
#include "io/unique_fd.h"

namespace wakeline::bench {
namespace {

constexpr std::size_t kPage = 4'096;
constexpr int kFilePages = 1'024;  // of the file that is overwritten

std::unexpected<std::string> failed(const char* what) {
  return std::unexpected(base::to_string(base::os_error(what, errno)));
}

}  // namespace

cli::Outcome<DiskFloor> measure_disk(const Folder& folder, int count) {
  std::array<char, kPage> page{};
  page.fill(7);
  const auto open = [&](const char* name) {
    return io::UniqueFd(
        ::open(folder.file(name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  };
  const auto write = [&](int fd, int at) {
    return ::pwrite(fd, page.data(), page.size(), static_cast<off_t>(at) * off_t{kPage}) ==
           static_cast<ssize_t>(page.size());
  };
  const io::UniqueFd grows = open("floor-append");
  const io::UniqueFd stays = open("floor-overwrite");
  if (!grows || !stays) return failed("open");
  for (int i = 0; i < kFilePages; ++i) {
    if (!write(stays.get(), i)) return failed("write");
  }
  if (::fsync(stays.get()) != 0) return failed("fsync");
  DiskFloor floor;
  for (int i = 0; i < count; ++i) {
    for (const bool appends : {true, false}) {
      const int fd = appends ? grows.get() : stays.get();
      const std::int64_t start = monotonic_ns();
      if (!write(fd, appends ? i : i % kFilePages)) return failed("write");
      if (::fdatasync(fd) != 0) return failed("fdatasync");
      (appends ? floor.append : floor.overwrite).add(monotonic_ns() - start);
    }
  }
  constexpr std::int64_t kPaceNs = 1'000'000;
  const std::int64_t first = monotonic_ns();
  const auto due = [&](int i) { return first + i * kPaceNs; };
  for (int next = 0; next < count;) {
    const timespec until{.tv_sec = due(next) / 1'000'000'000, .tv_nsec = due(next) % 1'000'000'000};
    if (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) continue;
    const int from = next;
    for (const std::int64_t now = monotonic_ns(); next < count && due(next) <= now;) ++next;
    if (!write(stays.get(), from % kFilePages)) return failed("write");
    if (::fdatasync(stays.get()) != 0) return failed("fdatasync");
    const std::int64_t done = monotonic_ns();
    for (int i = from; i < next; ++i) floor.paced.add(done - due(i));
  }
  return floor;
}

}  // namespace wakeline::bench
