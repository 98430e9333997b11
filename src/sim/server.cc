// SPDX-License-Identifier: Apache-2.0
#include "sim/server.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "core/link/types.h"
#include "wire/push.h"

namespace wakeline::sim {
namespace {

namespace mqtt = wire::mqtt;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// One group commit of the store.
constexpr Duration kCommitMin = microseconds(200);
constexpr Duration kCommitMax = milliseconds(20);
constexpr std::uint64_t kEpoch = 0x5EED;
/// A line that has not said CONNECT by then is closed.
constexpr Duration kConnectWait = seconds(10);
/// Connections wait so long for their turn; the rest is turned away.
constexpr Duration kBacklog = seconds(1);

}  // namespace

std::string app_name(std::size_t app) { return fmt::format("app{}", app); }

namespace {

/// The app of a user name.
std::size_t app_of(const mqtt::Connect& connect) {
  std::size_t app = 0;
  const std::string& name = connect.user_name.value();
  std::from_chars(name.data() + 3, name.data() + name.size(), app);
  WL_CHECK(name == app_name(app));
  return app;
}

}  // namespace

Server::Server(Kernel& kernel, Network& network, Judge& judge, std::size_t apps, ServerModel model,
               Bug bug)
    : kernel_(kernel),
      network_(network),
      judge_(judge),
      model_(model),
      bug_(bug),
      random_(kernel.random_of("server", 0)),
      store_(apps) {
  config_.epoch = kEpoch;
  constexpr Duration kSpreads[] = {Duration::zero(), milliseconds(1), seconds(5), seconds(20)};
  config_.spread = model.spread ? *model.spread : kSpreads[random_.below(std::size(kSpreads))];
  if (bug == Bug::kForgetsWindow) config_.receive_maximum = session::kInFlightMax;
  run_ = std::make_shared<Run>();
  run_->inboxes.resize(apps);
  network_.listen([this](const ConnectionPtr& c) { on_accept(c); });
}

void Server::start() {
  if (up()) return;
  if (kernel_.tracing()) kernel_.trace("server", "start");
  flushing_ = false;
  run_ = std::make_shared<Run>();
  run_->inboxes.resize(store_.inboxes());
  network_.set_power(true);
  if (bug_ == Bug::kStaysDown) return;
  network_.listen([this](const ConnectionPtr& c) { on_accept(c); });
}

void Server::stop(Stop how) {
  if (!up()) return;
  if (kernel_.tracing()) kernel_.trace("server", fmt::format("stop {}", static_cast<int>(how)));
  network_.listen(nullptr);
  if (how == Stop::kGraceful) {
    const Duration drain = random_.between(seconds(1), seconds(5));
    for (std::size_t app = 0; app < run_->inboxes.size(); ++app)
      event(app, "stopping", [&](session::Session& s, session::Actions& out) {
        s.on_server_stopping(kernel_.now(), drain, out);
      });
    store_.flush();
  }
  if (how == Stop::kPower) network_.set_power(false);
  const auto run = std::exchange(run_, nullptr);
  for (const LinePtr& line : run->lines) network_.close(line->connection, Side::kServer);
  store_.crash();
}

void Server::upgrade() {
  if (!up()) return;
  if (kernel_.tracing()) kernel_.trace("server", "upgrade");
  store_.flush();
  flushing_ = false;
  const auto old = std::exchange(run_, std::make_shared<Run>());
  run_->inboxes.resize(old->inboxes.size());
  run_->lines = old->lines;
  for (std::size_t app = 0; app < old->inboxes.size(); ++app) {
    base::Bytes frozen;
    old->inboxes[app].session.freeze(frozen);
    auto thawed = session::Session::thaw(frozen);
    if (!thawed) {
      judge_.violation(fmt::format("the session of {} does not survive an upgrade", app_name(app)));
      thawed.emplace();
    }
    if (bug_ == Bug::kHandsOverNothing) thawed.emplace();
    run_->inboxes[app].session = std::move(*thawed);
    run_->inboxes[app].line = old->inboxes[app].line;
    event(app, "thawed", [&](session::Session& s, session::Actions& out) {
      s.on_thawed(kernel_.now(), config_, out);
    });
  }
  for (const LinePtr& line : std::vector(run_->lines)) await(line);
}

// --- pushes

void Server::post(std::size_t app, std::uint64_t push, Duration ttl, OnAnswer on_answer) {
  if (!up()) return on_answer(false);
  if (bug_ == Bug::kAnswersBeforeCommit) std::exchange(on_answer, [](bool) {})(true);
  const Duration commit_takes = random_.between(kCommitMin, kCommitMax);
  kernel_.after(commit_takes, [this, app, push, ttl, weak = std::weak_ptr(run_),
                               answer = std::move(on_answer)]() mutable {
    const Instant expires =
        ttl == Duration::zero() ? base::kNever : base::saturating_add(wall(), ttl);
    const StoredPush row{push, expires};
    if (weak.expired()) {
      // It died over the commit: the row is there or not, and nobody was told.
      if (random_.chance(1, 2)) store_.commit(app, row);
      return answer(false);
    }
    commit(app, row);
    kernel_.after(random_.between(kCommitMin, kCommitMax),
                  [weak, answer = std::move(answer)] { answer(!weak.expired()); });
  });
}

void Server::commit(std::size_t app, StoredPush push) {
  const Sequence sequence = store_.commit(app, push);
  if (bug_ == Bug::kRingsNobody) return;
  if (kernel_.tracing())
    kernel_.trace("server",
                  fmt::format("stored push={} for {} seq={}", push.id, app_name(app), sequence));
  event(app, "stored", [&](session::Session& s, session::Actions& out) {
    s.on_push_stored(kernel_.now(), config_, sequence, out);
  });
}

void Server::flush_soon() {
  if (std::exchange(flushing_, true)) return;
  soon(random_.between(kCommitMin, kCommitMax), [this] {
    flushing_ = false;
    store_.flush();
  });
}

// --- sessions

bool Server::online(std::size_t app) const { return up() && run_->inboxes[app].session.online(); }

template <class Event>
void Server::event(std::size_t app, const char* name, Event happens) {
  const auto run = run_;
  Inbox& d = run->inboxes[app];
  session::Actions out;
  happens(d.session, out);
  kernel_.mix(out.size());
  if (kernel_.tracing()) kernel_.trace("server", fmt::format("{} {}", app_name(app), name));
  for (std::size_t i = 0; i < out.size(); ++i) {  // an action may bring others
    const session::Action action = out[i];
    kernel_.mix(action.index());
    if (kernel_.tracing())
      kernel_.trace("server", fmt::format("{}   {}", app_name(app), to_line(action)));
    carry_out(app, action, out);
  }
  in_flight_max_ = std::max(in_flight_max_, d.session.in_flight());
  if (d.session.in_flight() > link::kUnacceptedMax)
    judge_.violation(
        fmt::format("{} pushes in flight to {}", d.session.in_flight(), app_name(app)));
  arm(app);
}

void Server::carry_out(std::size_t app, const session::Action& action, session::Actions& out) {
  Inbox& d = run_->inboxes[app];
  if (const auto* w = std::get_if<session::Write>(&action)) {
    mqtt::Packet packet = w->packet;
    if (auto* connack = std::get_if<mqtt::Connack>(&packet);
        connack != nullptr && connack->reason == mqtt::Reason::kSuccess)
      connack->properties.user.emplace_back(wire::property::kProbe, "1");
    write(d.line, packet);
  } else if (const auto* p = std::get_if<session::Publish>(&action)) {
    publish(app, *p, out);
  } else if (const auto* f = std::get_if<session::FetchPending>(&action)) {
    soon(random_.between(kCommitMin, kCommitMax), [this, app, f = *f] {
      bool more = false;
      const auto found = store_.pending(app, f.after, f.limit, wall(), more);
      event(app, "pending", [&](session::Session& s, session::Actions& o) {
        s.on_pending(kernel_.now(), config_, f.id, found, more, o);
      });
    });
  } else if (const auto* r = std::get_if<session::Remove>(&action)) {
    store_.remove(app, r->sequence);
    flush_soon();
  } else if (const auto* t = std::get_if<session::RemoveThrough>(&action)) {
    store_.remove_through(app, t->sequence);
    flush_soon();
  } else if (std::holds_alternative<session::CloseLink>(action)) {
    drop(std::exchange(d.line, nullptr));
  }  // the fleet's devices neither publish nor join groups
}

void Server::publish(std::size_t app, const session::Publish& publish, session::Actions& out) {
  Inbox& d = run_->inboxes[app];
  if (bug_ == Bug::kExpiresEarly && random_.chance(1, 10)) store_.remove(app, publish.sequence);
  const std::size_t from = bug_ == Bug::kMixesInboxes ? (app + 1) % store_.inboxes() : app;
  const StoredPush* push = store_.find(from, publish.sequence, wall());
  if (push == nullptr) {
    d.session.on_gone(kernel_.now(), config_, publish.sequence, out);
    return;
  }
  mqtt::Publish packet;
  packet.topic = wire::inbox_topic(app_name(app));
  const std::string payload = std::to_string(push->id);
  packet.payload.assign(payload.begin(), payload.end());
  packet.qos = mqtt::Qos::kAtLeastOnce;
  packet.duplicate = publish.duplicate;
  packet.packet_id = publish.packet_id;
  packet.properties.user.emplace_back(wire::property::kSequence, std::to_string(publish.sequence));
  write(d.line, packet);
}

void Server::write(const LinePtr& line, const mqtt::Packet& packet) {
  base::Bytes bytes;
  WL_CHECK(mqtt::encode(packet, line->version, bytes));
  network_.send(line->connection, Side::kServer, std::move(bytes));
}

void Server::arm(std::size_t app) {
  Inbox& d = run_->inboxes[app];
  const Instant deadline = d.session.next_deadline();
  if (deadline >= d.armed) return;  // the timer that is set looks again
  d.armed = deadline;
  soon(deadline - kernel_.now(), [this, app, deadline] {
    Inbox& again = run_->inboxes[app];
    if (again.armed != deadline) return;
    again.armed = base::kNever;
    event(app, "deadline",
          [&](session::Session& s, session::Actions& out) { s.on_deadline(kernel_.now(), out); });
  });
}

// --- lines

void Server::on_accept(const ConnectionPtr& connection) {
  const auto line = std::make_shared<Line>();
  line->connection = connection;
  if (model_.admits_per_s > 0) {
    const Instant turn = std::max(next_admission_, kernel_.now());
    if (turn - kernel_.now() > kBacklog) {
      ++turned_away_;
      return network_.close(connection, Side::kServer);
    }
    next_admission_ = turn + Duration(seconds(1)) / model_.admits_per_s;
    line->admitted_at = turn;
  }
  run_->lines.push_back(line);
  connection->server.changed = [this, weak = std::weak_ptr(line)] {
    soon(random_.between(microseconds(5), microseconds(200)), [this, weak] {
      if (const auto changed = weak.lock()) on_change(changed);
    });
  };
  await(line);
}

/// Its turn, what it has said by then, and the end of its time to say CONNECT.
void Server::await(const LinePtr& line) {
  soon(std::max(line->admitted_at - kernel_.now(), Duration::zero()),
       [this, weak = std::weak_ptr(line)] {
         if (const auto admitted = weak.lock()) on_change(admitted);
       });
  if (line->app || line->probe) return;
  soon(kConnectWait, [this, weak = std::weak_ptr(line)] {
    const auto silent = weak.lock();
    if (silent && !silent->app && !silent->probe) drop(silent);
  });
}

void Server::on_change(const LinePtr& line) {
  End& end = line->connection->server;
  if (end.closed || line->admitted_at > kernel_.now()) return;
  line->unread.insert(line->unread.end(), end.unread.begin(), end.unread.end());
  end.unread.clear();
  while (!end.closed) {
    const auto decoded = mqtt::decode(line->unread, line->version);
    WL_CHECK_MSG(decoded.has_value(), "the link sent bytes that are no packet");
    if (decoded->consumed == 0) break;
    line->unread.erase(line->unread.begin(),
                       line->unread.begin() + static_cast<std::ptrdiff_t>(decoded->consumed));
    if (line->probe) {
      if (std::holds_alternative<mqtt::Pingreq>(decoded->packet)) write(line, mqtt::Pingresp{});
    } else if (!line->app) {
      const auto* connect = std::get_if<mqtt::Connect>(&decoded->packet);
      WL_CHECK(connect != nullptr);
      on_connect(line, *connect);
    } else if (run_->inboxes[*line->app].line == line) {
      event(*line->app, "packet", [&](session::Session& s, session::Actions& out) {
        s.on_packet(kernel_.now(), config_, app_name(*line->app), decoded->packet, out);
      });
    }
  }
  if (end.ended) on_line_end(line);
}

void Server::on_connect(const LinePtr& line, const mqtt::Connect& connect) {
  const std::size_t app = app_of(connect);
  line->version = connect.version;
  if (connect.properties.user_value(wire::property::kProbe)) {
    line->probe = true;
    return write(line, mqtt::Connack{});
  }
  line->app = app;
  Inbox& d = run_->inboxes[app];
  if (d.line && bug_ == Bug::kKeepsOldSession)
    event(app, "forgotten",
          [&](session::Session& s, session::Actions&) { s.on_closed(kernel_.now()); });
  else if (d.line)
    event(app, "expelled", [&](session::Session& s, session::Actions& out) {
      s.on_expelled(kernel_.now(), mqtt::Reason::kSessionTakenOver, out);
    });
  d.line = line;
  mqtt::Connect asked = connect;
  if (bug_ == Bug::kForgetsWindow) asked.properties.receive_maximum = session::kInFlightMax;
  event(app, "connect", [&](session::Session& s, session::Actions& out) {
    s.on_connect(kernel_.now(), config_, app_name(app), asked, out);
  });
  check_sessions(app);
}

/// At most one live session for each device.
void Server::check_sessions(std::size_t app) {
  const auto live = std::ranges::count_if(run_->lines, [&](const LinePtr& line) {
    return line->app == app && !line->connection->server.closed;
  });
  if (live > 1) judge_.violation(fmt::format("{} live sessions of {}", live, app_name(app)));
}

void Server::on_line_end(const LinePtr& line) {
  if (line->app && run_->inboxes[*line->app].line == line) {
    run_->inboxes[*line->app].line = nullptr;
    event(*line->app, "closed",
          [&](session::Session& s, session::Actions&) { s.on_closed(kernel_.now()); });
  }
  drop(line);
}

void Server::drop(const LinePtr& line) {
  if (!line) return;
  network_.close(line->connection, Side::kServer);
  std::erase(run_->lines, line);
}

}  // namespace wakeline::sim
