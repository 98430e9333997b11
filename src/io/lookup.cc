// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "io/stream.h"

namespace wakeline::io {
namespace {

using Found = std::vector<Lookup::Found>;
using OnDone = std::function<void(base::Result<Found>)>;

base::Result<Found> look_up(const std::string& host, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) {
    return base::fail(base::ErrorCode::kUnreachable, "getaddrinfo");
  }
  Found found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0) {
      continue;
    }
    const bool known = std::ranges::any_of(
        found, [&](const Lookup::Found& other) { return other.address == text.data(); });
    if (!known) found.push_back({entry->ai_family == AF_INET6, text.data()});
  }
  ::freeaddrinfo(list);
  if (found.empty()) return base::fail(base::ErrorCode::kUnreachable, "getaddrinfo");
  return found;
}

/// Shared by the owner and the thread. getaddrinfo cannot be interrupted, so a thread whose owner
/// went runs on alone and finds `loop` gone.
struct State {
  std::mutex mutex;
  Loop* loop = nullptr;  // under `mutex`; null when the owner went
  OnDone on_done;        // on the loop's thread only
};

void post_result(const std::shared_ptr<State>& state, base::Result<Found> result) {
  const std::lock_guard lock(state->mutex);
  if (state->loop == nullptr) return;
  state->loop->post([state, result = std::move(result)] {
    // Cancelled meanwhile, on this same thread: `on_done` is gone.
    if (const auto on_done = std::exchange(state->on_done, nullptr)) on_done(result);
  });
}

class NameLookup : public Lookup {
 public:
  explicit NameLookup(std::shared_ptr<State> state) : state_(std::move(state)) {}
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;
  ~NameLookup() override {
    state_->on_done = nullptr;
    const std::lock_guard lock(state_->mutex);
    state_->loop = nullptr;
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<Lookup> lookup(Loop& loop, const std::string& host, OnDone on_done) {
  auto state = std::make_shared<State>();
  state->loop = &loop;
  state->on_done = std::move(on_done);
  auto handle = std::make_unique<NameLookup>(state);
  if (auto numeric = look_up(host, AI_NUMERICHOST); numeric) {
    post_result(state, std::move(numeric));
    return handle;
  }
  try {
    std::thread([state, host] { post_result(state, look_up(host, 0)); }).detach();
  } catch (const std::system_error& error) {
    post_result(state, base::fail(base::os_error("thread", error.code().value())));
  }
  return handle;
}

}  // namespace wakeline::io
