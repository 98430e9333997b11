// SPDX-License-Identifier: Apache-2.0
#include "linux/socket_watch.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "linux/fd_watch.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// Events taken from the kernel at once; what is more comes at the loop's next turn.
constexpr int kBatch = 64;

class EpollWatch final : public SocketWatch {
 public:
  EpollWatch(io::UniqueFd epoll, OnEvent on_event)
      : epoll_(std::move(epoll)), on_event_(std::move(on_event)) {}
  ~EpollWatch() override {
    watch_.reset();  // before the set that it watches
  }

  base::Result<void> start(io::Loop& loop) {
    auto watch = FdWatch::create(loop, epoll_.get(), [this] { on_ready(); });
    if (!watch) return base::fail(watch.error());
    watch_ = std::move(*watch);
    watch_->arm(true);
    return {};
  }

  base::Result<void> add(WatchKey key, io::UniqueFd duplicate, WatchMode mode,
                         const SocketReading& known) override {
    if (slot_of_.contains(key)) return base::fail(ErrorCode::kAlreadyExists, "watch");
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    Slot& slot = slots_[index];
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLRDHUP;  // errors and hang-ups are always reported
    // Edge-triggered, old data gives one event at once and then none: it is found out by `known`.
    if (mode == WatchMode::kEdge) event.events |= EPOLLET;
    event.data.u64 = std::uint64_t{slot.generation} << 32 | index;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, duplicate.get(), &event) != 0) {
      const bool unfit = errno == EPERM || errno == EBADF || errno == EINVAL;
      return base::fail(unfit ? ErrorCode::kInvalidArgument : ErrorCode::kOs, "epoll_ctl", errno);
    }
    free_.pop_back();
    slot.key = key;
    slot.fd = std::move(duplicate);
    slot.mode = mode;
    slot.known = known;
    slot.armed = true;
    slot_of_.emplace(key, index);
    return {};
  }

  bool remove(WatchKey key) override {
    const auto found = slot_of_.find(key);
    if (found == slot_of_.end()) return false;
    erase(found);
    return true;
  }

  std::size_t remove_group(std::uint64_t group) override {
    std::size_t count = 0;
    auto next = slot_of_.lower_bound(WatchKey{group, 0});
    while (next != slot_of_.end() && next->first.group == group) {
      next = erase(next);
      ++count;
    }
    return count;
  }

  base::Result<SocketReading> read(WatchKey key) const override {
    const auto found = slot_of_.find(key);
    if (found == slot_of_.end()) return base::fail(ErrorCode::kNotFound, "watch");
    return read_socket(slots_[found->second].fd.get());
  }

  base::Result<std::size_t> peek(WatchKey key, std::span<char> into) const override {
    const auto found = slot_of_.find(key);
    if (found == slot_of_.end()) return base::fail(ErrorCode::kNotFound, "watch");
    const ssize_t size =
        ::recv(slots_[found->second].fd.get(), into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0) return base::fail(base::os_error("recv", errno));
    return static_cast<std::size_t>(size);
  }

  base::Result<void> rearm(WatchKey key, const SocketReading& known) override {
    const auto found = slot_of_.find(key);
    if (found == slot_of_.end()) return base::fail(ErrorCode::kNotFound, "watch");
    Slot& slot = slots_[found->second];
    if (slot.armed) return base::fail(ErrorCode::kNotFound, "rearm");
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    event.data.u64 = std::uint64_t{slot.generation} << 32 | found->second;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.fd.get(), &event) != 0) {
      return base::fail(base::os_error("epoll_ctl", errno));
    }
    slot.mode = WatchMode::kEdge;
    slot.known = known;
    slot.armed = true;
    return {};
  }

  std::size_t size() const override { return slot_of_.size(); }

 private:
  struct Slot {
    WatchKey key;
    io::UniqueFd fd;
    WatchMode mode = WatchMode::kLevel;
    SocketReading known;
    std::uint32_t generation = 0;  // tells an event of the slot's earlier user
    bool armed = false;            // in the epoll set
  };
  using SlotOf = std::map<WatchKey, std::uint32_t>;

  void disarm(Slot& slot) {
    if (!slot.armed) return;
    slot.armed = false;
    // Before the close: while the app's own descriptor lives, the set would keep the registration.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.fd.get(), nullptr);
  }

  SlotOf::iterator erase(SlotOf::iterator found) {
    const std::uint32_t index = found->second;
    Slot& slot = slots_[index];
    disarm(slot);
    slot.fd.reset();
    ++slot.generation;
    free_.push_back(index);
    return slot_of_.erase(found);
  }

  void on_ready() {
    epoll_event events[kBatch];
    const int count = ::epoll_wait(epoll_.get(), events, kBatch, 0);
    const std::weak_ptr<int> alive = alive_;
    for (int i = 0; i < count; ++i) {
      report(events[i]);
      if (alive.expired()) return;  // the handler destroyed us
    }
    watch_->arm(true);
  }

  void report(const epoll_event& event) {
    const auto index = static_cast<std::uint32_t>(event.data.u64);
    Slot& slot = slots_[index];
    const bool current = slot.generation == static_cast<std::uint32_t>(event.data.u64 >> 32);
    if (!current || !slot.armed) return;
    // Data alone, nothing known before it: the way of nearly every wake. Nothing more is read.
    const bool plain =
        slot.mode == WatchMode::kLevel && (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0;
    if (plain) {
      disarm(slot);
      return on_event_(WatchKey(slot.key), SocketEvent::kData);
    }
    const auto reading = read_socket(slot.fd.get());
    // Edge-triggered: what was known is not news. What is no TCP socket has no counter to compare.
    const bool news = !reading || slot.mode == WatchMode::kLevel ||
                      reading->bytes != slot.known.bytes || reading->ended != slot.known.ended;
    if (!news) return;
    disarm(slot);
    const WatchKey key = slot.key;
    on_event_(key, kind_of(event.events, reading ? reading->unread > 0 : true));
  }

  static SocketEvent kind_of(std::uint32_t events, bool unread) {
    if (events & EPOLLERR) return SocketEvent::kError;
    if ((events & (EPOLLRDHUP | EPOLLHUP)) && !unread) return SocketEvent::kEnd;
    return SocketEvent::kData;
  }

  io::UniqueFd epoll_;
  OnEvent on_event_;
  std::unique_ptr<FdWatch> watch_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  SlotOf slot_of_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace

base::Result<std::unique_ptr<SocketWatch>> SocketWatch::create(io::Loop& loop, OnEvent on_event) {
  io::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return base::fail(base::os_error("epoll_create1", errno));
  auto watch = std::make_unique<EpollWatch>(std::move(epoll), std::move(on_event));
  if (const auto started = watch->start(loop); !started) return base::fail(started.error());
  return watch;
}

}  // namespace wakeline::sys
