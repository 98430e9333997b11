// SPDX-License-Identifier: Apache-2.0
#include "host/connection.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "host/text.h"
#include "io/clock.h"
#include "linux/proc.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using wire::host::Message;
using wire::host::Reply;

constexpr base::Duration kPauseLeast = std::chrono::milliseconds(100);

bool has_ended(int pidfd) {
  pollfd wait{pidfd, POLLIN, 0};
  return ::poll(&wait, 1, 0) > 0;
}

/// A pidfd of the process that connected. Errors: kNotFound (it has ended).
base::Result<std::shared_ptr<const sys::Process>> open_peer(pid_t pid) {
  const auto stat = sys::read_proc_stat(pid);
  if (!stat) return base::fail(stat.error());
  auto pidfd = sys::open_pidfd(stat->key);
  if (!pidfd) return base::fail(pidfd.error());
  return std::make_shared<const sys::Process>(sys::Process{pid, std::move(*pidfd)});
}

/// The request number of any message that a client may send; 0 for others.
wire::host::RequestId request_of(const Message& message) {
  return std::visit(
      [](const auto& value) -> wire::host::RequestId {
        if constexpr (requires { value.request; }) return value.request;
        return 0;
      },
      message);
}

}  // namespace

Connection::Connection(std::unique_ptr<io::Seqpacket> socket, const ConnectionParts& parts,
                       std::uint64_t number, doze::AppId owner)
    : socket_(std::move(socket)), parts_(parts), number_(number), owner_(owner) {}

Connection::~Connection() {
  if (follower_ != 0) parts_.ledger.unfollow(follower_);
  if (control_) parts_.runs.forget(number_);
  if (app_ != nullptr && app_->sink == this) app_->sink = nullptr;
}

void Connection::start() {
  socket_->hold_reading_while_sending();
  socket_->start(
      wire::host::kMessageMax,
      [this](std::string_view datagram, Fds fds) { on_message(datagram, std::move(fds)); },
      [this](base::Error) { end(); });
}

void Connection::send(const Message& message) {
  if (!socket_) return;
  auto text = wire::host::encode(message);
  if (!text) {
    base::log(base::LogLevel::kError, "host", "a message over the limit was not sent");
    return;
  }
  socket_->send(std::move(*text));
}

void Connection::end() {
  if (!socket_) return;
  socket_.reset();
  pause_.reset();
  if (control_) parts_.runs.forget(number_);
  if (follower_ != 0) parts_.ledger.unfollow(std::exchange(follower_, 0));
  if (app_ != nullptr) {
    AppRecord* app = std::exchange(app_, nullptr);
    if (app->sink == this) parts_.driver.disconnected(*app);
  }
  parts_.on_end(number_);
}

void Connection::refuse(wire::host::RequestId request, ErrorCode code, std::string_view message) {
  send(Reply{request, code, shortened(message, wire::host::kDetailMax), 0});
  end();
}

void Connection::fault(wire::host::RequestId request, ErrorCode code, std::string_view message) {
  send(Reply{request, code, shortened(message, wire::host::kDetailMax), 0});
  if (++faults_ <= kFaultsMax) return;
  base::log(base::LogLevel::kWarning, "host", "process {}: too many faulty messages; disconnected",
            socket_->peer().pid);
  end();
}

/// Too many messages: the next one is read when its time has come.
void Connection::slow_down() {
  const base::Duration wait = rate_.too_early(io::now(), kMessageInterval, kMessagesBurst);
  if (wait == base::Duration::zero() || !socket_) return;
  auto timer = io::DeadlineTimer::create(parts_.loop, io::TimerKind::kBoottime, [this] {
    pause_.reset();
    socket_->set_reading(true);
  });
  if (!timer) return end();
  socket_->set_reading(false);
  pause_ = std::move(*timer);
  // Some at once rather than a timer for each.
  pause_->set(io::now() + std::max(wait, kPauseLeast));
}

void Connection::on_message(std::string_view datagram, Fds fds) {
  std::ignore = rate_.take(io::now(), kMessageInterval, kMessagesBurst);
  handle(datagram, std::move(fds));
  slow_down();
}

void Connection::handle(std::string_view datagram, Fds fds) {
  const auto message = wire::host::decode(datagram);
  if (!message) {
    const auto& error = message.error();
    const std::string field = error.field.empty() ? "" : error.field + ": ";
    return fault(error.request, error.code, field + error.message);
  }
  if (const auto* hello = std::get_if<wire::host::Hello>(&*message)) return on_hello(*hello);
  if (app_ != nullptr) return on_app_message(*message, std::move(fds));
  if (control_) return on_control_message(*message, std::move(fds));
  fault(request_of(*message), ErrorCode::kUnauthorized, "type: 'hello' comes first");
}

void Connection::on_hello(const wire::host::Hello& hello) {
  if (app_ != nullptr || control_) {
    return fault(hello.request, ErrorCode::kAlreadyExists, "type: 'hello' was said before");
  }
  const io::PeerCredentials& credentials = socket_->peer();
  if (credentials.uid != ::geteuid() && credentials.uid != 0) {
    return refuse(hello.request, ErrorCode::kPermission, "this host serves another user");
  }
  auto peer = open_peer(credentials.pid);
  if (!peer) return refuse(hello.request, ErrorCode::kPermission, base::to_string(peer.error()));
  peer_ = std::move(*peer);
  if (hello.role == "app") return welcome_app(hello);
  control_ = true;
  wire::host::Welcome answer = welcome(hello.request);
  // A path that fits no message is one that the client must be told by its user.
  const auto fitting = [](const std::string& path) {
    return path.size() <= wire::host::kPathMax ? path : std::string();
  };
  answer.state_folder = fitting(parts_.controls.state_folder());
  answer.apps_folder = fitting(parts_.controls.apps_folder());
  send(answer);
}

void Connection::welcome_app(const wire::host::Hello& hello) {
  const auto id = parts_.freezer.app_of(peer_->pid);
  AppRecord* app = id ? parts_.driver.find(*id) : nullptr;
  // The pidfd was open before the process was looked up: if it lives, it is the one we found.
  if (app == nullptr || !app->process->running() || has_ended(peer_->pidfd.get())) {
    base::log(base::LogLevel::kWarning, "host", "process {} is no app of this host; refused",
              peer_->pid);
    return refuse(hello.request, ErrorCode::kPermission,
                  "process " + std::to_string(peer_->pid) +
                      " is no app of this host; launch it with its manifest");
  }
  // One connection an app: a new one of the same process follows a lost one, another process of
  // the app must not take it over.
  if (app->sink != nullptr) {
    auto* former = static_cast<Connection*>(app->sink);
    if (former->peer_->pid != peer_->pid && !has_ended(former->peer_->pidfd.get())) {
      return refuse(
          hello.request, ErrorCode::kBusy,
          "process " + std::to_string(former->peer_->pid) + " of this app is connected already");
    }
    former->end();
  }
  app_ = app;
  app->sink = this;
  wire::host::Welcome answer = welcome(hello.request);
  answer.app = app->manifest.id;
  answer.launch_reason = app->launch_reason;
  answer.state = parts_.driver.machine().state(app->id);
  send(answer);
  app->network_untold = true;
  app->call_untold = parts_.driver.call_state() != wire::host::CallState::kEnded;
  parts_.driver.tell_surroundings(*app);
  for (const auto& activation : std::exchange(app->undelivered, {})) send(activation);
}

wire::host::Welcome Connection::welcome(wire::host::RequestId request) const {
  const doze::Profile& profile = parts_.driver.machine().profile();
  const auto ms = [](base::Duration span) {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(span).count());
  };
  wire::host::Welcome welcome;
  welcome.request = request;
  welcome.profile = profile.name;
  welcome.wake_window_ms = ms(profile.wake_window);
  welcome.keep_alive_min_s = static_cast<std::uint32_t>(
      std::chrono::ceil<std::chrono::seconds>(profile.keep_alive_min).count());
  welcome.task_pool_ms = ms(profile.task_pool);
  return welcome;
}

void Connection::on_app_message(const Message& message, Fds fds) {
  AppRequests requests(parts_.driver, parts_.notices, *app_, peer_);
  std::optional<Reply> reply;
  std::visit(
      [&](const auto& value) {
        if constexpr (requires { requests.handle(value, std::move(fds)); }) {
          reply = requests.handle(value, std::move(fds));
        } else if constexpr (requires { requests.handle(value); }) {
          reply = requests.handle(value);
        }
      },
      message);
  if (!reply) {
    return fault(request_of(message), ErrorCode::kPermission, "type: not for the role 'app'");
  }
  send(*reply);
}

void Connection::on_control_message(const Message& message, Fds fds) {
  const auto tell_end = [this](const wire::host::Ended& ended) { send(ended); };
  if (const auto* control = std::get_if<wire::host::Control>(&message)) {
    send(parts_.controls.handle(*control));
  } else if (const auto* list = std::get_if<wire::host::List>(&message)) {
    for (const auto& part : parts_.controls.handle(*list)) send(part);
  } else if (const auto* wanted = std::get_if<wire::host::Follow>(&message)) {
    follow(*wanted);
  } else if (const auto* run = std::get_if<wire::host::Run>(&message)) {
    send(parts_.runs.run(*run, std::move(fds), number_, tell_end));
  } else if (const auto* awaited = std::get_if<wire::host::Await>(&message)) {
    send(parts_.runs.await(*awaited, number_, tell_end));
  } else if (const auto* signal = std::get_if<wire::host::Signal>(&message)) {
    send(parts_.runs.signal(*signal));
  } else if (const auto* reload = std::get_if<wire::host::Reload>(&message)) {
    send(parts_.controls.handle(*reload));
  } else {
    fault(request_of(message), ErrorCode::kPermission, "type: not for the role 'control'");
  }
}

void Connection::follow(const wire::host::Follow& follow) {
  if (follower_ != 0) {
    return fault(follow.request, ErrorCode::kAlreadyExists, "type: 'follow' was said before");
  }
  const auto backlog = parts_.ledger.newest(follow.backlog);
  if (!backlog) {
    return fault(follow.request, backlog.error().code, base::to_string(backlog.error()));
  }
  send(Reply{follow.request, ErrorCode::kOk, {}, 0});
  for (const LedgerLine& line : *backlog) send(line);
  follower_ = parts_.ledger.follow([this](const LedgerLine& line) { send(line); });
}

}  // namespace wakeline::host
