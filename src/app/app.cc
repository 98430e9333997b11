// SPDX-License-Identifier: Apache-2.0
#include <wakeline/app.h>

#include <cstdlib>
#include <utility>

#include "app/connect.h"
#include "app/core.h"
#include "app/errors.h"
#include "app/handler.h"
#include "base/log.h"

namespace wakeline {
namespace {

using app::Core;
namespace host_wire = wire::host;

static_assert(static_cast<int>(LaunchReason::kAdopted) ==
              static_cast<int>(host_wire::LaunchReason::kAdopted));

/// The app's own keep-alive handler; push clients use numbers of tags and tasks, from 1.
constexpr app::KeepAlive::Key kAppKeepAlive = 0;

std::string host_path_from_environment() {
  const char* path = std::getenv("WAKELINE_HOST");  // NOLINT(concurrency-mt-unsafe)
  return path == nullptr ? std::string() : path;
}

/// The library is a guest on the app's standard error: warnings alone, unless it is asked for more.
void set_log_level_from_environment() {
  const char* level = std::getenv("WAKELINE_LOG");  // NOLINT(concurrency-mt-unsafe)
  if (level == nullptr || !base::set_log_level(level)) base::set_log_level("warning");
}

}  // namespace

std::string_view name(LaunchReason reason) {
  return host_wire::name(static_cast<host_wire::LaunchReason>(reason));
}

std::string_view name(AppState state) {
  return state == AppState::kForeground ? "foreground" : "background";
}

std::string_view name(CallState state) {
  return host_wire::name(static_cast<host_wire::CallState>(state));
}

std::string_view name(WakeCause cause) {
  return host_wire::name(static_cast<host_wire::WakeCause>(cause));
}

Result<App> App::create() { return create(Options()); }

Result<App> App::create(const Options& options) {
  set_log_level_from_environment();
  auto core =
      Core::create(options.host_path.empty() ? host_path_from_environment() : options.host_path);
  if (!core) return app::to_public(core.error());
  return App(std::move(*core));
}

App::App(std::shared_ptr<Core> core) : core_(std::move(core)) {}
App::App(App&&) noexcept = default;
App& App::operator=(App&&) noexcept = default;
App::~App() = default;

Result<HostInfo> App::host() const {
  const auto welcome = core_->host();
  if (!welcome) return welcome.error();
  return HostInfo{
      .app = welcome->app,
      .profile = welcome->profile,
      .wake_window = std::chrono::milliseconds(welcome->wake_window_ms),
      .keep_alive_min = std::chrono::seconds(welcome->keep_alive_min_s),
      .task_pool = std::chrono::milliseconds(welcome->task_pool_ms),
  };
}

LaunchReason App::launch_reason() const {
  const auto welcome = core_->host();
  return welcome ? static_cast<LaunchReason>(welcome->launch_reason) : LaunchReason::kUser;
}

AppState App::state() const { return core_->state(); }

int App::fd() const { return core_->dispatcher().fd(); }

std::size_t App::dispatch() {
  const auto core = core_;  // a handler may destroy this App
  return core->dispatcher().dispatch();
}

void App::run() {
  const auto core = core_;
  core->dispatcher().run();
}

void App::stop() { core_->dispatcher().stop(); }

void App::on_foreground(std::function<void()> handler) {
  core_->set_handler(&Core::Handlers::on_foreground, app::shared(std::move(handler)));
}

void App::on_background(std::function<void()> handler) {
  core_->set_handler(&Core::Handlers::on_background, app::shared(std::move(handler)));
}

void App::on_woken(std::function<void(WakeCause)> handler) {
  core_->set_handler(&Core::Handlers::on_woken, app::shared(std::move(handler)));
}

void App::on_notification_response(std::function<void(const NotificationResponse&)> handler) {
  core_->set_handler(&Core::Handlers::on_response, app::shared(std::move(handler)));
}

void App::on_call_state(std::function<void(CallState)> handler) {
  core_->set_handler(&Core::Handlers::on_call_state, app::shared(std::move(handler)));
}

CallState App::call_state() const { return core_->call_state(); }

void App::on_network_changed(std::function<void(const NetworkFacts&)> handler) {
  core_->set_handler(&Core::Handlers::on_network, app::shared(std::move(handler)));
}

std::optional<NetworkFacts> App::network() const { return core_->network(); }

Result<int> App::connect_tcp(const std::string& host, std::uint16_t port,
                             std::chrono::milliseconds timeout) {
  return app::connect_tcp(*core_, host, port, timeout);
}

Result<Tag> App::tag(int fd) {
  auto key = core_->engine().wait_for<Result<app::TagKey>>(
      [core = core_.get(), fd](auto done) { core->contract().tag(fd, std::move(done)); });
  if (!key) return key.error();
  return Tag(core_, *key);
}

Result<void> App::enable_backgrounding(int fd) {
  const auto key = core_->engine().wait_for<Result<app::TagKey>>(
      [core = core_.get(), fd](auto done) { core->contract().tag(fd, std::move(done)); });
  if (!key) return key.error();
  return {};
}

bool App::is_wake_capable(int fd) const {
  return core_->engine().wait_for<bool>([core = core_.get(), fd](auto done) {
    core->contract().is_wake_capable(core->contract().find_tag(fd), std::move(done));
  });
}

Result<BackgroundTask> App::begin_background_task(const std::string& name,
                                                  std::function<void()> on_expire) {
  if (!on_expire) {
    return app::to_public(base::ErrorCode::kNoHandler, {});
  }
  if (name.size() > host_wire::kNameMax) {
    return app::to_public(base::ErrorCode::kTooLarge, "a task's name has at most 64 bytes");
  }
  const auto wanted = app::wanted();
  auto key = core_->engine().wait_for<Result<app::TaskKey>>(
      [core = core_.get(), name, expire = core_->in_app(std::move(on_expire), wanted)](auto done) {
        core->contract().begin_task(name, expire, std::move(done));
      });
  if (!key) return key.error();
  core_->keep_wanted(Core::Of::kTask, *key, wanted);
  return BackgroundTask(core_, *key);
}

std::optional<std::chrono::milliseconds> App::background_time_remaining() const {
  const auto left = core_->engine().wait_for<std::uint64_t>(
      [core = core_.get()](auto done) { core->contract().time_remaining(std::move(done)); });
  if (left >= host_wire::kTimeUnlimited) return std::nullopt;
  return std::chrono::milliseconds(left);
}

Result<bool> App::set_keep_alive_timeout(std::chrono::seconds timeout,
                                         std::function<void()> handler) {
  if (!handler)
    return app::to_public(base::ErrorCode::kNoHandler, "a keep-alive handler is needed");
  auto* core = core_.get();
  const auto held = core->hold(std::move(handler));
  return core->engine().wait_for<Result<bool>>([core, timeout, held](auto done) {
    const std::uint64_t number = core->next_keep_alive();
    const auto on_run = [core, number, held](const std::function<void()>& returned) {
      core->dispatcher().post([core, number, held, returned] {
        // Also when the handler throws: the host must not wait for it.
        const std::shared_ptr<void> finish(
            nullptr, [core, returned](void*) { core->engine().loop().post(returned); });
        if (core->keep_alive_wanted(number)) (*held)();
      });
    };
    core->contract().keep_alive().set(kAppKeepAlive, timeout, on_run,
                                      [core, number, done](Result<bool> replaced) {
                                        if (replaced) core->keep_alive_since(number);
                                        done(std::move(replaced));
                                      });
  });
}

void App::clear_keep_alive_timeout() {
  core_->engine().call([core = core_.get()] {
    core->keep_alive_since(core->next_keep_alive());
    core->contract().keep_alive().clear(kAppKeepAlive);
  });
}

Result<AudioSession> App::begin_audio_session() {
  auto key = core_->engine().wait_for<Result<std::uint64_t>>(
      [core = core_.get()](auto done) { core->contract().begin_audio(std::move(done)); });
  if (!key) return key.error();
  return AudioSession(core_, *key);
}

Result<WakeRequest> App::request_wake(std::chrono::milliseconds earliest,
                                      std::chrono::milliseconds latest,
                                      std::function<void()> handler) {
  if (!handler) return app::to_public(base::ErrorCode::kNoHandler, "a wake needs a handler");
  const auto wanted = app::wanted();
  auto key = core_->engine().wait_for<Result<app::Wakes::Key>>(
      [core = core_.get(), earliest, latest, due = core_->in_app(std::move(handler), wanted)](
          auto done) { core->contract().wakes().request(earliest, latest, due, std::move(done)); });
  if (!key) return key.error();
  core_->keep_wanted(Core::Of::kWake, *key, wanted);
  return WakeRequest(core_, *key);
}

Result<std::uint64_t> App::notify(const Notification& notification) {
  if (notification.title.empty()) {
    return app::to_public(base::ErrorCode::kInvalidArgument, "a notification needs a title");
  }
  if (notification.actions.size() > host_wire::kActionsMax) {
    return app::to_public(base::ErrorCode::kInvalidArgument,
                          "a notification has at most four actions");
  }
  return core_->engine().wait_for<Result<std::uint64_t>>(
      [core = core_.get(), &notification](auto done) {
        core->contract().notify(notification, std::move(done));
      });
}

Tag::Tag(std::shared_ptr<Core> core, std::uint64_t key) : core_(std::move(core)), key_(key) {}
Tag::Tag(Tag&&) noexcept = default;
Tag& Tag::operator=(Tag&& other) noexcept {
  if (this != &other) {
    end();
    core_ = std::move(other.core_);
    key_ = other.key_;
  }
  return *this;
}
Tag::~Tag() { end(); }

void Tag::end() {
  if (!core_) return;
  core_->engine().call([this] { core_->contract().untag(key_); });
  core_.reset();
}

bool Tag::is_wake_capable() const {
  if (!core_) return false;
  return core_->engine().wait_for<bool>(
      [this](auto done) { core_->contract().is_wake_capable(key_, std::move(done)); });
}

BackgroundTask::BackgroundTask(std::shared_ptr<Core> core, std::uint64_t key)
    : core_(std::move(core)), key_(key) {}
BackgroundTask::BackgroundTask(BackgroundTask&&) noexcept = default;
BackgroundTask& BackgroundTask::operator=(BackgroundTask&& other) noexcept {
  if (this != &other) {
    end();
    core_ = std::move(other.core_);
    key_ = other.key_;
  }
  return *this;
}
BackgroundTask::~BackgroundTask() { end(); }

void BackgroundTask::end() {
  if (!core_) return;
  core_->cancel(Core::Of::kTask, key_);
  core_->engine().call([this] { core_->contract().end_task(key_); });
  core_.reset();
}

AudioSession::AudioSession(std::shared_ptr<Core> core, std::uint64_t key)
    : core_(std::move(core)), key_(key) {}
AudioSession::AudioSession(AudioSession&&) noexcept = default;
AudioSession& AudioSession::operator=(AudioSession&& other) noexcept {
  if (this != &other) {
    end();
    core_ = std::move(other.core_);
    key_ = other.key_;
  }
  return *this;
}
AudioSession::~AudioSession() { end(); }

void AudioSession::end() {
  if (!core_) return;
  core_->engine().call([this] { core_->contract().end_audio(key_); });
  core_.reset();
}

WakeRequest::WakeRequest(std::shared_ptr<Core> core, std::uint64_t key)
    : core_(std::move(core)), key_(key) {}
WakeRequest::WakeRequest(WakeRequest&&) noexcept = default;
WakeRequest& WakeRequest::operator=(WakeRequest&& other) noexcept {
  if (this != &other) {
    end();
    core_ = std::move(other.core_);
    key_ = other.key_;
  }
  return *this;
}
WakeRequest::~WakeRequest() { end(); }

void WakeRequest::end() {
  if (!core_) return;
  core_->cancel(Core::Of::kWake, key_);
  core_->engine().call([this] { core_->contract().wakes().cancel(key_); });
  core_.reset();
}

}  // namespace wakeline
