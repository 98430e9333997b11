// SPDX-License-Identifier: Apache-2.0
#include "app/link_driver.h"

#include <errno.h>

#include <algorithm>
#include <utility>
#include <variant>

#include <boost/asio/ip/address.hpp>

#include "app/socket_check.h"
#include "base/check.h"
#include "base/log.h"
#include "core/link/lines.h"
#include "core/link/memory.h"
#include "core/link/outbox.h"
#include "io/clock.h"
#include "io/file.h"

namespace wakeline::app {
namespace {

/// The machine itself slept when the clocks went apart by so much (link.md §4).
constexpr base::Duration kSlept = std::chrono::seconds(2);
/// A wake may come later by this part of the wait.
constexpr int kWakeSlack = 4;
constexpr base::Duration kStorageRetryMin = std::chrono::seconds(1);
constexpr base::Duration kStorageRetryMax = std::chrono::minutes(1);

bool is_loopback(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  return !error && parsed.is_loopback();
}

bool is_loopback_name(const std::string& host) { return host == "localhost" || is_loopback(host); }

base::Duration boot_to_wall() {
  return io::wall_now().time_since_epoch() - io::now().time_since_epoch();
}

std::string text_of(const link::Memory& memory) { return link::encode(memory, boot_to_wall()); }

/// What people can do something about.
std::string tls_detail(const base::Error& error) {
  const std::string_view where = error.where;
  if (where == "tls.time")
    return "the certificate is not valid now: it or this machine's clock is wrong";
  if (where == "tls.name") return "the certificate is of another name";
  if (where == "tls.certificate") return "the certificate is of nobody that is trusted here";
  return base::to_string(error);
}

/// How a connection ended, for the machine: a reset and a silence may be a NAT's doing.
link::Why why_of(const base::Error& error) {
  if (error.code == base::ErrorCode::kTimeout || error.os_error == ETIMEDOUT)
    return link::Why::kPeerSilent;
  return error.os_error == ECONNRESET ? link::Why::kPeerReset : link::Why::kPeerClosed;
}

}  // namespace

base::Result<std::unique_ptr<LinkDriver>> LinkDriver::create(Core& core, Settings settings,
                                                             Hooks hooks) {
  std::unique_ptr<LinkDriver> made(new LinkDriver(core, std::move(settings), std::move(hooks)));
  auto* raw = made.get();
  auto& loop = core.engine().loop();
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [raw] {
    raw->feed([](link::Link& link, base::Instant now, link::Actions& out) {
      link.on_deadline(now, out);
    });
  });
  if (!timer) return base::fail(timer.error());
  made->timer_ = std::move(*timer);
  auto storage =
      io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [raw] { raw->write_state(); });
  if (!storage) return base::fail(storage.error());
  made->storage_timer_ = std::move(*storage);
  auto writer = StateWriter::start(made->settings_.state_file);
  if (!writer) return base::fail(writer.error());
  made->writer_ = std::move(*writer);
  auto watch = io::NetworkWatch::open(loop, [raw] { raw->read_network(); });
  if (watch) {
    made->network_watch_ = std::move(*watch);
  } else {
    base::log(base::LogLevel::kWarning, "link", "changes of the network go unnoticed: {}",
              base::to_string(watch.error()));
  }
  made->read_network();
  return made;
}

LinkDriver::LinkDriver(Core& core, Settings settings, Hooks hooks)
    : core_(core),
      settings_(std::move(settings)),
      hooks_(std::move(hooks)),
      link_(settings_.config, settings_.memory, base::Random(io::random_seed()),
            std::exchange(settings_.outbox, {})),
      written_(settings_.memory) {
  core_.add_listener(this);
}

LinkDriver::~LinkDriver() {
  stop();
  alive_.reset();
  writer_.reset();
  outbox_writer_.reset();
  for (const Send& send : std::exchange(sends_, {}))
    send.done(base::fail(base::ErrorCode::kClosed, "push_client"));
  // What the app accepted while the last write was under way.
  if (unwritten_ && !(link_.memory() == written_)) {
    const auto last = io::write_file(settings_.state_file, text_of(link_.memory()));
    if (!last)
      base::log(base::LogLevel::kError, "link", "{}: {}; pushes that were accepted last come again",
                settings_.state_file, base::to_string(last.error()));
  }
  core_.remove_listener(this);
}

template <class Event>
void LinkDriver::feed(Event event) {
  // Whatever an action causes comes back by the loop, never within it.
  WL_CHECK(!std::exchange(feeding_, true));
  const base::Duration asleep = io::time_asleep();
  if (asleep - std::exchange(asleep_, asleep) >= kSlept)
    link_.on_woken(io::now(), line_facts(), actions_);
  event(link_, io::now(), actions_);
  for (const link::Action& action : actions_) {
    if (base::log_enabled(base::LogLevel::kDebug)) {
      base::log(base::LogLevel::kDebug, "link", "{}", link::to_line(action));
    }
    std::visit([this](const auto& wanted) { this->carry_out(wanted); }, action);
  }
  actions_.clear();
  feeding_ = false;
  timer_->set(link_.next_deadline());
  ask_for_wake();
}

/// Suspended, no timer of ours runs: the host is asked for a wake in the link's window (C40). Where
/// it gives none, the keep-alive handler is the next occasion.
void LinkDriver::ask_for_wake() {
  link::WakeWindow wanted;
  if (core_.state() == AppState::kBackground) wanted = link_.next_wake();
  if (wanted == wake_wanted_) return;
  wake_wanted_ = wanted;
  const std::uint64_t current = ++wakes_asked_;
  if (wake_ != 0) core_.contract().wakes().cancel(std::exchange(wake_, 0));
  if (wanted.latest == base::kNever) return;
  const base::Instant now = io::now();
  const auto from_now = [now](base::Instant at) {
    return std::chrono::ceil<std::chrono::milliseconds>(std::max(at - now, base::Duration::zero()));
  };
  const auto earliest = from_now(wanted.earliest);
  // A moment alone merges with nothing else that wakes; a little later is as good.
  const auto latest = std::max(from_now(wanted.latest), earliest + earliest / kWakeSlack);
  core_.contract().wakes().request(
      earliest, latest,
      [this, current, alive = std::weak_ptr(alive_)] {
        if (alive.expired() || current != wakes_asked_) return;
        wake_ = 0;
        feed([](link::Link& link, base::Instant at, link::Actions& out) {
          link.on_deadline(at, out);
        });
      },
      [this, current, alive = std::weak_ptr(alive_)](const Result<Wakes::Key>& key) {
        if (alive.expired()) return;
        if (!key)
          base::log(base::LogLevel::kDebug, "link", "no wake: {}", key.error().message);
        else if (current == wakes_asked_)
          wake_ = *key;
        else
          core_.contract().wakes().cancel(*key);
      });
}

void LinkDriver::later(std::function<void()> task) {
  core_.engine().loop().post([task = std::move(task), alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) task();
  });
}

void LinkDriver::start() {
  if (link_.state() != link::State::kStopped) return;
  if (keep_alive_ == 0) {
    keep_alive_ = core_.contract().new_key();
    const auto every =
        std::chrono::duration_cast<std::chrono::seconds>(settings_.config.keep_alive);
    core_.contract().keep_alive().set_anyway(keep_alive_, every,
                                             [this](const std::function<void()>& done) {
                                               on_woken();
                                               // What it began is held by a task of its own.
                                               done();
                                             });
  }
  const bool foreground = core_.state() == AppState::kForeground;
  feed([foreground](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_foreground(now, foreground, out);
    link.start(now, out);
  });
}

void LinkDriver::stop() {
  feed([](link::Link& link, base::Instant now, link::Actions& out) { link.stop(now, out); });
  if (keep_alive_ != 0) core_.contract().keep_alive().clear(std::exchange(keep_alive_, 0));
  core_.contract().end_task(std::exchange(task_, 0));
  ++holds_;
}

void LinkDriver::kick() {
  feed([](link::Link& link, base::Instant now, link::Actions& out) { link.on_kick(now, out); });
}

void LinkDriver::ask_for(wire::Urgency lowest) {
  feed([lowest](link::Link& link, base::Instant now, link::Actions& out) {
    link.ask_for(now, lowest, out);
  });
}

void LinkDriver::accept(link::DeliveryId delivery) {
  feed([delivery](link::Link& link, base::Instant now, link::Actions& out) {
    link.accept(now, delivery, out);
  });
}

void LinkDriver::send(link::Message message, base::Duration time_to_live,
                      std::function<void(base::Result<void>)> done) {
  base::Result<std::uint64_t> serial;
  feed([&](link::Link& link, base::Instant now, link::Actions& out) {
    message.until = base::saturating_add(now, time_to_live);
    serial = link.send(now, std::move(message), out);
  });
  if (!serial) return done(base::fail(serial.error()));
  if (*serial == 0) return done({});
  sends_.push_back({*serial, std::move(done)});
}

void LinkDriver::outcome_taken(std::uint64_t number) {
  feed([number](link::Link& link, base::Instant now, link::Actions& out) {
    link.outcome_taken(now, number, out);
  });
}

void LinkDriver::is_wake_capable(std::function<void(bool)> done) {
  const auto line = lines_.find(link_.live());
  core_.contract().is_wake_capable(line == lines_.end() ? 0 : line->second.tag, std::move(done));
}

void LinkDriver::on_host_state(AppState state) {
  feed([state](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_foreground(now, state == AppState::kForeground, out);
  });
}

void LinkDriver::on_host_woken(WakeCause cause, TagKey tag) {
  const bool own_socket = tag != 0 && std::ranges::any_of(lines_, [tag](const auto& entry) {
                            return entry.second.tag == tag;
                          });
  // The bytes or the end of our own socket speak for themselves; the keep-alive handler is called
  // on its own; an expiring task, a host that ends or a slice for other sockets is no reason to
  // doubt the line.
  if (own_socket || cause == WakeCause::kKeepAlive || cause == WakeCause::kTask ||
      cause == WakeCause::kHostStopping || cause == WakeCause::kIpc) {
    return;
  }
  if (cause == WakeCause::kNetwork) read_network();
  on_woken();
}

void LinkDriver::on_host_network(const NetworkFacts& /*facts*/) { read_network(); }

/// Asks the kernel first: it is free, and may know already.
void LinkDriver::on_woken() {
  const link::LineFacts facts = line_facts();
  feed([facts](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_woken(now, facts, out);
  });
}

link::LineFacts LinkDriver::line_facts() const {
  const auto line = lines_.find(link_.live());
  if (line == lines_.end() || !line->second.stream) return {};
  const LineState state = line_state(line->second.stream->fd());
  return {.ended = state.ended, .address_gone = false, .resending = state.resending};
}

void LinkDriver::read_network() {
  network_ = io::read_network();
  link::NetworkFacts facts;
  // To this very machine there is always a way.
  const bool here = is_loopback_name(settings_.config.host);
  facts.online = here || !network_.addresses.empty();
  facts.key = network_.key(base::as_text(settings_.config.token));
  facts.fingerprint = network_.fingerprint();
  const auto line = lines_.find(link_.live());
  if (line != lines_.end() && line->second.stream) {
    const std::string own = io::local_address(line->second.stream->fd());
    facts.local_address_gone = !own.empty() && !is_loopback(own) && !network_.has(own);
  }
  feed([&facts](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_network_changed(now, facts, out);
  });
}

// --- connections

void LinkDriver::carry_out(const link::Resolve& resolve) {
  lookup_ =
      io::lookup(core_.engine().loop(), resolve.host,
                 [this, generation = resolve.generation](base::Result<io::Lookup::Answer> answer) {
                   feed([&](link::Link& link, base::Instant now, link::Actions& out) {
                     if (!answer) return link.on_resolve_failed(now, generation, out);
                     std::vector<link::Address> addresses;
                     for (auto& each : answer->found)
                       addresses.push_back({each.ipv6, std::move(each.address)});
                     if (answer->whole)
                       link.on_resolved(now, generation, std::move(addresses), out);
                     else
                       link.on_resolved_in_part(now, generation, std::move(addresses), out);
                   });
                 });
}

void LinkDriver::carry_out(const link::Connect& connect) {
  const link::AttemptId id = connect.attempt;
  Line& line = lines_[id];
  if (!settings_.tls && !is_loopback(connect.address.text)) {
    // A name that was said to be this machine, and is not: the token must not leave it in clear.
    base::log(base::LogLevel::kError, "link", "{} is no loopback address, and TLS is off",
              connect.address.text);
    return later([this, id] { on_end(id, link::Why::kConnectFailed); });
  }
  io::ConnectOptions options;
  options.address = connect.address.text;
  options.port = connect.port;
  options.tls = settings_.tls;
  options.tls_name = settings_.config.host;
  options.keep_alive.idle = connect.heartbeat;
  if (!connect.probe) {
    options.on_connected_fd = [this, id](int fd) { on_tcp(id, fd); };
    options.tls_waits = settings_.tls != nullptr;
  }
  line.attempt = io::connect(core_.engine().loop(), std::move(options),
                             [this, id](base::Result<std::unique_ptr<io::Stream>> result) {
                               on_connected(id, std::move(result));
                             });
}

/// Tags before the first byte, so that none can come to an app that is asleep and untagged.
void LinkDriver::on_tcp(link::AttemptId id, int fd) {
  lines_.at(id).tag = core_.contract().tag(fd, [](const Result<TagKey>& tag) {
    if (tag) return;
    base::log(base::LogLevel::kWarning, "link", "pushes cannot wake this app: {}",
              tag.error().message);
  });
  if (!settings_.tls) return;
  feed(
      [id](link::Link& link, base::Instant now, link::Actions& out) { link.on_tcp(now, id, out); });
}

void LinkDriver::carry_out(const link::Secure& secure) {
  const auto line = lines_.find(secure.attempt);
  if (line != lines_.end() && line->second.attempt) line->second.attempt->secure();
}

void LinkDriver::on_connected(link::AttemptId id,
                              base::Result<std::unique_ptr<io::Stream>> result) {
  if (!result) {
    base::log(base::LogLevel::kInfo, "link", "#{}: {}", id.value, base::to_string(result.error()));
    const bool tls = result.error().code == base::ErrorCode::kTls;
    if (tls) tls_detail_ = tls_detail(result.error());
    return on_end(id, tls ? link::Why::kTlsFailed : link::Why::kConnectFailed);
  }
  Line& line = lines_.at(id);
  line.attempt.reset();
  line.stream = std::move(*result);
  line.stream->start([this, id](base::BytesView bytes) { on_bytes(id, bytes); },
                     [this, id](base::Error error) { on_end(id, why_of(error)); });
  feed([id](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_connected(now, id, out);
  });
}

void LinkDriver::on_bytes(link::AttemptId id, base::BytesView bytes) {
  // The link may close the line, or the app destroy this, before it has taken all.
  const auto alive = std::weak_ptr(alive_);
  while (!bytes.empty() && !alive.expired() && lines_.contains(id)) {
    std::size_t taken = 0;
    feed([&](link::Link& link, base::Instant now, link::Actions& out) {
      taken = link.on_bytes(now, id, bytes, out);
    });
    bytes = bytes.subspan(taken);
  }
}

void LinkDriver::on_end(link::AttemptId id, link::Why why) {
  const auto line = lines_.find(id);
  if (line == lines_.end()) return;
  untag(line->second);
  lines_.erase(line);
  feed([id, why](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_failed(now, id, why, out);
  });
}

void LinkDriver::carry_out(const link::Write& write) {
  const auto line = lines_.find(write.attempt);
  if (line != lines_.end() && line->second.stream) line->second.stream->write(write.bytes);
}

void LinkDriver::carry_out(const link::SetHeartbeat& set) {
  const auto line = lines_.find(set.attempt);
  if (line == lines_.end() || !line->second.stream) return;
  const auto done = io::set_keep_alive(line->second.stream->fd(), {.idle = set.heartbeat});
  if (!done) base::log(base::LogLevel::kWarning, "link", "{}", base::to_string(done.error()));
}

void LinkDriver::carry_out(const link::Close& close) {
  const auto line = lines_.find(close.attempt);
  if (line == lines_.end()) return;
  untag(line->second);
  if (line->second.stream) line->second.stream->close();
  lines_.erase(line);
}

void LinkDriver::untag(Line& line) {
  if (line.tag != 0) core_.contract().untag(std::exchange(line.tag, 0));
}

// --- the app and its host

void LinkDriver::carry_out(const link::HoldAwake& hold) {
  const std::uint64_t current = ++holds_;
  const auto on_expire = [this, current, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || current != holds_) return;
    core_.contract().end_task(std::exchange(task_, 0));
    feed([](link::Link& link, base::Instant now, link::Actions& /*out*/) {
      link.on_hold_expired(now);
    });
  };
  core_.contract().begin_task(
      "link " + std::string(link::name(hold.why)), on_expire,
      [this, current, alive = std::weak_ptr(alive_)](const Result<TaskKey>& task) {
        if (!task || alive.expired()) return;
        if (current != holds_) return core_.contract().end_task(*task);
        task_ = *task;
      });
}

void LinkDriver::carry_out(const link::LetGo& /*let_go*/) {
  ++holds_;
  core_.contract().end_task(std::exchange(task_, 0));
}

void LinkDriver::carry_out(const link::Persist& persist) {
  unwritten_ = persist;
  write_state();
}

void LinkDriver::write_state() {
  if (!unwritten_) return;
  writer_->write(text_of(unwritten_->memory),
                 [this, &loop = core_.engine().loop(), serial = unwritten_->serial,
                  alive = std::weak_ptr(alive_)](const base::Result<void>& written) {
                   loop.post([this, serial, written, alive] {
                     if (!alive.expired()) on_written(serial, written);
                   });
                 });
}

void LinkDriver::on_written(std::uint64_t serial, const base::Result<void>& written) {
  if (!written) {
    storage_retry_ = std::clamp(storage_retry_ * 2, kStorageRetryMin, kStorageRetryMax);
    base::log(base::LogLevel::kError, "link", "{}: {}; pushes are not acknowledged until then",
              settings_.state_file, base::to_string(written.error()));
    return storage_timer_->set(io::now() + storage_retry_);
  }
  storage_retry_ = {};
  written_ = std::move(unwritten_->memory);
  unwritten_.reset();
  feed([serial](link::Link& link, base::Instant now, link::Actions& out) {
    link.on_persisted(now, serial, out);
  });
}

void LinkDriver::carry_out(const link::StoreOutbox& store) {
  const auto done = [this, &loop = core_.engine().loop(), serial = store.serial,
                     alive = std::weak_ptr(alive_)](const base::Result<void>& written) {
    loop.post([this, serial, written, alive] {
      if (!alive.expired()) on_outbox_written(serial, written);
    });
  };
  if (!outbox_writer_) {
    auto writer = StateWriter::start(settings_.outbox_file);
    if (!writer) return done(base::fail(writer.error()));
    outbox_writer_ = std::move(*writer);
  }
  outbox_writer_->write(link::encode(store.messages, boot_to_wall()), done);
}

void LinkDriver::on_outbox_written(std::uint64_t serial, const base::Result<void>& written) {
  if (!written)
    base::log(base::LogLevel::kError, "link", "{}: {}", settings_.outbox_file,
              base::to_string(written.error()));
  feed([&](link::Link& link, base::Instant now, link::Actions& out) {
    if (written)
      link.on_outbox_stored(now, serial, out);
    else
      link.on_outbox_failed(now, serial, out);
  });
  for (std::size_t i = 0; i < sends_.size();) {
    if (sends_[i].serial > serial) {
      ++i;
      continue;
    }
    const auto done = std::move(sends_[i].done);
    sends_.erase(sends_.begin() + static_cast<std::ptrdiff_t>(i));
    done(written);
  }
}

void LinkDriver::carry_out(const link::Outcome& outcome) { hooks_.outcome(outcome); }

void LinkDriver::carry_out(const link::Missed& missed) { hooks_.missed(missed); }

void LinkDriver::carry_out(const link::Deliver& deliver) { hooks_.deliver(deliver.delivery); }

void LinkDriver::carry_out(const link::Report& report) {
  link::Report told = report;
  if (told.why == link::Why::kTlsFailed && told.detail.empty()) told.detail = tls_detail_;
  hooks_.report(told, io::now());
}

}  // namespace wakeline::app
