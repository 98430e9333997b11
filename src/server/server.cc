// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/log.h"
#include "io/clock.h"
#include "io/deadline_timer.h"
#include "io/file.h"
#include "io/loop.h"
#include "io/signals.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/unique_fd.h"
#include "server/config.h"
#include "server/data_folder.h"
#include "server/http_service.h"
#include "server/listening_ports.h"
#include "server/mqtt_front.h"
#include "server/push_desk.h"
#include "server/start_check.h"
#include "server/successor.h"
#include "server/upgrade.h"

namespace wakeline::server {

using base::ErrorCode;
using base::LogLevel;

namespace {

/// A descriptor for each device: as many as we may have. The soft limit is for programs that use
/// select(2).
void raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0)
    base::log(LogLevel::kWarning, "server", "{}",
              base::to_string(base::os_error("setrlimit", errno)));
}

/// One server a folder: two would each think that it knows what the other's devices have.
Outcome<io::UniqueFd> lock_folder(const DataFolder& folder) {
  io::UniqueFd fd(::open(folder.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return failure(folder.lock(), base::os_error("open", errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK)
    return failure(folder.lock(), base::Error{ErrorCode::kBusy, "another server runs here"});
  return failure(folder.lock(), base::os_error("flock", errno));
}

class RealServer : public Server {
 public:
  explicit RealServer(ServerOptions options)
      : options_(std::move(options)),
        timers_([this](base::Instant at) {
          if (timer_) timer_->set(at);
        }),
        guard_(options_.limits) {}
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;
  ~RealServer() override = default;

  Outcome<void> prepare();
  const FirstStart& first_start() const override { return first_start_; }
  Outcome<void> run() override;
  void stop() override {
    loop_.post([this] { begin_stop(); });
  }

 private:
  Outcome<void> open_store(const DataFolder& folder);
  Outcome<void> make_parts();
  Outcome<void> open_ports();
  Outcome<void> listen();
  Outcome<void> take_devices();
  Outcome<void> open_ports_beside(const DataFolder& folder);
  Outcome<void> claim(const DataFolder& folder);
  Outcome<void> serve();
  void open_control();
  void start_successor() const;
  void begin_upgrade(io::UniqueFd channel);
  void settle_store();
  void pass_on(std::vector<FrozenDevice> devices);
  Outcome<void> go_on(std::vector<FrozenDevice> devices);
  io::Listener::OnAccept on_accept(PortKind kind);
  void begin_stop();
  void reload();
  void renew_certificates();

  ServerOptions options_;
  FirstStart first_start_;
  io::UniqueFd lock_;
  io::Loop loop_;
  std::unique_ptr<io::DeadlineTimer> timer_;
  TimerQueue timers_;
  std::shared_ptr<io::TlsContext> tls_;
  std::vector<Inheritance::Port> opened_;   ///< to be listened at
  std::vector<io::UniqueFd> device_ports_;  ///< outlive the shards
  std::vector<DevicePort> ports_of_devices_;
  LoginGuard guard_;
  std::optional<ApnsSigner> apns_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<MqttFront> mqtt_;
  std::unique_ptr<PushDesk> desk_;
  std::unique_ptr<HttpService> http_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  ListeningPorts sockets_;
  std::unique_ptr<Control> control_;
  std::optional<Claimed> claimed_;     ///< from the process before
  std::unique_ptr<MqttFront> former_;  ///< holds the lines until they are handed over
  io::UniqueFd upgrade_channel_;       ///< to the process that takes over
  std::unique_ptr<io::Signals> signals_;
  std::unique_ptr<io::Signals> upgrade_signal_;
  std::unique_ptr<io::Signals> reload_signal_;
  Ports ports_;
  std::optional<Failure> failure_;  ///< why it ended
  bool stopping_ = false;
};

Outcome<void> RealServer::prepare() {
  if (auto checked = check_start(options_); !checked) return checked;
  io::ignore_sigpipe();
  raise_file_limit();
  if (options_.limits.file_tables) {
    if (auto set = store::lock_by_open_file(); !set) return failure("file tables", set.error());
  }
  const DataFolder folder(options_.data_folder);
  if (auto made = io::make_folder(options_.data_folder); !made)
    return failure(options_.data_folder, made.error());
  if (!options_.take_over) {
    auto lock = lock_folder(folder);
    if (!lock) return std::unexpected(lock.error());
    lock_ = std::move(*lock);
  }
  const auto certificate = prepare_certificate(options_.data_folder, options_.names);
  if (!certificate) return std::unexpected(certificate.error());
  first_start_.certificate = *certificate;
  auto timer = io::DeadlineTimer::create(loop_, io::TimerKind::kBoottime,
                                         [this] { timers_.fire(io::now()); });
  if (!timer) return failure("timer", timer.error());
  timer_ = std::move(*timer);
  auto tls = read_certificates(options_);
  if (!tls) return std::unexpected(tls.error());
  tls_ = std::move(*tls);
  auto apns = prepare_fallback(options_.fallback);
  if (!apns) return std::unexpected(apns.error());
  apns_ = std::move(*apns);
  if (options_.take_over) {
    if (auto checked = check_store(options_.data_folder); !checked) return checked;
    if (auto opened = open_ports_beside(folder); !opened) return opened;
  }
  // From here on a process before us has stopped, and TLS lines are gone: what can be wrong is
  // found out before.
  if (auto claimed = claim(folder); !claimed) return claimed;
  auto token = prepare_store(options_.data_folder);
  if (!token) return std::unexpected(token.error());
  first_start_.admin_token = std::move(*token);
  if (auto opened = open_store(folder); !opened) return opened;
  if (auto made = make_parts(); !made) return made;
  if (opened_.empty()) {
    if (auto opened = open_ports(); !opened) return opened;
  }
  if (auto listening = listen(); !listening) return listening;
  return claimed_ ? take_devices() : Outcome<void>{};
}

Outcome<void> RealServer::take_devices() {
  sockets_.close_inherited();
  const auto taken = mqtt_->take_over([this] { return next_device(*claimed_); });
  if (!taken) return failure("upgrade", taken.error());
  return {};
}

/// While the other server serves on: whether our ports are to be had.
Outcome<void> RealServer::open_ports_beside(const DataFolder& folder) {
  auto theirs = ask_for_ports(folder.control());
  // One of an older version says nothing; then they are opened when it has stopped.
  if (!theirs && theirs.error().code == ErrorCode::kClosed) return {};
  if (!theirs) return failure("upgrade", theirs.error());
  sockets_.inherit(std::move(*theirs));
  return open_ports();
}

/// The data folder for ourselves alone, where another server runs on it.
Outcome<void> RealServer::claim(const DataFolder& folder) {
  if (!options_.take_over) return {};  // we have its lock
  auto claimed = claim_inheritance(folder.control());
  if (!claimed) return failure("upgrade", claimed.error());
  claimed_ = std::move(*claimed);
  lock_ = std::move(claimed_->inheritance.lock);
  // Where they were asked for, these are the same ones again.
  auto theirs = std::exchange(claimed_->inheritance.ports, {});
  if (opened_.empty()) sockets_.inherit(std::move(theirs));
  return {};
}

Outcome<void> RealServer::open_store(const DataFolder& folder) {
  auto store =
      store::Store::open({.path = folder.store(),
                          .queue_max = options_.limits.queue_max,
                          .pages_max = options_.limits.store_pages_max,
                          .synced = options_.durable},
                         [this](std::function<void()> task) { loop_.post(std::move(task)); });
  if (!store) return failure(folder.store(), store.error());
  store_ = std::move(*store);
  return {};
}

Outcome<void> RealServer::make_parts() {
  auto mqtt = MqttFront::create({.store = *store_,
                                 .guard = guard_,
                                 .on_denied =
                                     [this](DeniedLogin login) {
                                       loop_.post([this, login = std::move(login)] {
                                         if (http_) http_->on_denied(login);
                                       });
                                     },
                                 .gone_after = options_.fallback.after},
                                options_.spread, options_.limits);
  if (!mqtt) return failure("shards", mqtt.error());
  mqtt_ = std::move(*mqtt);
  desk_ = std::make_unique<PushDesk>(timers_, *store_, *mqtt_);
  auto http = HttpService::create({.loop = loop_,
                                   .timers = timers_,
                                   .store = *store_,
                                   .devices = *mqtt_,
                                   .desk = *desk_,
                                   .guard = guard_,
                                   .apns = *apns_,
                                   .options = options_});
  if (!http) return failure(DataFolder(options_.data_folder).store(), http.error());
  http_ = std::move(*http);
  return {};
}

Outcome<void> RealServer::open_ports() {
  auto opened = sockets_.open(options_);
  if (!opened) return std::unexpected(opened.error());
  opened_ = std::move(*opened);
  return {};
}

/// At the ports that were opened.
Outcome<void> RealServer::listen() {
  for (auto& [kind, fd] : std::exchange(opened_, {})) {
    const std::uint16_t port = io::port_of(fd.get());
    port_of(ports_, kind) = port;
    if (kind == PortKind::kMqtt || kind == PortKind::kMqtts) {
      ports_of_devices_.push_back({fd.get(), kind == PortKind::kMqtts ? tls_ : nullptr});
      device_ports_.push_back(std::move(fd));
      continue;
    }
    auto listener = io::Listener::adopt(loop_, std::move(fd), on_accept(kind));
    if (!listener) return failure(fmt::format("port {}", port), listener.error());
    listeners_.push_back(std::move(*listener));
  }
  return {};
}

io::Listener::OnAccept RealServer::on_accept(PortKind kind) {
  if (kind == PortKind::kOperators)
    return [this](io::UniqueFd socket) { http_->accept_operator(std::move(socket)); };
  return [this, tls = kind == PortKind::kHttps](io::UniqueFd socket) {
    http_->accept(std::move(socket), tls ? tls_ : nullptr);
  };
}

Outcome<void> RealServer::run() {
  signals_ = io::Signals::create(loop_, {SIGTERM, SIGINT}, [this](int) { begin_stop(); });
  reload_signal_ = io::Signals::create(loop_, {SIGUSR1}, [this](int) { reload(); });
  upgrade_signal_ = io::Signals::create(loop_, {SIGHUP}, [this](int) { start_successor(); });
  if (auto served = serve(); !served) {
    mqtt_->freeze([](const std::vector<FrozenDevice>&) {});  // they are the other process's
    return served;
  }
  base::log(LogLevel::kInfo, "server", "ready: mqtt {}, mqtts {}, http {}, https {}", ports_.mqtt,
            ports_.mqtts, ports_.http, ports_.https);
  if (!options_.durable)
    base::log(LogLevel::kWarning, "server",
              "push.durable is off: answers do not wait for the disk");
  if (options_.on_ready) loop_.post([this] { options_.on_ready(ports_); });
  loop_.run();
  if (failure_) return std::unexpected(*failure_);
  return {};
}

/// Where a process before us has waited too long it goes on, and we must not.
Outcome<void> RealServer::serve() {
  if (claimed_) {
    if (const auto said = say_taken(claimed_->channel.get()); !said)
      return failure("upgrade", said.error());
    claimed_.reset();
  }
  mqtt_->start(ports_of_devices_);
  open_control();
  return {};
}

void RealServer::open_control() {
  auto control = Control::open(
      loop_, DataFolder(options_.data_folder).control(),
      {.on_ports_asked =
           [this](const io::UniqueFd& channel) {
             if (const auto shown = show_ports(channel.get(), sockets_.held()); !shown)
               base::log(LogLevel::kError, "server", "{}", base::to_string(shown.error()));
           },
       .on_upgrade = [this](io::UniqueFd channel) { begin_upgrade(std::move(channel)); },
       .on_changed =
           [this](const std::string& device) {
             mqtt_->look_again(device);
             http_->look_again();  // what waited for a removed device has receipts
           }});
  if (!control) {
    base::log(LogLevel::kError, "server", "control: {}", base::to_string(control.error()));
    return;
  }
  control_ = std::move(*control);
}

/// SIGHUP: our program as it is on the disk now, which asks us for everything.
void RealServer::start_successor() const {
  if (options_.successor.empty()) return;
  const auto pid = server::start_successor(options_.successor);
  if (!pid) return base::log(LogLevel::kError, "server", "{}", base::to_string(pid.error()));
  base::log(LogLevel::kInfo, "server", "started the process {} to take over", *pid);
}

/// Step by step, as each needs the one before: no more requests, no more bytes of devices, nothing
/// under way in the store; then the sessions as they stand.
void RealServer::begin_upgrade(io::UniqueFd channel) {
  if (stopping_ || upgrade_channel_) return;  // the other side sees it close
  upgrade_channel_ = std::move(channel);
  base::log(LogLevel::kInfo, "server", "handing over");
  listeners_.clear();
  loop_.post([this] { control_.reset(); });  // it is calling us
  http_->stop([this] { mqtt_->pause([this] { loop_.post([this] { settle_store(); }); }); });
}

void RealServer::settle_store() {
  const auto asked =
      store_->run([](store::Database&) { return base::Result<void>(); },
                  [this](const base::Result<void>&) {
                    mqtt_->freeze([this](std::vector<FrozenDevice> devices) {
                      auto kept = std::make_shared<std::vector<FrozenDevice>>(std::move(devices));
                      loop_.post([this, kept] { pass_on(std::move(*kept)); });
                    });
                  });
  if (!asked) loop_.post([this] { settle_store(); });  // it is busy, and will not be for long
}

void RealServer::pass_on(std::vector<FrozenDevice> devices) {
  http_.reset();
  desk_.reset();
  if (options_.limits.file_tables) {
    former_ = std::move(mqtt_);  // each shard has its lines in a table of its own
    former_->forget_store();
    former_->send_lines();
  }
  mqtt_.reset();
  store_.reset();
  Inheritance all{.lock = std::move(lock_), .ports = sockets_.pass_on(), .devices = {}};
  all.devices = std::move(devices);
  const auto handed = hand_over(upgrade_channel_.get(), all, [this](const FrozenDevice& device) {
    return former_->fetch_line(device);
  });
  const pid_t heir = process_at(upgrade_channel_.get());
  upgrade_channel_.reset();
  if (handed) {
    base::log(LogLevel::kInfo, "server", "handed over {} sessions", all.devices.size());
    former_.reset();
    if (options_.on_handed_over && heir > 0) options_.on_handed_over(heir);
    stopping_ = true;
    timer_.reset();
    signals_.reset();
    upgrade_signal_.reset();
    reload_signal_.reset();
    return;
  }
  base::log(LogLevel::kError, "server", "not handed over, going on: {}",
            base::to_string(handed.error()));
  lock_ = std::move(all.lock);
  sockets_.inherit(std::move(all.ports));
  if (auto went_on = go_on(std::move(all.devices)); !went_on) {
    failure_ = std::move(went_on.error());
    loop_.stop();
  }
}

/// After a handover that failed: from what we still hold.
Outcome<void> RealServer::go_on(std::vector<FrozenDevice> devices) {
  device_ports_.clear();
  ports_of_devices_.clear();
  if (auto opened = open_store(DataFolder(options_.data_folder)); !opened) return opened;
  if (auto made = make_parts(); !made) return made;
  if (auto opened = open_ports(); !opened) return opened;
  if (auto listening = listen(); !listening) return listening;
  sockets_.close_inherited();
  if (former_) former_->send_lines();
  const auto taken = mqtt_->take_over(
      [this, next = devices.begin(),
       end = devices.end()]() mutable -> base::Result<std::optional<FrozenDevice>> {
        if (next == end) return std::nullopt;
        FrozenDevice& device = *next++;
        if (device.elsewhere) {
          auto line = former_->fetch_line(device);
          if (!line) return base::fail(line.error());
          device.line.fd = std::move(*line);
        }
        return std::optional(std::move(device));
      });
  former_.reset();
  if (!taken) return failure("lines", taken.error());
  return serve();
}

/// Takes over what a running server can, and names what it cannot.
void RealServer::reload() {
  if (!options_.reload || !http_) return;
  const auto wanted = options_.reload();
  if (!wanted) {
    return base::log(LogLevel::kError, "server", "the configuration stays as it was: {}",
                     wanted.error());
  }
  take_live(options_, *wanted);
  base::set_log_level(options_.log_level);
  http_->set_limits(options_.limits);
  guard_.set_limits(options_.limits);
  renew_certificates();
  const std::string others = need_restart(options_, *wanted);
  base::log(LogLevel::kInfo, "server", "the configuration was read anew{}{}",
            others.empty() ? "" : "; after a restart: ", others);
}

/// For connections that come from now on: a certificate is renewed long before it is out of date.
void RealServer::renew_certificates() {
  auto tls = read_certificates(options_);
  if (!tls) {
    return base::log(LogLevel::kError, "server", "the certificates stay as they were: {}",
                     to_string(tls.error()));
  }
  tls_ = std::move(*tls);
  for (DevicePort& port : ports_of_devices_) {
    if (port.tls) port.tls = tls_;
  }
  mqtt_->set_tls(tls_);
}

void RealServer::begin_stop() {
  if (stopping_) return loop_.stop();  // asked twice: at once
  stopping_ = true;
  base::log(LogLevel::kInfo, "server", "stopping");
  listeners_.clear();
  control_.reset();
  if (mqtt_) mqtt_->stop();
  // Every request under way gets its answer. Then nothing keeps the loop running but streams that
  // send their last words, which io bounds.
  http_->stop([this] {
    timer_.reset();
    signals_.reset();
    upgrade_signal_.reset();
    reload_signal_.reset();
  });
}

}  // namespace

Outcome<std::unique_ptr<Server>> Server::create(ServerOptions options) {
  auto server = std::make_unique<RealServer>(std::move(options));
  if (auto prepared = server->prepare(); !prepared) return std::unexpected(prepared.error());
  return server;
}

}  // namespace wakeline::server
