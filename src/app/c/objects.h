// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/app.h>
#include <wakeline/wakeline.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "app/c/boundary.h"
#include "app/c/handles.h"

/// What stands behind the handles of the C ABI.
namespace wakeline::app::c {

/// False from the moment when no callback may run any more.
using Live = std::shared_ptr<std::atomic<bool>>;
inline Live make_live() { return std::make_shared<std::atomic<bool>>(true); }

struct AppObject {
  App app;
  Live live = make_live();
  std::mutex mutex = {};
  Live keep_alive = nullptr;  // of the handler that is set; under mutex
};
using Apps = Handles<wakeline_app_t, AppObject, Kind::kApp>;

/// A task or a wake, with the life of its callback.
template <class Thing>
struct Called {
  Thing thing;
  Live live;
};
using Tags = Handles<wakeline_tag_t, Tag, Kind::kTag>;
using Tasks = Handles<wakeline_background_task_t, Called<BackgroundTask>, Kind::kBackgroundTask>;
using AudioSessions = Handles<wakeline_audio_session_t, AudioSession, Kind::kAudioSession>;
using WakeRequests = Handles<wakeline_wake_request_t, Called<WakeRequest>, Kind::kWakeRequest>;

/// A callback as a handler of the app: nothing happens when `live` has ended, and dispatching ends
/// when the app has. Empty where there is no callback.
inline std::function<void()> call_back(const AppObject& app, wakeline_handler_t handler, void* user,
                                       Live live) {
  if (handler == nullptr) return {};
  return [app_live = app.live, handler, user, live = std::move(live)] {
    if (!*app_live) throw AppFreed{};
    if (*live) handler(user);
  };
}

/// As above for a handler that is shown something.
template <class Shown>
std::function<void(Shown)> show(const AppObject& app, std::function<void(Shown)> handler) {
  return [app_live = app.live, handler = std::move(handler)](Shown shown) {
    if (!*app_live) throw AppFreed{};
    handler(shown);
  };
}

}  // namespace wakeline::app::c
