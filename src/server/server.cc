// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "base/log.h"
#include "io/clock.h"
#include "io/deadline_timer.h"
#include "io/loop.h"
#include "io/signals.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/unique_fd.h"
#include "server/data_folder.h"
#include "server/http_service.h"
#include "server/mqtt_front.h"
#include "server/push_desk.h"

namespace wakeline::server {

using base::ErrorCode;
using base::LogLevel;

namespace {

using Socket = boost::asio::ip::tcp::socket;
using OnAccept = std::function<void(Socket)>;

std::unexpected<Failure> failure(std::string what, base::Error error) {
  return std::unexpected(Failure{std::move(what), error});
}

bool is_loopback(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  return !error && parsed.is_loopback();
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
      : options_(std::move(options)), timers_([this](base::Instant at) {
          if (timer_) timer_->set(at);
        }) {}
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;
  ~RealServer() override = default;

  Outcome<void> prepare();
  const FirstStart& first_start() const override { return first_start_; }
  void run() override;
  void stop() override {
    loop_.post([this] { begin_stop(); });
  }

 private:
  Outcome<void> open_store(const DataFolder& folder);
  Outcome<void> make_parts();
  Outcome<void> open_ports();
  Outcome<std::uint16_t> listen_for_devices(const std::optional<Endpoint>& at, bool tls);
  Outcome<void> check_plain(const Endpoint& at, bool tls) const;
  Outcome<std::uint16_t> listen(const std::optional<Endpoint>& at, bool tls, OnAccept on_accept);
  void begin_stop();

  ServerOptions options_;
  FirstStart first_start_;
  io::UniqueFd lock_;
  io::Loop loop_;
  std::unique_ptr<io::DeadlineTimer> timer_;
  TimerQueue timers_;
  std::shared_ptr<io::TlsContext> tls_;
  std::vector<io::UniqueFd> device_ports_;  ///< outlive the shards
  std::vector<DevicePort> ports_of_devices_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<MqttFront> mqtt_;
  std::unique_ptr<PushDesk> desk_;
  std::unique_ptr<HttpService> http_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::unique_ptr<io::Signals> signals_;
  Ports ports_;
  bool stopping_ = false;
};

Outcome<void> RealServer::prepare() {
  io::ignore_sigpipe();
  const DataFolder folder(options_.data_folder);
  auto first_start = prepare_data_folder(options_.data_folder, options_.names);
  if (!first_start) return std::unexpected(first_start.error());
  first_start_ = std::move(*first_start);
  auto lock = lock_folder(folder);
  if (!lock) return std::unexpected(lock.error());
  lock_ = std::move(*lock);
  auto timer = io::DeadlineTimer::create(loop_, io::TimerKind::kBoottime,
                                         [this] { timers_.fire(io::now()); });
  if (!timer) return failure("timer", timer.error());
  timer_ = std::move(*timer);
  auto tls = io::TlsContext::server(folder.certificate(), folder.key(), options_.client_ca_file);
  if (!tls) return failure(folder.certificate(), tls.error());
  tls_ = std::move(*tls);
  if (auto opened = open_store(folder); !opened) return opened;
  if (auto made = make_parts(); !made) return made;
  return open_ports();
}

Outcome<void> RealServer::open_store(const DataFolder& folder) {
  auto store =
      store::Store::open({.path = folder.store(),
                          .queue_max = options_.limits.queue_max,
                          .pages_max = options_.limits.store_pages_max},
                         [this](std::function<void()> task) { loop_.post(std::move(task)); });
  if (!store) return failure(folder.store(), store.error());
  store_ = std::move(*store);
  return {};
}

Outcome<void> RealServer::make_parts() {
  auto mqtt = MqttFront::create(*store_, options_.spread, options_.limits);
  if (!mqtt) return failure("shards", mqtt.error());
  mqtt_ = std::move(*mqtt);
  desk_ = std::make_unique<PushDesk>(timers_, *store_, *mqtt_);
  auto http = HttpService::create({.loop = loop_,
                                   .timers = timers_,
                                   .store = *store_,
                                   .devices = *mqtt_,
                                   .desk = *desk_,
                                   .options = options_});
  if (!http) return failure(DataFolder(options_.data_folder).store(), http.error());
  http_ = std::move(*http);
  return {};
}

Outcome<void> RealServer::open_ports() {
  const struct {
    const std::optional<Endpoint>& at;
    bool tls;
    bool http;
    std::uint16_t& port;
  } rows[] = {{options_.mqtt, false, false, ports_.mqtt},
              {options_.mqtts, true, false, ports_.mqtts},
              {options_.http, false, true, ports_.http},
              {options_.https, true, true, ports_.https}};
  for (const auto& row : rows) {
    const auto tls = row.tls ? tls_ : nullptr;
    const auto port =
        row.http ? listen(row.at, row.tls,
                          [this, tls](Socket socket) { http_->accept(std::move(socket), tls); })
                 : listen_for_devices(row.at, row.tls);
    if (!port) return std::unexpected(port.error());
    row.port = *port;
  }
  const auto port = listen(options_.operators, false,
                           [this](Socket socket) { http_->accept_operator(std::move(socket)); });
  if (!port) return std::unexpected(port.error());
  ports_.operators = *port;
  return {};
}

Outcome<void> RealServer::check_plain(const Endpoint& at, bool tls) const {
  if (tls || options_.plain_off_loopback || is_loopback(at.address)) return {};
  return failure(to_string(at), base::Error{ErrorCode::kPermission, "plain text off loopback"});
}

Outcome<std::uint16_t> RealServer::listen_for_devices(const std::optional<Endpoint>& at, bool tls) {
  if (!at) return 0;
  if (auto checked = check_plain(*at, tls); !checked) return std::unexpected(checked.error());
  auto fd = io::listen_tcp(at->address, at->port);
  if (!fd) return failure(to_string(*at), fd.error());
  const std::uint16_t port = io::port_of(fd->get());
  ports_of_devices_.push_back({fd->get(), tls ? tls_ : nullptr});
  device_ports_.push_back(std::move(*fd));
  return port;
}

/// Returns: the port; 0 when it was not asked for.
Outcome<std::uint16_t> RealServer::listen(const std::optional<Endpoint>& at, bool tls,
                                          OnAccept on_accept) {
  if (!at) return 0;
  if (auto checked = check_plain(*at, tls); !checked) return std::unexpected(checked.error());
  auto listener = io::Listener::open(loop_, at->address, at->port, std::move(on_accept));
  if (!listener) return failure(to_string(*at), listener.error());
  listeners_.push_back(std::move(*listener));
  return listeners_.back()->port();
}

void RealServer::run() {
  signals_ = io::Signals::create(loop_, {SIGTERM, SIGINT}, [this](int) { begin_stop(); });
  base::log(LogLevel::kInfo, "server", "ready: mqtt {}, mqtts {}, http {}, https {}", ports_.mqtt,
            ports_.mqtts, ports_.http, ports_.https);
  mqtt_->start(ports_of_devices_);
  if (options_.on_ready) loop_.post([this] { options_.on_ready(ports_); });
  loop_.run();
}

void RealServer::begin_stop() {
  if (stopping_) return loop_.stop();  // asked twice: at once
  stopping_ = true;
  base::log(LogLevel::kInfo, "server", "stopping");
  listeners_.clear();
  mqtt_->stop();
  // Every request under way gets its answer. Then nothing keeps the loop running but streams that
  // send their last words, which io bounds.
  http_->stop([this] {
    timer_.reset();
    signals_.reset();
  });
}

}  // namespace

Outcome<std::unique_ptr<Server>> Server::create(ServerOptions options) {
  auto server = std::make_unique<RealServer>(std::move(options));
  if (auto prepared = server->prepare(); !prepared) return std::unexpected(prepared.error());
  return server;
}

}  // namespace wakeline::server
