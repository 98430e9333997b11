// SPDX-License-Identifier: Apache-2.0
#include "linux/socket_watch.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/flat_map.h"
#include "linux/fd_watch.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

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
    if (find(key) != kNone) return base::fail(ErrorCode::kAlreadyExists, "watch");
    const std::uint32_t index = take_slot();
    slots_[index].key = key;
    slots_[index].fd = std::move(duplicate);
    if (const auto armed = arm(index, mode, known); !armed) {
      give_back(index);
      return armed;
    }
    std::vector<std::uint32_t>& group = groups_[key.group];
    base::make_room(group);
    group.insert(group.begin() + place_of(group, key.member), index);
    return {};
  }

  bool remove(WatchKey key) override {
    const std::uint32_t index = find(key);
    if (index == kNone) return false;
    const auto group = groups_.find(key.group);
    group->second.erase(group->second.begin() + place_of(group->second, key.member));
    if (group->second.empty()) groups_.erase(group);
    give_back(index);
    return true;
  }

  std::size_t remove_group(std::uint64_t number) override {
    const auto group = groups_.find(number);
    if (group == groups_.end()) return 0;
    for (const std::uint32_t index : group->second) give_back(index);
    const std::size_t count = group->second.size();
    groups_.erase(group);
    return count;
  }

  base::Result<SocketReading> read(WatchKey key) const override {
    const std::uint32_t index = find(key);
    if (index == kNone) return base::fail(ErrorCode::kNotFound, "watch");
    return read_socket(slots_[index].fd.get());
  }

  base::Result<std::size_t> peek(WatchKey key, std::span<char> into) const override {
    const std::uint32_t index = find(key);
    if (index == kNone) return base::fail(ErrorCode::kNotFound, "watch");
    const ssize_t size =
        ::recv(slots_[index].fd.get(), into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0) return base::fail(base::os_error("recv", errno));
    return static_cast<std::size_t>(size);
  }

  base::Result<void> rearm(WatchKey key, const SocketReading& known) override {
    const std::uint32_t index = find(key);
    if (index == kNone) return base::fail(ErrorCode::kNotFound, "watch");
    if (slots_[index].armed) return base::fail(ErrorCode::kNotFound, "rearm");
    return arm(index, WatchMode::kEdge, known);
  }

  std::size_t size() const override {
    std::size_t count = 0;
    for (const auto& [number, group] : groups_) count += group.size();
    return count;
  }

 private:
  // A host has one for each tagged socket of every suspended app.
  struct Slot {
    WatchKey key;                   // of a free one: `member` is the next free one
    std::uint64_t known_bytes = 0;  // what was read of it
    io::UniqueFd fd;
    std::uint32_t generation : 28 = 0;  // tells an event of the slot's earlier user
    std::uint32_t known_ended : 1 = 0;
    std::uint32_t known_connecting : 1 = 0;
    std::uint32_t edge : 1 = 0;   // WatchMode
    std::uint32_t armed : 1 = 0;  // in the epoll set
  };
  static_assert(sizeof(Slot) == 32);
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  std::uint32_t take_slot() {
    if (free_ == kNone) {
      slots_.emplace_back();
      return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    return std::exchange(free_, static_cast<std::uint32_t>(slots_[free_].key.member));
  }

  void give_back(std::uint32_t index) {
    Slot& slot = slots_[index];
    disarm(slot);
    slot.fd.reset();
    ++slot.generation;
    slot.key = {0, std::exchange(free_, index)};
  }

  /// Where the member is in its group, or would be.
  std::ptrdiff_t place_of(const std::vector<std::uint32_t>& group, std::uint64_t member) const {
    const auto member_of = [this](std::uint32_t index) { return slots_[index].key.member; };
    return std::ranges::lower_bound(group, member, {}, member_of) - group.begin();
  }

  /// The slot's number; kNone: there is none.
  std::uint32_t find(WatchKey key) const {
    const auto group = groups_.find(key.group);
    if (group == groups_.end()) return kNone;
    const auto place = static_cast<std::size_t>(place_of(group->second, key.member));
    if (place == group->second.size()) return kNone;
    const std::uint32_t index = group->second[place];
    return slots_[index].key == key ? index : kNone;
  }

  base::Result<void> arm(std::uint32_t index, WatchMode mode, const SocketReading& known) {
    Slot& slot = slots_[index];
    std::uint32_t events = EPOLLIN | EPOLLRDHUP;  // errors and hang-ups are always reported
    // Whoever waits for a connection has nothing to read of it yet.
    if (known.connecting) events |= EPOLLOUT;
    // Edge-triggered, old data gives one event at once and then none: it is found out by `known`.
    if (mode == WatchMode::kEdge) events |= EPOLLET;
    if (!control(EPOLL_CTL_ADD, index, events)) {
      const bool unfit = errno == EPERM || errno == EBADF || errno == EINVAL;
      return base::fail(unfit ? ErrorCode::kInvalidArgument : ErrorCode::kOs, "epoll_ctl", errno);
    }
    slot.edge = mode == WatchMode::kEdge;
    slot.known_bytes = known.bytes;
    slot.known_ended = known.ended;
    slot.known_connecting = known.connecting;
    slot.armed = true;
    return {};
  }

  bool control(int operation, std::uint32_t index, std::uint32_t events) {
    const Slot& slot = slots_[index];
    epoll_event event = {};
    event.events = events;
    event.data.u64 = std::uint64_t{slot.generation} << 32 | index;
    return ::epoll_ctl(epoll_.get(), operation, slot.fd.get(), &event) == 0;
  }

  void disarm(Slot& slot) {
    if (!slot.armed) return;
    slot.armed = false;
    // Before the close: while the app's own descriptor lives, the set would keep the registration.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.fd.get(), nullptr);
  }

  void on_ready() {
    epoll_event events[kEventBatch];
    const int count = ::epoll_wait(epoll_.get(), events, kEventBatch, 0);
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
    const bool plain = !slot.edge && (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0;
    if (plain) {
      disarm(slot);
      return on_event_(WatchKey(slot.key), SocketEvent::kData);
    }
    const auto reading = read_socket(slot.fd.get());
    if (reading && !is_news(slot, *reading)) {
      // What lies in the error queue would be ready for ever.
      if (slot.edge || watch_on(index)) return;
    }
    disarm(slot);
    const WatchKey key = slot.key;
    on_event_(key, reading ? kind_of(event.events, *reading) : SocketEvent::kData);
  }

  /// Edge-triggered, what was known is not news; else all that there is to read is. What is no
  /// socket of TCP or UDP has no counter to compare, and is not asked here.
  static bool is_news(const Slot& slot, const SocketReading& reading) {
    if (!slot.edge && (reading.unread > 0 || reading.ended)) return true;
    return reading.bytes != slot.known_bytes || reading.ended != slot.known_ended ||
           reading.connecting != (slot.known_connecting != 0);
  }

  /// After an event that was none. What comes between the reading and this gives another one.
  bool watch_on(std::uint32_t index) {
    Slot& slot = slots_[index];
    std::uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    if (slot.known_connecting) events |= EPOLLOUT;
    if (!control(EPOLL_CTL_MOD, index, events)) return false;
    slot.edge = true;
    return true;
  }

  static SocketEvent kind_of(std::uint32_t events, const SocketReading& reading) {
    if (!reading.ended) return SocketEvent::kData;
    if (events & EPOLLERR) return SocketEvent::kError;
    return reading.unread > 0 ? SocketEvent::kData : SocketEvent::kEnd;
  }

  io::UniqueFd epoll_;
  OnEvent on_event_;
  std::unique_ptr<FdWatch> watch_;
  std::deque<Slot> slots_;  // none moves, and room for them never doubles
  std::uint32_t free_ = kNone;
  std::map<std::uint64_t, std::vector<std::uint32_t>> groups_;  // sorted by member
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
