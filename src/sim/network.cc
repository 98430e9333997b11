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

Side other(Side side) { return side == Side::kClient ? Side::kServer : Side::kClient; }

}  // namespace

void Network::set_power(bool on) {
  powered_ = on;
  if (on) return;
  on_accept_ = nullptr;
  for (const auto& weak : connections_)
    if (const auto c = weak.lock()) {
      c->server_lost_ = true;
      c->server.closed = true;
      c->server.changed = nullptr;
      c->to_client_.segments.clear();
    }
}

bool Network::has_address(const Connection& c) const {
  const Path& path = machines_[c.machine];
  return path.online && path.address == c.address;
}

/// Nothing comes through, and nothing ever will.
bool Network::silent(const Connection& c) const {
  return c.forgotten_ || machines_[c.machine].address != c.address;
}

/// When the path carries segments: now, or when the present cut is over.
Instant Network::clear_at(const Connection& c) const {
  const Path& path = machines_[c.machine];
  if (!path.online || (!powered_ && c.server_lost_)) return kernel_.now() + seconds(5);
  return std::max(kernel_.now(), path.cut_until);
}

void Network::connect(std::size_t machine, Duration keep_alive, OnConnected on_connected) {
  kernel_.after(delay(), [this, machine, keep_alive, done = std::move(on_connected)]() mutable {
    handshake(machine, keep_alive, std::move(done), 1);
  });
}

void Network::handshake(std::size_t machine, Duration keep_alive, OnConnected on_connected,
                        int tries) {
  const Path& path = machines_[machine];
  const bool path_up = path.online && path.cut_until <= kernel_.now();
  if (!path_up || !powered_) {
    if (tries >= kHandshakesMax) return on_connected(nullptr);
    kernel_.after(seconds(std::int64_t{1} << (tries - 1)),
                  [this, machine, keep_alive, tries, done = std::move(on_connected)]() mutable {
                    handshake(machine, keep_alive, std::move(done), tries + 1);
                  });
    return;
  }
  if (!on_accept_) {
    kernel_.after(delay(), [done = std::move(on_connected)] { done(nullptr); });
    return;
  }
  std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
  auto c = std::make_shared<Connection>(next_id_++, machine, path.address);
  connections_.push_back(c);
  on_accept_(c);
  kernel_.after(delay(), [this, c, keep_alive, done = std::move(on_connected)] {
    if (c->client.ended) return done(nullptr);
    done(c);
    if (!c->client.closed) probe(c, keep_alive);
  });
}

/// The client's kernel keeps the line (C39).
void Network::probe(const ConnectionPtr& c, Duration keep_alive) {
  kernel_.after(keep_alive, [this, weak = std::weak_ptr(c), keep_alive] {
    const auto line = weak.lock();
    if (!line || line->client.closed || line->client.ended) return;
    if (line->server_lost_ && powered_ && !silent(*line)) return end(*line, Side::kClient, true);
    if (!silent(*line) && !line->server_lost_) return probe(line, keep_alive);
    kernel_.after(kProbing, [this, weak, keep_alive] {
      const auto again = weak.lock();
      if (!again || again->client.closed || again->client.ended) return;
      if (silent(*again) || again->server_lost_)
        end(*again, Side::kClient, true);
      else
        probe(again, keep_alive);
    });
  });
}

void Network::send(const ConnectionPtr& c, Side from, base::Bytes bytes) {
  if (c->end(from).closed || c->end(from).reset || bytes.empty()) return;
  push(c, other(from), std::move(bytes), false);
}

void Network::close(const ConnectionPtr& c, Side side) {
  End& own = c->end(side);
  if (std::exchange(own.closed, true)) return;
  own.changed = nullptr;
  if (!own.reset) push(c, other(side), {}, !own.unread.empty());
  own.unread.clear();
}

void Network::push(const ConnectionPtr& c, Side to, base::Bytes bytes, bool reset) {
  Connection::Direction& d = to == Side::kClient ? c->to_client_ : c->to_server_;
  Instant at = kernel_.now() + delay();
  if (!d.segments.empty()) at = std::max(at, d.segments.back().at);
  d.segments.push_back({at, std::move(bytes), reset});
  if (!d.moving) move(c, to);
}

void Network::move(const ConnectionPtr& c, Side to) {
  Connection::Direction& d = to == Side::kClient ? c->to_client_ : c->to_server_;
  d.moving = !d.segments.empty();
  if (!d.moving) return;
  kernel_.at(d.segments.front().at, [this, c, to] {
    Connection::Direction& way = to == Side::kClient ? c->to_client_ : c->to_server_;
    way.moving = false;
    if (way.segments.empty()) return;
    if (silent(*c)) {
      way.segments.clear();
      return;
    }
    const Instant clear = clear_at(*c);
    if (clear > kernel_.now()) {
      const Instant at = clear + kernel_.between(Duration::zero(), model_.retransmit_max);
      for (auto& segment : way.segments) segment.at = std::max(segment.at, at);
    } else {
      Connection::Segment segment = std::move(way.segments.front());
      way.segments.pop_front();
      arrive(c, to, std::move(segment));
    }
    move(c, to);
  });
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
  machines_[machine].cut_until = std::max(machines_[machine].cut_until, until);
}

void Network::set_online(std::size_t machine, bool online, bool new_address) {
  Path& path = machines_[machine];
  path.online = online;
  ++path.changes;
  if (new_address) ++path.address;
}

void Network::forget(std::size_t machine) {
  for (const auto& weak : connections_)
    if (const auto c = weak.lock(); c && c->machine == machine) c->forgotten_ = true;
}

void Network::reset(std::size_t machine) {
  for (const auto& weak : connections_) {
    const auto c = weak.lock();
    if (!c || c->machine != machine) continue;
    c->to_client_.segments.clear();
    c->to_server_.segments.clear();
    end(*c, Side::kClient, true);
    end(*c, Side::kServer, true);
  }
}

void Network::heal() {
  for (Path& path : machines_) {
    path.cut_until = kernel_.now();
    if (!std::exchange(path.online, true)) ++path.changes;
  }
}

std::size_t Network::open() const {
  return static_cast<std::size_t>(std::ranges::count_if(connections_, [](const auto& weak) {
    const auto c = weak.lock();
    return c && !(c->client.closed && c->server.closed);
  }));
}

}  // namespace wakeline::sim
