// SPDX-License-Identifier: Apache-2.0
#include "sim/network.h"

#include <algorithm>

namespace wakeline::sim {
namespace {

using std::chrono::seconds;

/// A SYN is sent again after 1, 2, 4, … s; so often at most.
constexpr int kHandshakesMax = 6;
/// Three kernel keep-alive probes, 10 s apart, find a silent path.
constexpr Duration kProbing = seconds(30);
constexpr int kProbes = 3;
/// A segment is sent again after twice that, then 4, 8, … times (RFC 6298: not under 200 ms on
/// Linux).
constexpr Duration kRetransmitMin = std::chrono::milliseconds(200);
constexpr int kRetransmitDoublingsMax = 8;

Side other(Side side) { return side == Side::kClient ? Side::kServer : Side::kClient; }

}  // namespace

std::string_view name(DeathCause cause) {
  constexpr std::string_view kNames[] = {"address gone", "NAT timeout", "NAT forgot",
                                         "server lost"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(DeathCause::kCount));
  return kNames[static_cast<std::size_t>(cause)];
}

Network::Network(Kernel& kernel, const std::vector<const NetworkModel*>& first) : kernel_(kernel) {
  for (const NetworkModel* model : first)
    paths_.push_back({.model = model, .random = kernel.random_of("path", paths_.size())});
}

void Network::set_power(bool on) {
  powered_ = on;
  if (on) return;
  on_accept_ = nullptr;
  for (const auto& weak : connections_)
    if (const auto c = weak.lock()) {
      c->server_lost_ = true;
      mark_dead(*c, DeathCause::kServerLost, kernel_.now());
      c->server.closed = true;
      c->server.changed = nullptr;
      c->to_client_.segments.clear();
    }
}

bool Network::has_address(const Connection& c) const {
  const Path& path = paths_[c.machine];
  return path.online && has(path, c.address);
}

bool Network::reaches(std::size_t machine) const {
  const Path& path = paths_[machine];
  return path.online && (!path.model->captive || path.signed_in);
}

void Network::set_asleep(std::size_t machine, bool asleep) {
  Path& path = paths_[machine];
  path.asleep = asleep;
  if (asleep) return;
  for (Kernel::Task& task : std::exchange(path.on_awake, {})) kernel_.after({}, std::move(task));
}

void Network::drop_all(std::size_t machine) {
  paths_[machine].on_awake.clear();
  for (const auto& weak : connections_) {
    const auto c = weak.lock();
    if (!c || c->machine != machine || c->client.closed) continue;
    c->client.closed = true;
    c->client.changed = nullptr;
    c->forgotten_ = true;
    c->to_server_.segments.clear();
  }
}

Duration Network::wake_radio(Path& path, const NetworkModel& model) {
  const bool was_up = path.radio.up(kernel_.now());
  const Duration wait = path.radio.on_packet(model.radio, kernel_.now());
  if (!recording_ || !path.radio.up(kernel_.now())) return wait;
  if (!was_up) path.radio_spans.push_back({kernel_.now(), kernel_.now(), 1});
  path.radio_spans.back().to = path.radio.up_until();
  return wait;
}

void Network::mark_dead(Connection& c, DeathCause cause, Instant since) {
  if (c.dead_since_ != base::kNever) return;
  c.dead_since_ = since;
  c.dead_of_ = cause;
}

/// `spared`: the lines of that address live on; 0: none.
void Network::mark_all_dead(std::size_t machine, DeathCause cause, std::uint64_t spared) {
  for (const auto& weak : connections_)
    if (const auto c = weak.lock(); c && c->machine == machine && c->address != spared)
      mark_dead(*c, cause, kernel_.now());
}

bool Network::nat_forgot(const Connection& c) const {
  const Duration nat = c.network.nat;
  return nat > Duration::zero() && kernel_.now() - c.crossed_nat_ > nat;
}

bool Network::carries(const Connection& c) const {
  const Path& path = paths_[c.machine];
  return !silent(c) && !c.server_lost_ && !c.client.ended && !nat_forgot(c) && path.online &&
         path.cut_until <= kernel_.now();
}

/// Nothing comes through, and nothing ever will.
bool Network::silent(const Connection& c) const {
  return c.forgotten_ || !has(paths_[c.machine], c.address);
}

/// Whether a NAT on the way still knows the connection. Where it does not, a segment is gone, and
/// the client hears RST or nothing.
bool Network::crosses_nat(const ConnectionPtr& c, Side to) {
  const NetworkModel& model = c->network;
  if (nat_forgot(*c)) {
    c->forgotten_ = true;
    mark_dead(*c, DeathCause::kNat, c->crossed_nat_ + model.nat);
    if (model.nat_resets && to == Side::kServer) end(*c, Side::kClient, true);
    return false;
  }
  c->crossed_nat_ = kernel_.now();
  return true;
}

/// When the path carries segments: now, or when the present cut is over.
Instant Network::clear_at(const Connection& c) const {
  const Path& path = paths_[c.machine];
  if (!path.online || (!powered_ && c.server_lost_)) return kernel_.now() + seconds(5);
  return std::max(kernel_.now(), path.cut_until);
}

void Network::connect(std::size_t machine, Duration keep_alive, OnConnected on_connected) {
  Path& path = paths_[machine];
  const Duration radio = wake_radio(path, *path.model);
  kernel_.after(radio + delay(path, *path.model),
                [this, machine, keep_alive, done = std::move(on_connected)]() mutable {
                  handshake(machine, keep_alive, std::move(done), 1);
                });
}

void Network::handshake(std::size_t machine, Duration keep_alive, OnConnected on_connected,
                        int tries) {
  Path& path = paths_[machine];
  const bool portal = path.online && !reaches(machine);
  const bool path_up = path.online && path.cut_until <= kernel_.now() && !path.asleep;
  if (!path_up || (!powered_ && !portal) || lost(path, *path.model)) {
    if (tries >= kHandshakesMax) return on_connected(nullptr);
    kernel_.after(seconds(std::int64_t{1} << (tries - 1)),
                  [this, machine, keep_alive, tries, done = std::move(on_connected)]() mutable {
                    handshake(machine, keep_alive, std::move(done), tries + 1);
                  });
    return;
  }
  wake_radio(path, *path.model);
  if (!portal && !on_accept_) {
    kernel_.after(delay(path, *path.model), [done = std::move(on_connected)] { done(nullptr); });
    return;
  }
  std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
  auto c = std::make_shared<Connection>(next_id_++, machine, path.address, *path.model, portal,
                                        kernel_.now());
  connections_.push_back(c);
  if (portal)
    c->server.closed = true;
  else
    on_accept_(c);
  kernel_.after(delay(path, *path.model), [this, c, keep_alive, done = std::move(on_connected)] {
    if (c->client.ended || c->client.closed) return done(nullptr);
    c->keep_alive_ = keep_alive;
    done(c);
    if (!c->client.closed && !c->to_portal) probe_after(c);
  });
}

/// The client's kernel keeps the line (C39), while its machine is awake.
void Network::probe_after(const ConnectionPtr& c) {
  if (c->keep_alive_ == Duration::zero()) return;
  kernel_.after(c->keep_alive_, [this, weak = std::weak_ptr(c)] {
    const auto line = weak.lock();
    if (!line || line->client.closed || line->client.ended) return;
    Path& path = paths_[line->machine];
    if (!path.asleep) return probe(line);
    path.on_awake.push_back([this, weak] {
      const auto late = weak.lock();
      if (late && !late->client.closed && !late->client.ended) probe(late);
    });
  });
}

void Network::probe(const ConnectionPtr& c) {
  Path& path = paths_[c->machine];
  wake_radio(path, c->network);
  const bool through = path.online && path.cut_until <= kernel_.now();
  bool answered = false;
  // All of them are lost once in a while.
  for (int i = 0; i < kProbes && !answered; ++i)
    answered = !lost(path, c->network) && !lost(path, c->network);
  if (c->server_lost_ && powered_ && !silent(*c) && through) return end(*c, Side::kClient, true);
  if (!silent(*c) && through && !crosses_nat(c, Side::kServer) && c->client.ended) return;
  if (!silent(*c) && !c->server_lost_ && through && answered) return probe_after(c);
  kernel_.after(kProbing,
                [this, weak = std::weak_ptr(c), answered] { probes_over(weak, answered); });
}

/// The last of a round of probes had its time, which stands still while the machine sleeps.
void Network::probes_over(const std::weak_ptr<Connection>& weak, bool answered) {
  const auto again = weak.lock();
  if (!again || again->client.closed || again->client.ended) return;
  if (Path& path = paths_[again->machine]; path.asleep) {
    path.on_awake.push_back([this, weak, answered] { probes_over(weak, answered); });
  } else if (silent(*again) || again->server_lost_ || !answered) {
    again->client.timed_out = true;
    end(*again, Side::kClient, true);
  } else {
    probe_after(again);
  }
}

void Network::send(const ConnectionPtr& c, Side from, base::Bytes bytes) {
  if (c->end(from).closed || c->end(from).reset || bytes.empty()) return;
  push(c, other(from), std::move(bytes), false);
}

void Network::close(const ConnectionPtr& c, Side side, bool noticed) {
  End& own = c->end(side);
  if (std::exchange(own.closed, true)) return;
  // What is silent on purpose, to find out what a NAT bears, was no line.
  const bool line = !c->to_portal && c->keep_alive_ > Duration::zero();
  if (side == Side::kClient && noticed && line) {
    if (nat_forgot(*c)) mark_dead(*c, DeathCause::kNat, c->crossed_nat_ + c->network.nat);
    if (c->dead_since_ != base::kNever)
      detections_.push_back(
          {c->machine, c->dead_of_, c->dead_since_, kernel_.now() - c->dead_since_});
  }
  own.changed = nullptr;
  if (!own.reset) push(c, other(side), {}, !own.unread.empty());
  own.unread.clear();
}

void Network::push(const ConnectionPtr& c, Side to, base::Bytes bytes, bool reset) {
  Connection::Direction& d = to == Side::kClient ? c->to_client_ : c->to_server_;
  Path& path = paths_[c->machine];
  Duration radio{};
  if (path.online && !silent(*c)) radio = wake_radio(path, c->network);
  Instant at = kernel_.now() + radio + delay(path, c->network);
  if (!d.segments.empty()) at = std::max(at, d.segments.back().at);
  d.segments.push_back({at, std::move(bytes), reset});
  if (!d.moving) step(c, to);
}

void Network::step(const ConnectionPtr& c, Side to) {
  Connection::Direction& d = to == Side::kClient ? c->to_client_ : c->to_server_;
  d.moving = !d.segments.empty();
  if (!d.moving) return;
  kernel_.at(d.segments.front().at, [this, c, to] { carry(c, to); });
}

/// The first segment of one direction is where it was to be: it arrives, waits, or is gone.
void Network::carry(const ConnectionPtr& c, Side to) {
  Connection::Direction& way = to == Side::kClient ? c->to_client_ : c->to_server_;
  Path& path = paths_[c->machine];
  way.moving = false;
  if (way.segments.empty()) return;
  if (silent(*c) || c->to_portal) return way.segments.clear();
  Instant again = base::kNever;
  if (const Instant clear = clear_at(*c); clear > kernel_.now()) {
    again = clear + path.random.between(Duration::zero(), c->network.retransmit_max);
  } else if (lost(path, c->network)) {
    const int doublings = std::min(way.losses++, kRetransmitDoublingsMax);
    again = kernel_.now() + kRetransmitMin * (std::int64_t{1} << doublings) +
            2 * delay(path, c->network);
  } else if (to == Side::kClient && path.asleep && (!path.hook || !path.hook())) {
    again = kernel_.now() + seconds(5);
  } else if (to == Side::kClient && path.asleep) {
    again = kernel_.now() + std::chrono::milliseconds(100);  // it is waking up
  }
  if (again != base::kNever) {
    for (auto& segment : way.segments) segment.at = std::max(segment.at, again);
  } else if (!crosses_nat(c, to)) {
    return way.segments.clear();
  } else {
    way.losses = 0;
    wake_radio(path, c->network);
    Connection::Segment segment = std::move(way.segments.front());
    way.segments.pop_front();
    arrive(c, to, std::move(segment));
  }
  if (!way.moving) step(c, to);
}

void Network::arrive(const ConnectionPtr& c, Side to, Connection::Segment segment) {
  if (to == Side::kServer && c->server_lost_) {
    if (!segment.reset) push(c, Side::kClient, {}, true);
    return;
  }
  End& e = c->end(to);
  if (e.closed) {
    // Nobody reads it: the machine answers, and the sender learns that it spoke to nobody.
    if (!segment.bytes.empty() && !segment.reset) push(c, other(to), {}, true);
    return;
  }
  if (e.ended) return;
  if (segment.bytes.empty()) {
    end(*c, to, segment.reset);
    return;
  }
  e.received += segment.bytes.size();
  e.unread.insert(e.unread.end(), segment.bytes.begin(), segment.bytes.end());
  if (e.changed) e.changed();
}

void Network::end(Connection& c, Side side, bool reset) {
  End& e = c.end(side);
  if (e.closed || e.reset) return;
  e.ended = true;
  e.reset = reset;
  if (e.changed) e.changed();
}

void Network::cut(std::size_t machine, Instant until) {
  paths_[machine].cut_until = std::max(paths_[machine].cut_until, until);
}

void Network::set_online(std::size_t machine, bool online, bool new_address) {
  Path& path = paths_[machine];
  path.online = online;
  ++path.changes;
  if (!new_address) return;
  mark_all_dead(machine, DeathCause::kAddressGone);
  path.old_address = 0;
  ++path.address;
}

void Network::move(std::size_t machine, const NetworkModel* to, bool overlap) {
  Path& path = paths_[machine];
  path.old_address = overlap && path.online && to != nullptr ? path.address : 0;
  if (to != nullptr) path.model = to;
  path.online = to != nullptr;
  path.signed_in = false;
  ++path.changes;
  mark_all_dead(machine, DeathCause::kAddressGone, path.old_address);
  ++path.address;
}

void Network::leave_old(std::size_t machine) {
  Path& path = paths_[machine];
  path.old_address = 0;
  ++path.changes;
  mark_all_dead(machine, DeathCause::kAddressGone, path.address);
}

void Network::sign_in(std::size_t machine) {
  paths_[machine].signed_in = true;
  ++paths_[machine].changes;
}

void Network::forget(std::size_t machine) {
  mark_all_dead(machine, DeathCause::kForgotten);
  for (const auto& weak : connections_)
    if (const auto c = weak.lock(); c && c->machine == machine) c->forgotten_ = true;
}

void Network::reset(std::size_t machine) {
  for (const auto& weak : connections_) {
    const auto c = weak.lock();
    if (!c || c->machine != machine) continue;
    c->to_client_.segments.clear();
    c->to_server_.segments.clear();
    end(*c, Side::kServer, true);
    Path& path = paths_[machine];
    if (path.asleep && (!path.hook || !path.hook()))
      c->forgotten_ = true;  // nobody heard it
    else
      end(*c, Side::kClient, true);
  }
}

void Network::heal() {
  for (Path& path : paths_) {
    path.cut_until = kernel_.now();
    if (!std::exchange(path.online, true)) ++path.changes;
    if (path.model->captive && !std::exchange(path.signed_in, true)) ++path.changes;
  }
}

}  // namespace wakeline::sim
