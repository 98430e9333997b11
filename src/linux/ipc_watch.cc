// SPDX-License-Identifier: Apache-2.0
#include "linux/ipc_watch.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "io/clock.h"
#include "io/deadline_timer.h"
#include "io/unique_fd.h"
#include "linux/fd_watch.h"
#include "linux/proc.h"
#include "linux/socket_probe.h"
#include "linux/socket_scan.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// What looks the same after a run is told after this, then after twice as long, and so on; the age
// is the bound.
constexpr base::Duration kSameDelay = std::chrono::seconds(1);
constexpr int kSameMax = 10;

bool is_local_connection(int fd) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof peer;
  return option_of(fd, SO_DOMAIN) == AF_UNIX && option_of(fd, SO_TYPE) == SOCK_STREAM &&
         ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

struct State {
  std::uint32_t unread = 0;
  bool ended = false;
  friend bool operator==(const State&, const State&) = default;
};

State state_of(int fd) {
  State state;
  int unread = 0;
  if (::ioctl(fd, SIOCINQ, &unread) == 0) state.unread = static_cast<std::uint32_t>(unread);
  pollfd wait{fd, POLLRDHUP, 0};
  state.ended = ::poll(&wait, 1, 0) > 0;
  return state;
}

struct Found {
  std::uint64_t cookie = 0;
  io::UniqueFd duplicate;
};

// Errors: kOs. Processes that have ended, or may not be looked into, have none.
base::Result<std::vector<Found>> find_connections(const std::vector<pid_t>& processes) {
  std::map<std::uint64_t, io::UniqueFd> found;  // processes of one app may share one
  for (const pid_t pid : processes) {
    const auto stat = read_proc_stat(pid);
    const auto pidfd = stat ? open_pidfd(stat->key) : base::fail(stat.error());
    const auto fds = pidfd ? socket_fds(pid) : base::fail(pidfd.error());
    if (!fds) continue;
    for (const int fd : *fds) {
      auto duplicate = duplicate_fd(pidfd->get(), fd);
      if (!duplicate && duplicate.error().code == ErrorCode::kOs) {
        return base::fail(duplicate.error());
      }
      if (!duplicate || !is_local_connection(duplicate->get())) continue;
      if (const auto cookie = socket_cookie(duplicate->get())) {
        found.try_emplace(*cookie, std::move(*duplicate));
      }
    }
  }
  std::vector<Found> list;
  for (auto& [cookie, duplicate] : found) list.push_back({cookie, std::move(duplicate)});
  return list;
}

class EpollIpcWatch final : public IpcWatch {
 public:
  EpollIpcWatch(IpcWatchOptions options, io::UniqueFd epoll, OnPending on_pending)
      : options_(options), epoll_(std::move(epoll)), on_pending_(std::move(on_pending)) {}
  ~EpollIpcWatch() override { watch_.reset(); }  // before the set that it watches

  base::Result<void> start(io::Loop& loop) {
    auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [this] { on_due(); });
    if (!timer) return base::fail(timer.error());
    timer_ = std::move(*timer);
    auto watch = FdWatch::create(loop, epoll_.get(), [this] { on_ready(); });
    if (!watch) return base::fail(watch.error());
    watch_ = std::move(*watch);
    watch_->arm(true);
    return {};
  }

  base::Result<std::size_t> add(std::uint64_t id, IpcRule rule,
                                const std::vector<pid_t>& processes) override {
    if (apps_.contains(id)) return base::fail(ErrorCode::kAlreadyExists, "ipc watch");
    auto found = find_connections(processes);
    if (!found) return base::fail(found.error());
    if (found->empty()) return 0;
    App app;
    app.rule = rule;
    for (auto& one : *found) {
      if (const auto added = watch(id, app, std::move(one)); !added) {
        release(app);
        return base::fail(added.error());
      }
    }
    const base::Instant due = first_due(app, left_[id]);
    const std::size_t count = app.sockets.size();
    App& kept = apps_.emplace(id, std::move(app)).first->second;
    want(id, kept, due);
    return count;
  }

  void remove(std::uint64_t id) override {
    const auto found = apps_.find(id);
    if (found == apps_.end()) return;
    // What it leaves there although it may read it now is no news when it sleeps again.
    Left left;
    left.same = found->second.same;
    for (const std::uint64_t number : found->second.sockets) {
      const Socket& socket = sockets_.at(number);
      left.states[socket.cookie] = state_of(socket.fd.get());
    }
    left_[id] = std::move(left);
    release(found->second);
    place(id, found->second, base::kNever);
    apps_.erase(found);
  }

  std::size_t size() const override { return sockets_.size(); }

 private:
  struct Socket {
    std::uint64_t app = 0;
    std::uint64_t cookie = 0;
    io::UniqueFd fd;
    State known;  // when it was added
    int arrivals = 0;
  };
  struct App {
    IpcRule rule = IpcRule::kDrain;
    std::vector<std::uint64_t> sockets;
    int same = 0;                      // freezes in a row that found what the app was let run with
    base::Instant due = base::kNever;  // when it is told; its place in `due_`
    bool told = false;
  };
  /// How an app's sockets were when it was let run.
  struct Left {
    std::map<std::uint64_t, State> states;  // by cookie
    int same = 0;
  };

  base::Result<void> watch(std::uint64_t id, App& app, Found one) {
    const std::uint64_t number = next_++;
    epoll_event event = {};
    // Edge-triggered: the first event tells of what lies there, each later one of an arrival.
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    event.data.u64 = number;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, one.duplicate.get(), &event) != 0) {
      return base::fail(base::os_error("epoll_ctl", errno));
    }
    Socket socket;
    socket.app = id;
    socket.cookie = one.cookie;
    socket.known = state_of(one.duplicate.get());
    socket.fd = std::move(one.duplicate);
    sockets_.emplace(number, std::move(socket));
    app.sockets.push_back(number);
    return {};
  }

  // When the app is told of what it fell asleep with. Nothing tells old bytes from as many new
  // ones: what is much is told even if it looks the same, but less and less often.
  base::Instant first_due(App& app, const Left& left) const {
    bool news = false;
    bool much = false;
    for (const std::uint64_t number : app.sockets) {
      const Socket& socket = sockets_.at(number);
      const auto before = left.states.find(socket.cookie);
      const State was = before == left.states.end() ? State{} : before->second;
      news = news || (socket.known != was && (socket.known.unread > 0 || socket.known.ended));
      much = much || socket.known.unread >= options_.bytes || socket.known.ended;
    }
    app.same = news || !much ? 0 : std::min(left.same + 1, kSameMax);
    const auto now = io::now();
    if (news) return much || app.rule == IpcRule::kWake ? now : now + options_.age;
    if (!much) return base::kNever;
    return now + std::min<base::Duration>(options_.age, kSameDelay * (1 << (app.same - 1)));
  }

  void release(const App& app) {
    for (const std::uint64_t number : app.sockets) {
      const auto socket = sockets_.find(number);
      // Before the close: while the app's own descriptor lives, the set would keep it.
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket->second.fd.get(), nullptr);
      sockets_.erase(socket);
    }
  }

  void on_ready() {
    epoll_event events[kEventBatch];
    const int count = ::epoll_wait(epoll_.get(), events, kEventBatch, 0);
    const std::weak_ptr<int> alive = alive_;
    for (int i = 0; i < count; ++i) {
      report(events[i]);
      if (alive.expired()) return;
    }
    watch_->arm(true);
  }

  void report(const epoll_event& event) {
    const auto found = sockets_.find(event.data.u64);
    if (found == sockets_.end()) return;  // removed by what came before it
    Socket& socket = found->second;
    const State state = state_of(socket.fd.get());
    const bool ended = state.ended && !socket.known.ended;
    if (state.unread <= socket.known.unread && !ended) return;  // what lay there before
    ++socket.arrivals;
    App& app = apps_.at(socket.app);
    const bool at_once = ended || app.rule == IpcRule::kWake ||
                         socket.arrivals >= options_.arrivals || state.unread >= options_.bytes;
    want(socket.app, app, at_once ? io::now() : io::now() + options_.age);
  }

  // The app is to be told, at the latest at `due`.
  void want(std::uint64_t id, App& app, base::Instant due) {
    if (app.told || due >= app.due) return;
    if (due > io::now()) return place(id, app, due);
    app.told = true;
    place(id, app, base::kNever);
    on_pending_(id);
  }

  void place(std::uint64_t id, App& app, base::Instant due) {
    if (due == app.due) return;
    due_.erase({app.due, id});
    if (due != base::kNever) due_.insert({due, id});
    app.due = due;
    timer_->set(due_.empty() ? base::kNever : due_.begin()->first);
  }

  void on_due() {
    const auto now = io::now();
    while (!due_.empty() && due_.begin()->first <= now) {
      const std::uint64_t id = due_.begin()->second;
      App& app = apps_.at(id);
      place(id, app, base::kNever);
      want(id, app, now);
    }
    timer_->set(due_.empty() ? base::kNever : due_.begin()->first);
  }

  IpcWatchOptions options_;
  io::UniqueFd epoll_;
  OnPending on_pending_;
  std::unique_ptr<FdWatch> watch_;
  std::unique_ptr<io::DeadlineTimer> timer_;
  std::map<std::uint64_t, App> apps_;
  std::set<std::pair<base::Instant, std::uint64_t>> due_;
  std::map<std::uint64_t, Socket> sockets_;  // by number, which epoll carries
  std::uint64_t next_ = 1;
  /// Of each app that has run since.
  std::map<std::uint64_t, Left> left_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace

base::Result<std::unique_ptr<IpcWatch>> IpcWatch::create(io::Loop& loop, IpcWatchOptions options,
                                                         OnPending on_pending) {
  io::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return base::fail(base::os_error("epoll_create1", errno));
  auto watch = std::make_unique<EpollIpcWatch>(options, std::move(epoll), std::move(on_pending));
  if (const auto started = watch->start(loop); !started) return base::fail(started.error());
  return watch;
}

}  // namespace wakeline::sys
