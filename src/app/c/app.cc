// SPDX-License-Identifier: Apache-2.0
#include <wakeline/wakeline.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "app/c/boundary.h"
#include "app/c/objects.h"

namespace wakeline::app::c {
namespace {

static_assert(kSame<WAKELINE_LAUNCH_ADOPTED, LaunchReason::kAdopted>);
static_assert(kSame<WAKELINE_STATE_BACKGROUND, AppState::kBackground>);
static_assert(kSame<WAKELINE_CALL_ACTIVE, CallState::kActive>);
static_assert(kSame<WAKELINE_WAKE_REQUEST, WakeCause::kWakeRequest>);
static_assert(kSame<WAKELINE_WAKE_CALL, WakeCause::kCall>);

constexpr std::size_t kAppOptionsFirst = 16;
constexpr std::size_t kHostInfoFirst = 128;

/// What wakeline_app_stop reads, as a signal handler may take no lock: a list to which is only
/// added, whose entries are used again.
struct Stoppable {
  std::atomic<const wakeline_app_t*> handle = nullptr;
  std::atomic<App*> app = nullptr;
  Stoppable* next = nullptr;
};
static_assert(std::atomic<App*>::is_always_lock_free);
std::atomic<Stoppable*> stoppables = nullptr;

Stoppable* find_stoppable(const wakeline_app_t* handle) {
  for (Stoppable* at = stoppables.load(); at != nullptr; at = at->next) {
    if (at->handle.load() == handle) return at;
  }
  return nullptr;
}

void add_stoppable(const wakeline_app_t* handle, App* app) {
  for (Stoppable* at = stoppables.load(); at != nullptr; at = at->next) {
    App* none = nullptr;
    if (at->app.compare_exchange_strong(none, app)) return at->handle.store(handle);
  }
  auto* const made = new Stoppable;
  made->app.store(app);
  made->handle.store(handle);
  made->next = stoppables.load();
  while (!stoppables.compare_exchange_weak(made->next, made)) {
  }
}

void remove_stoppable(const wakeline_app_t* handle) {
  if (Stoppable* const found = find_stoppable(handle)) {
    found->handle.store(nullptr);
    found->app.store(nullptr);
  }
}

template <std::size_t kSize>
void copy_text(const std::string& text, char (&out)[kSize]) {  // NOLINT(*-avoid-c-arrays): of C
  const std::size_t size = std::min(text.size(), kSize - 1);
  std::copy_n(text.data(), size, out);
  out[size] = '\0';
}

void show_network(const NetworkFacts& facts, wakeline_network_handler_t look, void* user) {
  std::vector<wakeline_address_t> addresses;
  for (const auto& address : facts.addresses)
    addresses.push_back({address.interface.c_str(), address.address.c_str()});
  std::vector<wakeline_route_t> routes;
  for (const auto& route : facts.routes)
    routes.push_back({route.interface.c_str(), route.gateway.c_str()});
  const wakeline_network_t shown = {sizeof shown,  addresses.data(), addresses.size(),
                                    routes.data(), routes.size(),    facts.kind.c_str(),
                                    facts.metered};
  look(&shown, user);
}

template <class Value>
const char* name_of(std::int32_t value, Value last) {
  if (value < 0 || value > static_cast<std::int32_t>(last)) return "unknown";
  return wakeline::name(static_cast<Value>(value)).data();  // a literal
}

}  // namespace
}  // namespace wakeline::app::c

using namespace wakeline::app::c;  // NOLINT(*-using-namespace): a source of this border alone

extern "C" {

const char* wakeline_launch_reason_name(wakeline_launch_reason_t reason) {
  return name_of(reason, wakeline::LaunchReason::kAdopted);
}

const char* wakeline_app_state_name(wakeline_app_state_t state) {
  return name_of(state, wakeline::AppState::kBackground);
}

const char* wakeline_call_state_name(wakeline_call_state_t state) {
  return name_of(state, wakeline::CallState::kActive);
}

const char* wakeline_wake_cause_name(wakeline_wake_cause_t cause) {
  return name_of(cause, wakeline::WakeCause::kCall);
}

wakeline_error_t wakeline_app_create(const wakeline_app_options_t* options, wakeline_app_t** app) {
  return guard([&]() -> wakeline_error_t {
    if (app == nullptr) return fail_null("app");
    wakeline::App::Options chosen;
    if (options != nullptr) {
      wakeline_app_options_t given = WAKELINE_APP_OPTIONS_INIT;
      if (const auto bad = read_struct(options, kAppOptionsFirst, "options", given)) return bad;
      chosen.host_path = text_or_empty(given.host_path);
    }
    auto made = wakeline::App::create(chosen);
    if (!made) return fail(made.error());
    const auto object = std::make_shared<AppObject>(std::move(*made));
    wakeline_app_t* const handle = Apps::add(object);
    try {
      add_stoppable(handle, &object->app);
    } catch (...) {
      Apps::take(handle);
      throw;
    }
    *app = handle;
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_free(wakeline_app_t* app) {
  return end<Apps>(app, "app", [app](AppObject& object) {
    remove_stoppable(app);
    *object.live = false;
    object.app.stop();
  });
}

wakeline_error_t wakeline_app_host(wakeline_app_t* app, wakeline_host_info_t* info) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    const auto host = object.app.host();
    if (!host) return fail(host.error());
    wakeline_host_info_t filled = WAKELINE_HOST_INFO_INIT;
    copy_text(host->app, filled.app);
    copy_text(host->profile, filled.profile);
    filled.wake_window_ms = host->wake_window.count();
    filled.keep_alive_min_s = host->keep_alive_min.count();
    filled.task_pool_ms = host->task_pool.count();
    return write_struct(info, kHostInfoFirst, "info", filled);
  });
}

wakeline_error_t wakeline_app_launch_reason(wakeline_app_t* app, wakeline_launch_reason_t* reason) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    return give(reason, static_cast<wakeline_launch_reason_t>(object.app.launch_reason()),
                "reason");
  });
}

wakeline_error_t wakeline_app_state(wakeline_app_t* app, wakeline_app_state_t* state) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    return give(state, static_cast<wakeline_app_state_t>(object.app.state()), "state");
  });
}

wakeline_error_t wakeline_app_fd(wakeline_app_t* app, int* fd) {
  return with<Apps>(app, "app", [&](AppObject& object) { return give(fd, object.app.fd(), "fd"); });
}

wakeline_error_t wakeline_app_dispatch(wakeline_app_t* app, std::size_t* count) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    try {
      const std::size_t ran = object.app.dispatch();
      if (count != nullptr) *count = ran;
    } catch (const AppFreed&) {
    }
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_run(wakeline_app_t* app) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    try {
      object.app.run();
    } catch (const AppFreed&) {
    }
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_stop(wakeline_app_t* app) {
  // In a signal handler: no lock, no memory, and no message but a constant one.
  Stoppable* const found = app == nullptr ? nullptr : find_stoppable(app);
  wakeline::App* const object = found == nullptr ? nullptr : found->app.load();
  if (object == nullptr) return WAKELINE_ERROR_HANDLE;
  object->stop();
  return WAKELINE_OK;
}

wakeline_error_t wakeline_app_on_foreground(wakeline_app_t* app, wakeline_handler_t handler,
                                            void* user) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    object.app.on_foreground(call_back(object, handler, user, object.live));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_on_background(wakeline_app_t* app, wakeline_handler_t handler,
                                            void* user) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    object.app.on_background(call_back(object, handler, user, object.live));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_on_woken(wakeline_app_t* app, wakeline_woken_handler_t handler,
                                       void* user) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    object.app.on_woken(
        handler == nullptr
            ? nullptr
            : show<wakeline::WakeCause>(object, [handler, user](wakeline::WakeCause cause) {
                handler(static_cast<std::int32_t>(cause), user);
              }));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_on_call_state(wakeline_app_t* app, wakeline_call_handler_t handler,
                                            void* user) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    object.app.on_call_state(
        handler == nullptr
            ? nullptr
            : show<wakeline::CallState>(object, [handler, user](wakeline::CallState state) {
                handler(static_cast<std::int32_t>(state), user);
              }));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_call_state(wakeline_app_t* app, wakeline_call_state_t* state) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    return give(state, static_cast<wakeline_call_state_t>(object.app.call_state()), "state");
  });
}

wakeline_error_t wakeline_app_on_network_changed(wakeline_app_t* app,
                                                 wakeline_network_handler_t handler, void* user) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    object.app.on_network_changed(
        handler == nullptr
            ? nullptr
            : show<const wakeline::NetworkFacts&>(object, [handler, user](const auto& facts) {
                show_network(facts, handler, user);
              }));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_network(wakeline_app_t* app, wakeline_network_handler_t look,
                                      void* user) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (look == nullptr) return fail_null("look");
    const auto facts = object.app.network();
    if (!facts) return fail(WAKELINE_ERROR_NOT_FOUND, "nobody has told of the network");
    show_network(*facts, look, user);
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_connect_tcp(wakeline_app_t* app, const char* host, uint16_t port,
                                          int64_t timeout_ms, int* fd) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (host == nullptr) return fail_null("host");
    if (fd == nullptr) return fail_null("fd");
    const auto made = object.app.connect_tcp(host, port, std::chrono::milliseconds(timeout_ms));
    if (!made) return fail(made.error());
    *fd = *made;
    return WAKELINE_OK;
  });
}

}  // extern "C"
