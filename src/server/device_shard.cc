// SPDX-License-Identifier: Apache-2.0
#include "server/device_shard.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/subscriber.h"

/// The shard's thread: what it waits for, whom it lets in, and whose time is over.
namespace wakeline::server {

using base::LogLevel;

namespace {

constexpr base::Duration kAcceptBackoff = std::chrono::milliseconds(100);  // descriptors ran out
constexpr std::size_t kBlock = 16'384;  // bytes of one read: a TLS record is at most this
constexpr std::size_t kBatchMin = 8;    // connections accepted in one turn
constexpr std::size_t kBatchMax = 256;
constexpr std::size_t kReadAtOnce = 16;  // of these
/// A turn that takes longer makes the sleepers wait for the newcomers.
constexpr base::Duration kTurnMax = std::chrono::milliseconds(20);

}  // namespace

std::size_t DeviceShard::shard_of(std::string_view device, std::size_t count) {
  return std::hash<std::string_view>{}(device) % count;
}

DeviceShard::DeviceShard(std::shared_ptr<ShardsCommon> common, store::Store& store,
                         std::unique_ptr<io::Poller> poller)
    : common_(std::move(common)),
      store_(store),
      poller_(std::move(poller)),
      post_([poller = poller_](std::function<void()> task) { poller->post(std::move(task)); }),
      departures_(common_->gone_after),
      began_(io::now()),
      wheel_(io::now()),
      block_(kBlock),
      now_(io::now()),
      slept_from_(now_) {
  config_.keep_alive_max_s = common_->limits.keep_alive_max_s;
  config_.epoch = store.epoch();
  config_.probes = true;
}

base::Result<std::unique_ptr<DeviceShard>> DeviceShard::create(
    store::Store& store, std::shared_ptr<ShardsCommon> common) {
  auto poller = io::Poller::create();
  if (!poller) return base::fail(poller.error());
  const bool tables = common->limits.file_tables;
  std::unique_ptr<DeviceShard> shard(new DeviceShard(std::move(common), store, std::move(*poller)));
  if (tables) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
      return base::fail(base::os_error("socketpair", errno));
    shard->moved_in_.reset(pair[0]);
    shard->moved_out_.reset(pair[1]);
  }
  auto reader = store.reader();
  if (!reader) return base::fail(reader.error());
  shard->reader_ = std::move(*reader);
  return shard;
}

DeviceShard::~DeviceShard() {
  join();
  const std::scoped_lock lock(gate_->mutex);
  gate_->shard = nullptr;
}

void DeviceShard::start(std::vector<DeviceShard*> shards) {
  shards_ = std::move(shards);
  paused_ = true;
  thread_ = std::thread([this] {
    if (common_->limits.file_tables) own_file_table();
    run();
  });
}

void DeviceShard::open(std::vector<DevicePort> ports, std::function<void()> done) {
  poller_->post([this, ports = std::move(ports), done = std::move(done)]() mutable {
    ports_ = std::move(ports);
    const int on = 1;  // what a port accepts has it from there
    for (const DevicePort& port : ports_)
      ::setsockopt(port.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    paused_ = false;
    accept_from_ = base::Instant{};
    for (Slot slot = 0; slot < devices_.size(); ++slot) {
      if (devices_[slot].used) resume(slot);
    }
    done();
  });
}

void DeviceShard::set_tls(std::shared_ptr<io::TlsContext> tls) {
  poller_->post([this, tls = std::move(tls)] {
    for (DevicePort& port : ports_) {
      if (port.tls) port.tls = tls;
    }
  });
}

void DeviceShard::stop() {
  poller_->post([this] { begin_stop(); });
}

void DeviceShard::join() {
  if (thread_.joinable()) thread_.join();
}

void DeviceShard::run() {
  std::unique_lock lock(gate_->mutex);
  while (!stopping_ || !guests_.empty()) {
    const base::Instant until = waits_until_ = next_deadline();
    lock.unlock();
    const auto events = poller_->wait(until);
    lock.lock();
    turn(events);
  }
  // What is left of other shards ends here, where its descriptors are.
  moving_.clear();
  moved_.clear();
  frozen_lines_.clear();
}

void DeviceShard::turn(std::span<const epoll_event> events) {
  now_ = io::now();
  admission_.on_slept(now_ - slept_from_);
  // The reads of a herd's logins share their locks on the file. A task may tell what was written
  // just now: what it reads is of a moment after that.
  if (uses_store_) reader_->begin_moment();
  for (const epoll_event& event : events) {
    const Key key = event.data.u64;
    if ((key & kGuest) == 0 && (key & kPort) != 0) {
      if (ports_open_) accept(ports_[key & ~kPort]);
    } else {
      on_line(key, event.events);
    }
  }
  const auto tasks = poller_->take_tasks();
  if (uses_store_) reader_->begin_moment();
  for (const auto& task : tasks) task();
  fire(now_);
  flush_dirty();
  if (uses_store_) reader_->end_moment();
  move_out();
  slept_from_ = io::now();
  const base::Duration took = slept_from_ - now_;
  accept_batch_ = took > kTurnMax ? std::max(kBatchMin, accept_batch_ / 2)
                                  : std::min(kBatchMax, accept_batch_ + kBatchMin);
}

base::Instant DeviceShard::next_deadline() const {
  base::Instant next = paused_ ? base::kNever : wheel_.next();
  if (!arrive_by_.empty()) next = std::min(next, arrive_by_.front().at);
  if (!probe_by_.empty()) next = std::min(next, probe_by_.front().at);
  if (!leave_by_.empty()) next = std::min(next, leave_by_.front().at);
  if (!moving_.empty()) next = std::min(next, now_ + kMoveAgain);
  if (!ports_open_ && !stopping_ && !paused_) next = std::min(next, accept_from_);
  return next;
}

void DeviceShard::fire(base::Instant now) {
  if (!ports_open_ && !stopping_ && !paused_ && now >= accept_from_) {
    ports_open_ = true;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      if (const auto added = poller_->add(ports_[i].fd, EPOLLIN | EPOLLEXCLUSIVE, kPort | i);
          !added)
        base::log(LogLevel::kError, "mqtt", "{}", base::to_string(added.error()));
    }
  }
  // Whoever has got through, or is gone, is not waited for: the deadlines of a herd would wake the
  // shard one by one when all of it is asleep.
  for (; !arrive_by_.empty(); arrive_by_.pop_front()) {
    const Due due = arrive_by_.front();
    if (!arrives(due.key)) continue;
    if (due.at > now) break;
    drop_guest(due.key);
  }
  for (std::deque<Due>* by : {&probe_by_, &leave_by_}) {
    for (; !by->empty(); by->pop_front()) {
      const Due due = by->front();
      if (due.at > now && guests_.contains(due.key)) break;
      drop_guest(due.key);
    }
  }
  if (paused_) return;  // the sessions wait for their new process
  wheel_.advance(now, due_);
  for (const Slot slot : std::exchange(due_, {})) {
    KnownDevice& device = devices_[slot];
    if (!device.used) continue;
    device.session.on_deadline(now, asked_);
    carry_out(slot);
  }
}

/// Whether the guest has neither got through nor been sent away.
bool DeviceShard::arrives(Key key) const {
  const auto it = guests_.find(key);
  return it != guests_.end() && it->second->phase != Guest::Phase::kLeaving &&
         it->second->phase != Guest::Phase::kProbing;
}

void DeviceShard::accept(const DevicePort& port) {
  for (std::size_t i = 0; i < accept_batch_; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    io::UniqueFd fd(::accept4(port.fd, reinterpret_cast<sockaddr*>(&peer), &size,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      const int error = errno;
      if (error == EAGAIN) return;
      if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) continue;
      base::log(LogLevel::kWarning, "mqtt", "{}", base::to_string(base::os_error("accept", error)));
      for (const DevicePort& each : ports_) poller_->remove(each.fd);
      ports_open_ = false;
      accept_from_ = now_ + kAcceptBackoff;
      return;
    }
    if (common_->connections >= common_->limits.connections_max) continue;  // the socket closes
    auto place =
        common_->arrivals.enter(subscriber_of(peer), common_->limits.arriving_per_address_max);
    if (!place) continue;
    const Key key = take_in(std::move(fd), port, std::move(place));
    if (key == 0) continue;
    // A client speaks first, and most often its CONNECT is here already: then the poller learns of
    // the socket when it is a device's. Of a herd the rest waits as guests, so that `admission_`
    // sees them.
    if (i < kReadAtOnce && !port.tls) on_line(key, EPOLLIN);
    DeviceLine* line = line_of(key);
    if (line != nullptr && !line->watched() && !watch(*line, EPOLLIN, key)) drop_guest(key);
  }
}

DeviceShard::Key DeviceShard::take_in(io::UniqueFd fd, const DevicePort& port,
                                      Arrivals::Place place) {
  const auto refused = admission_.on_arrival(now_, arriving_);
  // A handshake would cost more than the session: the client comes back within its `spread`.
  if (refused && port.tls) return 0;
  // Those who are refused are read as well: not more of them than of the others.
  if (refused &&
      arriving_ > 4 * std::max<std::size_t>(session::Admission::kGuestsMin, admission_.rate()))
    return 0;
  auto transport = port.tls ? io::Transport::tls_server(fd.get(), port.tls->native())
                            : base::Result<io::Transport>(io::Transport::plain(fd.get()));
  if (!transport) {
    base::log(LogLevel::kError, "mqtt", "{}", base::to_string(transport.error()));
    return 0;
  }
  const Key key = ++last_guest_;
  auto guest = std::make_unique<Guest>();
  guest->line = DeviceLine(std::move(fd), std::move(*transport));
  guest->place = std::move(place);
  if (refused) {
    guest->phase = Guest::Phase::kRefused;
    guest->retry_after = *refused;
  }
  ++arriving_;
  ++common_->connections;
  guests_.emplace(key, std::move(guest));
  arrive_by_.push_back({now_ + common_->limits.connect_timeout, key});
  return key;
}

void DeviceShard::begin_stop() {
  if (stopping_) return;
  stopping_ = true;
  say_goodbye(true);
}

/// Closes the ports, lets the guests go, and tells the devices when to come back: all of them, or
/// those whose line cannot be handed over.
void DeviceShard::say_goodbye(bool to_all) {
  if (std::exchange(ports_open_, false)) {
    for (const DevicePort& port : ports_) poller_->remove(port.fd);
  }
  const base::Duration drain = std::max(config_.spread, common_->spread_min);
  for (Slot slot = 0; slot < devices_.size(); ++slot) {
    KnownDevice& device = devices_[slot];
    if (!device.used || (!to_all && !device.line.is_tls())) continue;
    device.session.on_server_stopping(now_, drain, asked_);
    carry_out(slot);
  }
  std::vector<Key> arriving;
  for (const auto& [key, guest] : guests_) {
    if (guest->phase != Guest::Phase::kLeaving) arriving.push_back(key);
  }
  for (const Key key : arriving) drop_guest(key);
}

void DeviceShard::pause(std::function<void()> done) {
  poller_->post([this, done = std::move(done)] {
    say_goodbye(false);
    for (Slot slot = 0; slot < devices_.size(); ++slot) {
      KnownDevice& device = devices_[slot];
      if (device.used && device.line.open()) unwatch(device.line);
    }
    paused_ = true;
    done();
  });
}

void DeviceShard::freeze(std::function<void(std::vector<FrozenDevice>)> done) {
  poller_->post([this, done = std::move(done)] {
    std::vector<FrozenDevice> frozen;
    for (Slot slot = 0; slot < devices_.size(); ++slot) {
      KnownDevice& device = devices_[slot];
      if (!device.used) continue;
      FrozenDevice one{.name = device.name, .id = device.id, .session = {}, .line = {}};
      device.session.freeze(one.session);
      if (device.line.open()) --common_->connections;
      one.line = device.line.take_apart();
      if (common_->limits.file_tables && one.line.fd) {
        frozen_lines_.push_back(std::move(one.line.fd));
        one.elsewhere = true;
      }
      frozen.push_back(std::move(one));
    }
    for (Slot slot = 0; slot < devices_.size(); ++slot) {
      if (devices_[slot].used) forget(slot);
    }
    sendable_ = frozen_lines_.size();
    uses_store_ = false;  // another thread may take it away from here on
    reader_->end_moment();
    stopping_ = !common_->limits.file_tables;
    done(std::move(frozen));
  });
}

/// Before anything else happens to the shard; nothing is read or said before all are there.
void DeviceShard::thaw(FrozenDevice frozen) {
  auto session = session::Session::thaw(frozen.session);
  if (!session) {
    base::log(LogLevel::kError, "mqtt", "{}: its session could not be taken over", frozen.name);
    return;  // its connection closes, and it comes back
  }
  const Slot slot = devices_.add(frozen.name, frozen.id);
  KnownDevice& device = devices_[slot];
  device.session = std::move(*session);
  if (frozen.line.fd) {
    device.line = DeviceLine::put_together(std::move(frozen.line));
    ++device.generation;
    ++common_->connections;
  }
}

void DeviceShard::resume(Slot slot) {
  KnownDevice& device = devices_[slot];
  if (device.line.open()) {
    if (!watch(device.line, EPOLLIN, key_of(slot))) return on_line_end(key_of(slot));
    if (device.line.unsent() > 0) mark_dirty(key_of(slot), device.line);
  } else if (device.session.online()) {
    device.session.on_closed(now_);
  }
  device.session.on_thawed(now_, config_, asked_);
  carry_out(slot);
}

bool DeviceShard::receives(std::string_view device) {
  const std::scoped_lock lock(gate_->mutex);
  const auto slot = devices_.find(device);
  return slot && devices_[*slot].session.receiving();
}

bool DeviceShard::gone(std::string_view device) {
  const std::scoped_lock lock(gate_->mutex);
  const base::Instant now = io::now();
  if (now - began_ < common_->gone_after || departures_.lately(device, now)) return false;
  const auto slot = devices_.find(device);
  return !slot || !devices_[*slot].session.online();
}

}  // namespace wakeline::server
