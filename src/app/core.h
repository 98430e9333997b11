// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/app.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/contract.h"
#include "app/dispatcher.h"
#include "app/engine.h"
#include "app/handler.h"

namespace wakeline::app {

/// What a push client hears of the host, on the loop's thread.
class HostListener {
 public:
  virtual ~HostListener() = default;
  virtual void on_host_state(AppState state) = 0;
  /// `tag`: the connection that woke the app, 0 where none did.
  virtual void on_host_woken(WakeCause cause, TagKey tag) = 0;
  virtual void on_host_network(const NetworkFacts& /*facts*/) {}
};

/// What App is: shared with the tags, tasks and push clients of this app, which may outlive it.
class Core {
 public:
  /// Errors: kOs.
  static base::Result<std::shared_ptr<Core>> create(const std::string& host_path);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  /// Ends the thread, so never on it: no task of the loop may hold the last reference.
  ~Core();

  Dispatcher& dispatcher() { return dispatcher_; }
  Engine& engine() { return *engine_; }
  /// On the loop's thread.
  Contract& contract() { return *contract_; }
  void add_listener(HostListener* listener) { listeners_.push_back(listener); }
  void remove_listener(HostListener* listener) { std::erase(listeners_, listener); }
  /// As of the last word of the host. Any thread.
  Result<wire::host::Welcome> host() const;
  AppState told_state() const;
  std::optional<NetworkFacts> network() const;
  /// As the host says; what holds without one while there is none. Any thread.
  AppState state() const;
  CallState call_state() const;

  /// The app's handlers; any thread sets them, the dispatching thread calls them.
  struct Handlers {
    std::function<void()> on_foreground;
    std::function<void()> on_background;
    std::function<void(WakeCause)> on_woken;
    std::function<void(const NotificationResponse&)> on_response;
    std::function<void(CallState)> on_call_state;
    std::function<void(const NetworkFacts&)> on_network;
  };
  template <class Handler>
  void set_handler(Handler Handlers::* which, Handler handler) {
    const std::lock_guard lock(mutex_);
    std::swap(handlers_.*which, handler);  // the former one is destroyed without the lock
  }
  /// The handler for the loop's thread to hold, which does not end there: what the app gave may
  /// call the library at its end, and that waits for the loop.
  std::shared_ptr<std::function<void()>> hold(std::function<void()> handler);
  /// The same, and each call runs it in the dispatching thread, if it is wanted still by then.
  std::function<void()> in_app(std::function<void()> handler, Wanted wanted);
  /// What an object of the app stands for: it ends the handler with itself.
  enum class Of { kTask, kWake };
  void keep_wanted(Of of, std::uint64_t key, Wanted wanted);
  /// No call of the handler begins after this, but for one that another thread is beginning.
  void cancel(Of of, std::uint64_t key);
  /// Of the app's keep-alive handlers, each in place of the former: numbers in the order in which
  /// the loop's thread is asked for them, for two threads of the app may set one at a time.
  std::uint64_t next_keep_alive() { return ++last_keep_alive_; }
  /// None before that number is wanted any more. On the loop's thread.
  void keep_alive_since(std::uint64_t number) {
    if (number > keep_alive_since_) keep_alive_since_ = number;
  }
  bool keep_alive_wanted(std::uint64_t number) const { return number >= keep_alive_since_; }
  /// Calls the handler that is set by then, in the dispatching thread.
  template <class Handler, class... Args>
  void dispatch(Handler Handlers::* which, const Args&... args) {
    dispatcher_.post([this, which, args...] {
      Handler handler;
      {
        const std::lock_guard lock(mutex_);
        handler = handlers_.*which;
      }
      if (handler) handler(args...);
    });
  }

 private:
  explicit Core(Dispatcher dispatcher) : dispatcher_(std::move(dispatcher)) {}
  void on_host_changed();
  void on_state(AppState state);
  void on_call(CallState state);
  void on_network(const NetworkFacts& facts);

  std::thread::id loop_thread_;  ///< first: handlers ask for it at their end
  Dispatcher dispatcher_;
  mutable std::mutex mutex_;
  Handlers handlers_;                                                             // under mutex_
  Result<wire::host::Welcome> host_{Error{ErrorCode::kNoHost, "not yet asked"}};  // under mutex_
  AppState state_ = AppState::kForeground;                                        // under mutex_
  CallState call_ = CallState::kEnded;                                            // under mutex_
  std::optional<NetworkFacts> network_;                                           // under mutex_
  std::map<std::pair<Of, std::uint64_t>, Wanted> wanted_;                         // under mutex_
  std::atomic<std::uint64_t> keep_alive_since_ = 0;
  std::unique_ptr<Engine> engine_;
  // Below: on the loop's thread.
  std::unique_ptr<Contract> contract_;
  std::uint64_t last_keep_alive_ = 0;
  std::vector<HostListener*> listeners_;
  std::function<void(bool)> settled_;
};

}  // namespace wakeline::app
