// SPDX-License-Identifier: Apache-2.0
#include "linux/exit_set.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "io/unique_fd.h"
#include "linux/fd_watch.h"

namespace wakeline::sys {
namespace {

class EpollExitSet final : public ExitSet {
 public:
  explicit EpollExitSet(io::UniqueFd epoll) : epoll_(std::move(epoll)) {}
  ~EpollExitSet() override {
    ready_.reset();  // before the set that it watches
  }

  base::Result<void> start(io::Loop& loop) {
    auto ready = FdWatch::create(loop, epoll_.get(), [this] { on_ready(); });
    if (!ready) return base::fail(ready.error());
    ready_ = std::move(*ready);
    ready_->arm(true);
    return {};
  }

  base::Result<std::unique_ptr<ExitWatch>> watch(int pidfd,
                                                 std::function<void(ExitInfo)> on_exit) override;

 private:
  class Watch;
  struct Slot {
    Watch* watch = nullptr;
    std::uint32_t generation = 0;  // tells an event of the slot's earlier user
  };

  void remove(std::uint32_t index, int pidfd) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, pidfd, nullptr);
    slots_[index].watch = nullptr;
    ++slots_[index].generation;
    free_.push_back(index);
  }
  void on_ready();
  void report(std::uint64_t event);

  io::UniqueFd epoll_;
  std::unique_ptr<FdWatch> ready_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

class EpollExitSet::Watch final : public ExitWatch {
 public:
  Watch(EpollExitSet& set, std::uint32_t index, int fd, std::function<void(ExitInfo)> handler)
      : on_exit(std::move(handler)), pidfd(fd), set_(set), index_(index) {}
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() override { set_.remove(index_, pidfd); }

  std::function<void(ExitInfo)> on_exit;
  int pidfd;

 private:
  EpollExitSet& set_;
  std::uint32_t index_;
};

base::Result<std::unique_ptr<ExitWatch>> EpollExitSet::watch(
    int pidfd, std::function<void(ExitInfo)> on_exit) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t index = free_.back();
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = std::uint64_t{slots_[index].generation} << 32 | index;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd, &event) != 0) {
    return base::fail(base::os_error("epoll_ctl", errno));
  }
  free_.pop_back();
  auto watch = std::make_unique<Watch>(*this, index, pidfd, std::move(on_exit));
  slots_[index].watch = watch.get();
  return watch;
}

void EpollExitSet::on_ready() {
  epoll_event events[kEventBatch];
  const int count = ::epoll_wait(epoll_.get(), events, kEventBatch, 0);
  const std::weak_ptr<int> alive = alive_;
  for (int i = 0; i < count; ++i) {
    report(events[i].data.u64);
    if (alive.expired()) return;  // the handler destroyed us
  }
  ready_->arm(true);
}

void EpollExitSet::report(std::uint64_t event) {
  const Slot& slot = slots_[static_cast<std::uint32_t>(event)];
  const bool current = slot.generation == static_cast<std::uint32_t>(event >> 32);
  if (!current || slot.watch == nullptr) return;
  const auto info = take_exit(slot.watch->pidfd);
  if (!info && info.error().code == base::ErrorCode::kBusy) return;  // it is reported again
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.watch->pidfd, nullptr);
  // The handler may destroy the watch: nothing of it is touched any more.
  const auto handler = std::move(slot.watch->on_exit);
  handler(info.value_or(ExitInfo{.known = false}));
}

}  // namespace

base::Result<std::unique_ptr<ExitSet>> ExitSet::create(io::Loop& loop) {
  io::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return base::fail(base::os_error("epoll_create1", errno));
  auto set = std::make_unique<EpollExitSet>(std::move(epoll));
  if (const auto started = set->start(loop); !started) return base::fail(started.error());
  return set;
}

}  // namespace wakeline::sys
