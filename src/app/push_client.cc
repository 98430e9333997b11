// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <wakeline/push_client.h>

#include <mutex>
#include <utility>

#include "app/core.h"
#include "app/errors.h"
#include "app/handler.h"
#include "app/link_driver.h"
#include "app/push_files.h"
#include "base/log.h"
#include "core/link/outbox.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/web_push_keys.h"
#include "wire/push.h"

namespace wakeline {

namespace app {

/// What a PushClient is. `inbox` is shared with the handlers that wait in the dispatcher, so that
/// they find out when the client is gone.
class PushCore {
 public:
  struct Inbox {
    /// Held while a handler runs, and to close: recursive, as a handler may destroy its client.
    std::recursive_mutex delivering;
    bool closed = false;  // under delivering
    std::mutex mutex;
    std::function<void(const Push&)> on_push;         // under mutex
    std::function<void(const LinkStatus&)> on_state;  // under mutex
    std::function<void(const Missed&)> on_missed;     // under mutex
    std::function<void(const Outcome&)> on_outcome;   // under mutex
    LinkStatus status;                                // under mutex

    template <class Handler>
    void set(Handler Inbox::* which, Handler handler) {
      handler = shared(std::move(handler));
      const std::lock_guard lock(mutex);
      std::swap(this->*which, handler);  // the former one is destroyed without the lock
    }
  };

  static Result<std::unique_ptr<PushCore>> create(std::shared_ptr<Core> core,
                                                  const PushClient::Options& options);
  PushCore(const PushCore&) = delete;
  PushCore& operator=(const PushCore&) = delete;
  ~PushCore() {
    {
      const std::lock_guard delivering(inbox_->delivering);
      inbox_->closed = true;
    }
    call([this] { driver_.reset(); });
  }

  void call(std::function<void()> task) { core_->engine().call(std::move(task)); }
  void post(std::function<void(LinkDriver&)> task) {
    core_->engine().loop().post([task = std::move(task), driver = std::weak_ptr(driver_)] {
      if (const auto alive = driver.lock()) task(*alive);
    });
  }
  Core& core() { return *core_; }
  LinkDriver& driver() { return *driver_; }
  Inbox& inbox() { return *inbox_; }
  const io::WebPushKeys& keys() const { return keys_; }
  const std::string& device() const { return device_; }

 private:
  PushCore(std::shared_ptr<Core> core, io::WebPushKeys keys)
      : core_(std::move(core)), keys_(std::move(keys)) {}
  void deliver(const link::Delivery& delivery);
  void report(const link::Report& report, base::Instant now);
  void outcome(const link::Outcome& outcome);
  void missed(const link::Missed& missed);
  enum class Told : std::uint8_t { kGone, kNobody, kYes };
  /// Calls the handler that is set by then, if the client is there yet.
  template <class Handler, class Value>
  static Told tell(Inbox& inbox, Handler Inbox::* which, const Value& value) {
    Handler handler;  // destroyed without the locks
    const std::lock_guard delivering(inbox.delivering);
    if (inbox.closed) return Told::kGone;
    {
      const std::lock_guard lock(inbox.mutex);
      handler = inbox.*which;
    }
    if (!handler) return Told::kNobody;
    handler(value);
    return Told::kYes;
  }

  std::shared_ptr<Core> core_;
  const io::WebPushKeys keys_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  bool manual_accept_ = false;
  std::string device_;
  io::UniqueFd state_lock_;
  std::shared_ptr<LinkDriver> driver_;  // on the loop's thread
};

}  // namespace app

namespace {

using app::to_public;

bool is_loopback_name(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

/// Of 128 random bits.
std::string new_key() {
  return fmt::format("{:016x}{:016x}", io::random_seed(), io::random_seed());
}

Error invalid(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

Result<link::Config> make_config(const PushClient::Options& options) {
  link::Config config;
  config.host = options.host;
  config.port = options.port;
  config.device = options.device;
  config.token.assign(options.token.begin(), options.token.end());
  // The keep-alive handler is the clock, by a host or without one.
  config.ping_by_timer = false;
  if (const auto checked = link::check(config); !checked) return to_public(checked.error());
  if (!options.tls && !is_loopback_name(options.host)) {
    return invalid("tls may be off only for a loopback address, not for '" + options.host + "'");
  }
  return config;
}

Push to_public_push(const link::Delivery& delivery, const io::WebPushKeys& keys) {
  Push push;
  push.id = delivery.id.value;
  push.sequence = delivery.sequence;
  push.maybe_seen = delivery.duplicate;
  push.urgency = delivery.urgency;
  push.topic = delivery.topic;
  push.payload = base::as_text(delivery.payload);
  base::Bytes opened;
  if (delivery.encoding == wire::name(wire::BodyEncoding::kAes128gcm)) {
    auto text = keys.open(delivery.payload);
    push.sealing = text ? Sealing::kOpened : Sealing::kUnreadable;
    if (!text) {
      base::log(base::LogLevel::kWarning, "link", "a sealed push cannot be read: {}",
                base::to_string(text.error()));
      return push;
    }
    opened = std::move(*text);
    push.payload = base::as_text(opened);
  }
  // Anything else than our JSON is the app's own, in `payload`.
  const auto& readable = push.sealing == Sealing::kOpened ? opened : delivery.payload;
  if (auto content = wire::decode_push_content(readable)) {
    push.title = std::move(content->title);
    push.body = std::move(content->body);
    push.data = std::move(content->data);
  }
  return push;
}

}  // namespace

namespace app {

Result<std::unique_ptr<PushCore>> PushCore::create(std::shared_ptr<Core> core,
                                                   const PushClient::Options& options) {
  auto config = make_config(options);
  if (!config) return config.error();
  LinkDriver::Settings settings;
  settings.config = std::move(*config);
  if (options.tls) {
    auto tls = io::TlsContext::client(options.ca_file);
    if (!tls) return to_public(tls.error(), "ca_file " + options.ca_file);
    settings.tls = std::move(*tls);
  }
  settings.state_file =
      options.state_file.empty() ? default_state_file(options) : options.state_file;
  const auto slash = settings.state_file.find_last_of('/');
  if (slash != std::string::npos && slash > 0) {
    const std::string folder = settings.state_file.substr(0, slash);
    if (const auto made = io::make_folder(folder); !made) return to_public(made.error(), folder);
  }
  const std::string lock_file = settings.state_file + ".lock";
  auto lock = io::lock_file(lock_file);
  if (!lock && lock.error().code == base::ErrorCode::kBusy) {
    return Error{ErrorCode::kBusy, settings.state_file + " is in use by another push client"};
  }
  if (!lock) return to_public(lock.error(), lock_file);
  settings.outbox_file = settings.state_file + ".outbox";
  auto memory = read_memory(settings.state_file);
  if (!memory) return memory.error();
  auto outbox = read_outbox(settings.outbox_file);
  if (!outbox) return outbox.error();
  auto keys =
      read_keys(options.keys_file.empty() ? settings.state_file + ".keys" : options.keys_file);
  if (!keys) return keys.error();
  settings.memory = std::move(*memory);
  settings.outbox = std::move(outbox->messages);
  settings.outbox_wall = outbox->written.wall;

  std::unique_ptr<PushCore> made(new PushCore(std::move(core), *keys));
  made->state_lock_ = std::move(*lock);
  made->manual_accept_ = options.manual_accept;
  made->device_ = options.device;
  base::Result<void> created;
  made->call([&, raw = made.get()] {
    auto driver = LinkDriver::create(
        *raw->core_, std::move(settings),
        {.deliver = [raw](const link::Delivery& delivery) { raw->deliver(delivery); },
         .report = [raw](const link::Report& report,
                         base::Instant now) { raw->report(report, now); },
         .outcome = [raw](const link::Outcome& outcome) { raw->outcome(outcome); },
         .missed = [raw](const link::Missed& missed) { raw->missed(missed); }});
    if (driver) {
      raw->driver_ = std::move(*driver);
    } else {
      created = base::fail(driver.error());
    }
  });
  if (!created) return to_public(created.error());
  return made;
}

void PushCore::deliver(const link::Delivery& delivery) {
  core_->dispatcher().post([inbox = inbox_, push = to_public_push(delivery, keys_),
                            core = core_.get(), driver = std::weak_ptr(driver_),
                            manual = manual_accept_] {
    // What nobody wanted stays with the server until a run that does.
    if (tell(*inbox, &Inbox::on_push, push) != Told::kYes || manual) return;
    core->engine().loop().post([driver, id = push.id] {
      if (const auto alive = driver.lock()) alive->accept({id});
    });
  });
}

void PushCore::report(const link::Report& report, base::Instant now) {
  LinkStatus status;
  status.state = static_cast<LinkState>(report.state);
  status.why = link::name(report.why);
  status.detail = report.detail;
  if (report.state == link::State::kWaiting || report.state == link::State::kNoNetwork) {
    status.retry_in = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(report.until - now, base::Duration::zero()));
  }
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->status = status;
  }
  core_->dispatcher().post([inbox = inbox_, status] { tell(*inbox, &Inbox::on_state, status); });
}

void PushCore::outcome(const link::Outcome& outcome) {
  const Outcome told{outcome.key, static_cast<SendResult>(outcome.result), outcome.maybe_received,
                     outcome.detail};
  core_->dispatcher().post([inbox = inbox_, told, number = outcome.number, core = core_.get(),
                            driver = std::weak_ptr(driver_)] {
    // Else the next run hears of it.
    if (tell(*inbox, &Inbox::on_outcome, told) == Told::kGone) return;
    core->engine().loop().post([driver, number] {
      if (const auto alive = driver.lock()) alive->outcome_taken(number);
    });
  });
}

void PushCore::missed(const link::Missed& missed) {
  core_->dispatcher().post(
      [inbox = inbox_, told = Missed{missed.first, missed.last, missed.count}] {
        tell(*inbox, &Inbox::on_missed, told);
      });
}

}  // namespace app

static_assert(static_cast<int>(LinkState::kReady) == static_cast<int>(link::State::kReady));

static_assert(static_cast<int>(SendResult::kRefused) ==
              static_cast<int>(link::SendResult::kRefused));

static_assert(static_cast<int>(PushUrgency::kHigh) == static_cast<int>(wire::Urgency::kHigh));

std::string_view name(PushUrgency urgency) {
  return wire::name(static_cast<wire::Urgency>(urgency));
}

std::string_view name(SendResult result) {
  return link::name(static_cast<link::SendResult>(result));
}

std::string_view name(LinkState state) { return link::name(static_cast<link::State>(state)); }

Result<PushClient> PushClient::create(App& app, const Options& options) {
  auto core = app::PushCore::create(app.core_, options);
  if (!core) return core.error();
  return PushClient(std::move(*core));
}

PushClient::PushClient(std::unique_ptr<app::PushCore> core) : core_(std::move(core)) {}
PushClient::PushClient(PushClient&&) noexcept = default;
PushClient& PushClient::operator=(PushClient&&) noexcept = default;
PushClient::~PushClient() = default;

void PushClient::on_push(std::function<void(const Push&)> handler) {
  core_->inbox().set(&app::PushCore::Inbox::on_push, std::move(handler));
}

void PushClient::on_state(std::function<void(const LinkStatus&)> handler) {
  core_->inbox().set(&app::PushCore::Inbox::on_state, std::move(handler));
}

void PushClient::on_missed(std::function<void(const Missed&)> handler) {
  core_->inbox().set(&app::PushCore::Inbox::on_missed, std::move(handler));
}

void PushClient::on_outcome(std::function<void(const Outcome&)> handler) {
  core_->inbox().set(&app::PushCore::Inbox::on_outcome, std::move(handler));
}

Result<std::string> PushClient::send(const Message& message) {
  constexpr std::chrono::seconds kLongest =
      std::chrono::duration_cast<std::chrono::seconds>(link::kOutboxTimeMax);
  if (message.time_to_live < std::chrono::seconds(1) || message.time_to_live > kLongest)
    return invalid("time_to_live must be from 1 s to 28 days");
  link::Message wanted;
  wanted.key = message.key.empty() ? new_key() : message.key;
  wanted.topic =
      message.topic.empty()
          ? wire::report_topic(static_cast<wire::ReportKind>(message.kind), core_->device())
          : message.topic;
  wanted.content_type = message.content_type;
  wanted.correlation.assign(message.correlation.begin(), message.correlation.end());
  wanted.body.assign(message.body.begin(), message.body.end());
  if (const auto checked = link::check(wanted); !checked) return to_public(checked.error());
  const std::string key = wanted.key;
  const auto stored = core_->core().engine().wait_for<base::Result<void>>([&](auto done) {
    core_->driver().send(std::move(wanted), message.time_to_live, std::move(done));
  });
  if (!stored) return to_public(stored.error());
  return key;
}

std::size_t PushClient::outbox_size() const {
  std::size_t size = 0;
  core_->call([&] { size = core_->driver().outbox_size(); });
  return size;
}

void PushClient::start() {
  core_->call([this] { core_->driver().start(); });
}

void PushClient::stop() {
  core_->call([this] { core_->driver().stop(); });
}

void PushClient::kick() {
  core_->post([](app::LinkDriver& driver) { driver.kick(); });
}

void PushClient::set_lowest_urgency(PushUrgency lowest) {
  core_->call([this, lowest] { core_->driver().ask_for(static_cast<wire::Urgency>(lowest)); });
}

void PushClient::accept(std::uint64_t id) {
  core_->post([id](app::LinkDriver& driver) { driver.accept({id}); });
}

SealingKeys PushClient::sealing_keys() const {
  return {core_->keys().public_key(), core_->keys().secret()};
}

LinkStatus PushClient::status() const {
  const std::lock_guard lock(core_->inbox().mutex);
  return core_->inbox().status;
}

bool PushClient::is_wake_capable() const {
  return core_->core().engine().wait_for<bool>(
      [this](auto done) { core_->driver().is_wake_capable(std::move(done)); });
}

}  // namespace wakeline
