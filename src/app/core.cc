// SPDX-License-Identifier: Apache-2.0
#include "app/core.h"

#include <utility>

namespace wakeline::app {

base::Result<std::shared_ptr<Core>> Core::create(const std::string& host_path) {
  auto dispatcher = Dispatcher::create();
  if (!dispatcher) return base::fail(dispatcher.error());
  std::shared_ptr<Core> core(new Core(std::move(*dispatcher)));
  auto engine = Engine::start();
  if (!engine) return base::fail(engine.error());
  core->engine_ = std::move(*engine);
  core->loop_thread_ = core->engine_->thread_id();
  auto* raw = core.get();
  auto contract = Contract::create(
      core->engine_->loop(), host_path,
      {.on_host_changed = [raw] { raw->on_host_changed(); },
       .on_state = [raw](AppState state) { raw->on_state(state); },
       .on_woken =
           [raw](WakeCause cause, TagKey tag) {
             for (auto* listener : raw->listeners_) listener->on_host_woken(cause, tag);
             raw->dispatch(&Handlers::on_woken, cause);
           },
       .on_response =
           [raw](const NotificationResponse& response) {
             raw->dispatch(&Handlers::on_response, response);
           },
       .on_call = [raw](CallState state) { raw->on_call(state); },
       .on_network = [raw](const NetworkFacts& facts) { raw->on_network(facts); }});
  if (!contract) return base::fail(contract.error());
  core->contract_ = std::move(*contract);
  core->engine_->wait_for<bool>([raw](std::function<void(bool)> settled) {
    raw->settled_ = std::move(settled);
    raw->contract_->start();
  });
  return core;
}

Core::~Core() {
  if (engine_) engine_->stop();
}

std::shared_ptr<std::function<void()>> Core::hold(std::function<void()> handler) {
  using Handler = std::function<void()>;
  return {new Handler(std::move(handler)), [this](Handler* last) {
            std::shared_ptr<Handler> owned(last);
            if (std::this_thread::get_id() != loop_thread_) return;
            dispatcher_.post([owned = std::move(owned)] {});
          }};
}

std::function<void()> Core::in_app(std::function<void()> handler, Wanted wanted) {
  return [this, held = hold(std::move(handler)), wanted = std::move(wanted)] {
    dispatcher_.post([held, wanted] {
      if (*wanted) (*held)();
    });
  };
}

void Core::keep_wanted(Of of, std::uint64_t key, Wanted wanted) {
  const std::lock_guard lock(mutex_);
  wanted_.emplace(std::pair{of, key}, std::move(wanted));
}

void Core::cancel(Of of, std::uint64_t key) {
  const std::lock_guard lock(mutex_);
  const auto found = wanted_.find({of, key});
  if (found == wanted_.end()) return;
  *found->second = false;
  wanted_.erase(found);
}

Result<wire::host::Welcome> Core::host() const {
  const std::lock_guard lock(mutex_);
  return host_;
}

AppState Core::told_state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

AppState Core::state() const {
  const std::lock_guard lock(mutex_);
  return host_ ? state_ : AppState::kForeground;
}

CallState Core::call_state() const {
  const std::lock_guard lock(mutex_);
  return host_ ? call_ : CallState::kEnded;
}

std::optional<NetworkFacts> Core::network() const {
  const std::lock_guard lock(mutex_);
  return network_;
}

void Core::on_call(CallState state) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(call_, state) == state) return;
  }
  dispatch(&Handlers::on_call_state, state);
}

void Core::on_network(const NetworkFacts& facts) {
  {
    const std::lock_guard lock(mutex_);
    if (network_ == facts) return;
    network_ = facts;
  }
  for (auto* listener : listeners_) listener->on_host_network(facts);
  dispatch(&Handlers::on_network, facts);
}

void Core::on_host_changed() {
  const auto host = contract_->host();
  {
    const std::lock_guard lock(mutex_);
    host_ = host;
  }
  if (host) {
    on_state(host->state == wire::host::AppState::kForeground ? AppState::kForeground
                                                              : AppState::kBackground);
  }
  if (const auto settled = std::exchange(settled_, nullptr)) settled(true);
}

void Core::on_state(AppState state) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(state_, state) == state) return;
    // What App::state says from the start is no change.
    first = static_cast<bool>(settled_);
  }
  for (auto* listener : listeners_) listener->on_host_state(state);
  if (first) return;
  dispatch(state == AppState::kForeground ? &Handlers::on_foreground : &Handlers::on_background);
}

}  // namespace wakeline::app
