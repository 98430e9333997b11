// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

/// An io_uring with one receive at a time, as small as can be: what a program does that reads its
/// socket by completions.
class Ring {
 public:
  Ring() {
    io_uring_params params = {};
    fd_ = static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params));
    if (fd_ < 0) std::exit(5);
    const std::size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(std::uint32_t);
    const std::size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
    sq_ = map(sq_size, IORING_OFF_SQ_RING);
    cq_ = map(cq_size, IORING_OFF_CQ_RING);
    entries_ = reinterpret_cast<io_uring_sqe*>(
        map(params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
    sq_offsets_ = params.sq_off;
    cq_offsets_ = params.cq_off;
  }

  /// Receives at least a byte; 0 at the end, negative errno.
  int receive(int socket, void* bytes, std::uint32_t size) {
    io_uring_sqe& entry = entries_[0];
    entry = {};
    entry.opcode = IORING_OP_RECV;
    entry.fd = socket;
    entry.addr = reinterpret_cast<std::uint64_t>(bytes);
    entry.len = size;
    *at<std::uint32_t>(sq_, sq_offsets_.array) = 0;
    auto tail = std::atomic_ref(*at<std::uint32_t>(sq_, sq_offsets_.tail));
    tail.store(tail.load() + 1, std::memory_order_release);
    auto head = std::atomic_ref(*at<std::uint32_t>(cq_, cq_offsets_.head));
    auto done = std::atomic_ref(*at<std::uint32_t>(cq_, cq_offsets_.tail));
    for (unsigned submit = 1; head.load() == done.load(std::memory_order_acquire);) {
      const auto entered =
          ::syscall(SYS_io_uring_enter, fd_, submit, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
      if (entered < 0 && errno != EINTR) return -errno;  // EINTR: thawed
      if (entered > 0) submit = 0;
    }
    const std::uint32_t mask = *at<std::uint32_t>(cq_, cq_offsets_.ring_mask);
    const int result = at<io_uring_cqe>(cq_, cq_offsets_.cqes)[head.load() & mask].res;
    head.store(head.load() + 1, std::memory_order_release);
    return result;
  }

 private:
  unsigned char* map(std::size_t size, std::uint64_t offset) const {
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_,
                          static_cast<off_t>(offset));
    if (memory == MAP_FAILED) std::exit(5);
    return static_cast<unsigned char*>(memory);
  }
  template <class T>
  static T* at(unsigned char* base, std::uint32_t offset) {
    return reinterpret_cast<T*>(base + offset);
  }

  int fd_ = -1;
  unsigned char* sq_ = nullptr;
  unsigned char* cq_ = nullptr;
  io_uring_sqe* entries_ = nullptr;
  io_sqring_offsets sq_offsets_{};
  io_cqring_offsets cq_offsets_{};
};
