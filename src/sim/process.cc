// SPDX-License-Identifier: Apache-2.0
#include "sim/process.h"

#include <algorithm>

#include "base/check.h"
#include "core/link/lines.h"
#include "core/link/memory.h"
#include "sim/server.h"

namespace wakeline::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

const link::Address kFour{.ipv6 = false, .text = "192.0.2.1"};
const link::Address kSix{.ipv6 = true, .text = "2001:db8::1"};

link::Config config_of(std::size_t app, const AppModel& model) {
  link::Config c;
  c.host = "push.example";
  c.device = app_name(app);
  c.token = {'t'};
  c.keep_alive = model.keep_alive;
  c.ping_by_timer = false;
  return c;
}

}  // namespace

Process::Process(Parts parts, Names names, const AppModel& model, Place place, link::Memory memory)
    : kernel_(parts.kernel),
      network_(parts.network),
      system_(parts.system),
      observer_(parts.observer),
      bug_(parts.bug),
      names_(names),
      model_(model),
      place_(place),
      random_(parts.kernel.random_of(app_name(place.app), place.run)),
      name_(fmt::format("{}.{}", app_name(place.app), place.run)),
      link_(config_of(place.app, model), std::move(memory), base::Random(random_.next())) {}

void Process::start() {
  network_seen_ = network_.changes(place_.machine);
  was_online_ = network_.online(place_.machine);
  system_.set_keep_alive(place_.app, model_.keep_alive);
  later(random_.between(milliseconds(1), milliseconds(50)), [this] {
    tell("start", [&](link::Actions& out) { link_.start(here(), out); });
    if (!was_online_) check_network();
  });
}

void Process::die() {
  dead_ = true;
  for (auto& [attempt, socket] : sockets_)
    if (socket.connection) network_.close(socket.connection, Side::kClient, false);
  messages_.clear();
  events_.clear();
}

// --- time

void Process::run(const Task& task) {
  cpu_ += random_.between(microseconds(20), microseconds(300));
  task();
}

void Process::message(Task task) {
  if (dead_) return;
  if (frozen_)
    messages_.push_back(std::move(task));
  else
    run(task);
}

void Process::later(Duration delay, Task task) {
  kernel_.after(delay, [weak = weak_from_this(), task = std::move(task)] {
    const auto self = weak.lock();
    if (!self || self->dead_) return;
    if (self->frozen_)
      self->events_.push_back(task);
    else
      self->run(task);
  });
}

/// What waited happens in any order, but messages among themselves as they were sent.
void Process::thaw() {
  frozen_ = false;
  auto events = std::exchange(events_, {});
  auto messages = std::exchange(messages_, {});
  for (std::size_t i = events.size(); i > 1; --i)
    std::swap(events[i - 1], events[random_.below(i)]);
  Duration delay{};
  std::size_t next_event = 0;
  std::size_t next_message = 0;
  while (next_event < events.size() || next_message < messages.size()) {
    const bool event_next =
        next_message == messages.size() || (next_event < events.size() && random_.chance(1, 2));
    delay += microseconds(10);
    later(delay, std::move(event_next ? events[next_event++] : messages[next_message++]));
  }
  for (const auto& [attempt, socket] : sockets_)
    if (socket.connection && !socket.closed) on_readable(attempt);
}

template <class Event>
void Process::tell(const char* name, Event event) {
  link::Actions out;
  event(out);
  kernel_.mix(out.size());
  if (kernel_.tracing()) kernel_.trace(name_, name);
  for (const link::Action& action : out) {
    kernel_.mix(action.index());
    if (kernel_.tracing()) kernel_.trace(name_, "  " + to_line(action));
    std::visit([&](const auto& a) { carry_out(a); }, action);
  }
  arm();
}

void Process::arm() {
  if (bug_ == Bug::kTurnsOnTheSpot) later(Duration::zero(), [this] { arm(); });
  const Instant deadline = link_.next_deadline();
  if (deadline == armed_) return;
  armed_ = deadline;
  if (deadline == base::kNever) return;
  later(deadline - here(), [this, deadline] {
    if (armed_ != deadline) return;
    armed_ = base::kNever;
    tell("deadline", [&](link::Actions& out) { link_.on_deadline(here(), out); });
  });
}

// --- messages of the host

void Process::on_foreground(bool foreground) {
  message([this, foreground] {
    foreground_ = foreground;
    system_.set_keep_alive(place_.app, foreground ? Duration::zero() : model_.keep_alive);
    tell(foreground ? "foreground" : "background",
         [&](link::Actions& out) { link_.on_foreground(here(), foreground, out); });
  });
}

void Process::on_woken(doze::WakeCause cause) {
  using doze::WakeCause;
  // Its own socket speaks for itself; the keep-alive handler has its own message.
  if (cause == WakeCause::kNotification || cause == WakeCause::kControl)
    message([this] { tell("woken", [&](link::Actions& out) { link_.on_woken(here(), out); }); });
  message([this] { check_network(); });
}

void Process::on_keep_alive() {
  message([this] {
    tell("keep_alive", [&](link::Actions& out) { link_.on_woken(here(), out); });
    system_.keep_alive_done(place_.app);
  });
}

void Process::on_expire_task(doze::TaskId task) {
  if (bug_ == Bug::kIgnoresExpiry) return;
  message([this, task] {
    if (task_ != task) return;
    task_.reset();
    tell("expire_task", [&](link::Actions&) { link_.on_hold_expired(here()); });
    awake_wanted_ = false;
    system_.end_task(place_.app, task);
  });
}

void Process::on_tagged(link::AttemptId attempt, std::optional<doze::TagId> tag) {
  message([this, attempt, tag] {
    const auto it = sockets_.find(attempt);
    if (it == sockets_.end()) return;
    it->second.tag = tag;
    if (!it->second.closed) return;
    if (tag) system_.untag_socket(place_.app, *tag);
    sockets_.erase(it);
  });
}

void Process::on_task_begun(std::optional<doze::TaskId> task) {
  message([this, task] {
    task_asked_ = false;
    if (!task) {
      // Refused: the pool is empty. As if it had run out.
      link_.on_hold_expired(here());
      awake_wanted_ = false;
    } else if (awake_wanted_) {
      task_ = task;
    } else {
      system_.end_task(place_.app, *task);
    }
  });
}

void Process::on_network() {
  message([this] { check_network(); });
}

void Process::on_host_back() {
  message([this] {
    task_.reset();
    task_asked_ = false;
    foreground_ = false;
    system_.set_keep_alive(place_.app, model_.keep_alive);
    tell("host_back", [&](link::Actions& out) { link_.on_foreground(here(), false, out); });
    std::erase_if(sockets_, [](const auto& item) { return item.second.closed; });
    for (auto& [attempt, socket] : sockets_) {
      socket.tag.reset();
      if (socket.connection) ask_for_tag(attempt);
    }
    if (awake_wanted_ && !task_asked_) {
      task_asked_ = true;
      system_.begin_task(shared_from_this());
    }
  });
}

void Process::ask_for_tag(link::AttemptId attempt) {
  const auto socket = sockets_.find(attempt);
  if (socket == sockets_.end() || socket->second.closed || socket->second.probe) return;
  socket->second.asked = true;
  system_.tag_socket(shared_from_this(), attempt);
}

void Process::on_close_wanted() {
  message([this] {
    tell("stop", [&](link::Actions& out) { link_.stop(here(), out); });
    system_.exited(shared_from_this());
  });
}

/// Compares facts, as a library does that reads the machine's addresses.
void Process::check_network() {
  const std::uint64_t changes = network_.changes(place_.machine);
  if (std::exchange(network_seen_, changes) == changes && was_online_) return;
  was_online_ = network_.online(place_.machine);
  const auto live = sockets_.find(link_.live());
  const bool gone = live != sockets_.end() && live->second.connection &&
                    !network_.has_address(*live->second.connection);
  tell("network", [&](link::Actions& out) {
    link_.on_network_changed(here(),
                             {.online = was_online_,
                              .key = network_.model(place_.machine).name,
                              .fingerprint = changes,
                              .local_address_gone = gone},
                             out);
  });
}

// --- sockets

void Process::on_readable(link::AttemptId attempt) {
  later(random_.between(microseconds(5), microseconds(200)), [this, attempt] { read(attempt); });
}

void Process::read(link::AttemptId attempt) {
  const auto it = sockets_.find(attempt);
  if (it == sockets_.end() || it->second.closed) return;
  const ConnectionPtr connection = it->second.connection;
  End& end = connection->client;
  if (!end.unread.empty()) {
    // TCP keeps no boundaries: any piece may come alone.
    const std::size_t size =
        random_.chance(1, 2) ? end.unread.size() : 1 + random_.below(end.unread.size());
    const auto middle = end.unread.begin() + static_cast<std::ptrdiff_t>(size);
    const base::Bytes bytes(end.unread.begin(), middle);
    end.unread.erase(end.unread.begin(), middle);
    base::BytesView rest = bytes;
    while (!rest.empty()) {
      std::size_t taken = 0;
      tell("bytes",
           [&](link::Actions& out) { taken = link_.on_bytes(here(), attempt, rest, out); });
      rest = rest.subspan(taken);
    }
    if (!end.unread.empty() || end.ended) on_readable(attempt);
  } else if (end.ended) {
    const link::Why why = end.timed_out ? link::Why::kPeerSilent
                          : end.reset   ? link::Why::kPeerReset
                                        : link::Why::kPeerClosed;
    close(attempt);
    tell("peer_closed", [&](link::Actions& out) { link_.on_failed(here(), attempt, why, out); });
  }
}

void Process::close(link::AttemptId attempt) {
  const auto it = sockets_.find(attempt);
  if (it == sockets_.end() || it->second.closed) return;
  Socket& socket = it->second;
  if (socket.connection) network_.close(socket.connection, Side::kClient);
  if (socket.tag) system_.untag_socket(place_.app, *socket.tag);
  if (socket.asked && !socket.tag)
    socket.closed = true;
  else
    sockets_.erase(it);
}

void Process::on_handshake(link::AttemptId attempt, const ConnectionPtr& connection) {
  const auto it = sockets_.find(attempt);
  if (dead_ || it == sockets_.end()) {
    if (connection) network_.close(connection, Side::kClient);
    return;
  }
  if (!connection) {
    later(Duration::zero(), [this, attempt] {
      close(attempt);
      tell("refused", [&](link::Actions& out) {
        link_.on_failed(here(), attempt, link::Why::kConnectFailed, out);
      });
    });
    return;
  }
  it->second.connection = connection;
  connection->client.changed = [this, weak = weak_from_this(), attempt] {
    if (const auto self = weak.lock()) system_.socket_changed(self, attempt);
  };
  later(microseconds(50), [this, attempt] { ask_for_tag(attempt); });
  // TLS takes another round trip or two.
  later(random_.between(milliseconds(15), milliseconds(250)), [this, attempt] {
    const auto socket = sockets_.find(attempt);
    if (socket == sockets_.end() || socket->second.closed) return;
    if (socket->second.connection->to_portal) {
      close(attempt);
      return tell("portal", [&](link::Actions& out) {
        link_.on_failed(here(), attempt, link::Why::kTlsFailed, out);
      });
    }
    tell("connected", [&](link::Actions& out) { link_.on_connected(here(), attempt, out); });
  });
}

// --- what the link asks for

void Process::carry_out(const link::Resolve& a) {
  const Duration takes = random_.between(milliseconds(1), milliseconds(300));
  later(takes, [this, generation = a.generation] {
    const bool fails = !network_.online(place_.machine) || random_.chance(1, 50);
    std::vector<link::Address> addresses;
    if (names_.has_ipv6) addresses.push_back(kSix);
    addresses.push_back(kFour);
    tell("resolved", [&](link::Actions& out) {
      if (fails)
        link_.on_resolve_failed(here(), generation, out);
      else
        link_.on_resolved(here(), generation, addresses, out);
    });
  });
}

void Process::carry_out(const link::Connect& a) {
  sockets_.emplace(a.attempt, Socket{.probe = a.probe});
  if (a.address.ipv6 && names_.ipv6_black_hole) return;
  network_.connect(place_.machine, a.heartbeat,
                   [weak = weak_from_this(), &network = network_,
                    attempt = a.attempt](const ConnectionPtr& connection) {
                     if (const auto self = weak.lock())
                       self->on_handshake(attempt, connection);
                     else if (connection)
                       network.close(connection, Side::kClient);
                   });
}

void Process::carry_out(const link::SetHeartbeat& a) {
  const auto it = sockets_.find(a.attempt);
  if (it != sockets_.end() && it->second.connection)
    network_.set_keep_alive(*it->second.connection, a.heartbeat);
}

void Process::carry_out(const link::Write& a) {
  const auto it = sockets_.find(a.attempt);
  WL_CHECK(it != sockets_.end() && it->second.connection);
  network_.send(it->second.connection, Side::kClient, a.bytes);
}

void Process::carry_out(const link::HoldAwake&) {
  WL_CHECK(!awake_wanted_);
  awake_wanted_ = true;
  if (task_ || std::exchange(task_asked_, true)) return;
  system_.begin_task(shared_from_this());
}

void Process::carry_out(const link::LetGo&) {
  awake_wanted_ = false;
  if (bug_ == Bug::kIgnoresExpiry) return;
  if (const auto task = std::exchange(task_, std::nullopt)) system_.end_task(place_.app, *task);
}

void Process::carry_out(const link::Persist& a) {
  system_.write_file(place_.app, link::encode(a.memory),
                     [self = shared_from_this(), serial = a.serial, memory = a.memory] {
                       std::erase_if(self->accepted_, [&](link::Sequence s) {
                         const bool kept = s <= memory.accepted_high &&
                                           !std::ranges::binary_search(memory.unaccepted, s);
                         if (kept) self->observer_.kept(self->place_.app, s);
                         return kept;
                       });
                       self->later(microseconds(20), [self = self.get(), serial] {
                         self->tell("persisted", [&](link::Actions& out) {
                           self->link_.on_persisted(self->here(), serial, out);
                         });
                       });
                     });
}

void Process::carry_out(const link::Deliver& a) {
  if (bug_ == Bug::kDeliversLate && !late_) {
    late_ = a;
    return;
  }
  give(a);
  if (bug_ == Bug::kDeliversTwice) give(a);
  if (const auto late = std::exchange(late_, std::nullopt)) give(*late);
}

void Process::give(const link::Deliver& a) {
  observer_.delivered(place_.app, place_.run, a.delivery);
  if (bug_ == Bug::kNeverKeeps) return;
  // The app's handler: at once, or with work of its own, so in any order.
  const Duration takes =
      random_.chance(1, 2)
          ? random_.between(microseconds(10), milliseconds(2))
          : random_.between(milliseconds(2), std::max<Duration>(milliseconds(2), model_.work_max));
  later(takes, [this, id = a.delivery.id, sequence = a.delivery.sequence] {
    accepted_.push_back(sequence);
    tell("accept", [&](link::Actions& out) { link_.accept(here(), id, out); });
  });
}

void Process::carry_out(const link::Report&) {}

}  // namespace wakeline::sim
