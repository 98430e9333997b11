// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <wakeline/app.h>
#include <wakeline/push_client.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../support/fault_proxy.h"
#include "mosquitto.h"
#include "server_peers.h"
#include "server_process.h"

/// What the integration tests of the push client share: an app in this process, with its client.
namespace wakeline::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Long, for a loaded machine; nobody waits so long when all is well.
inline constexpr seconds kPatience{40};

/// Asks until it is so. Returns: whether it became so in time.
template <class Condition>
bool eventually(Condition condition, seconds patience = kPatience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));  // of the asking, not of the test
  }
  return condition();
}

/// An app with a push client and a thread that dispatches.
class Ringing {
 public:
  explicit Ringing(const PushClient::Options& options) {
    auto app = App::create({.host_path = "/nowhere"});
    if (!app) {
      error = app.error();
      return;
    }
    app_ = std::make_unique<App>(std::move(*app));
    auto client = PushClient::create(*app_, options);
    if (!client) {
      error = client.error();
      return;
    }
    client_ = std::make_unique<PushClient>(std::move(*client));
    client_->on_push([this](const Push& push) {
      const std::lock_guard lock(mutex_);
      pushes_.push_back(push);
    });
    client_->on_missed([this](const Missed& missed) {
      const std::lock_guard lock(mutex_);
      missed_ += missed.count;
    });
    client_->on_state([this](const LinkStatus& status) {
      const std::lock_guard lock(mutex_);
      states_.push_back(status);
    });
    thread_ = std::thread([this] { app_->run(); });
  }
  Ringing(const Ringing&) = delete;
  Ringing& operator=(const Ringing&) = delete;
  ~Ringing() {
    if (thread_.joinable()) {
      app_->stop();
      thread_.join();
    }
    client_.reset();
  }

  PushClient& client() { return *client_; }
  bool ready() const { return client_->status().state == LinkState::kReady; }
  std::vector<Push> pushes() const {
    const std::lock_guard lock(mutex_);
    return pushes_;
  }
  std::vector<std::string> titles() const {
    std::vector<std::string> titles;
    for (const Push& push : pushes()) titles.push_back(push.title);
    return titles;
  }
  /// How many pushes never come, as far as it was told.
  std::uint64_t missed() const {
    const std::lock_guard lock(mutex_);
    return missed_;
  }
  /// Whether the line was ever in a state for that reason.
  bool was(std::string_view why) const {
    const std::lock_guard lock(mutex_);
    for (const LinkStatus& s : states_)
      if (s.why == why) return true;
    return false;
  }

  std::optional<Error> error;

 private:
  std::unique_ptr<App> app_;
  std::unique_ptr<PushClient> client_;
  mutable std::mutex mutex_;
  std::vector<Push> pushes_;        // under mutex_
  std::vector<LinkStatus> states_;  // under mutex_
  std::uint64_t missed_ = 0;        // under mutex_
  std::thread thread_;
};

/// For an app whose device at the server is "door", by TLS.
inline PushClient::Options options_of(const server::ServerProcess& server, const std::string& token,
                                      const std::string& state_file) {
  PushClient::Options o;
  o.host = "localhost";
  o.port = server.ports.mqtts;
  o.device = "door";
  o.token = token;
  o.ca_file = server.ca_file();
  o.state_file = state_file;
  return o;
}

/// As its app server does. Returns: the status of the answer.
inline unsigned push_to_door(const server::ServerProcess& server, const std::string& title) {
  server::HttpPeer peer{server::Line(server.ports.http)};
  return peer.push(server.admin_token(), server::push_json("door", title)).status;
}

inline void bring_online(Ringing& app) {
  ASSERT_FALSE(app.error) << app.error->message;
  app.client().start();
  ASSERT_TRUE(eventually([&] { return app.ready(); }));
}

}  // namespace wakeline::test
