// SPDX-License-Identifier: Apache-2.0
#include <wakeline/wakeline.h>

#include "app/c/boundary.h"
#include "app/c/objects.h"

using namespace wakeline::app::c;  // NOLINT(*-using-namespace): a source of this border alone

namespace {

void no_more(const Live& live) {
  if (live) *live = false;
}

}  // namespace

extern "C" {

wakeline_error_t wakeline_app_tag(wakeline_app_t* app, int fd, wakeline_tag_t** tag) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (tag == nullptr) return fail_null("tag");
    auto made = object.app.tag(fd);
    if (!made) return fail(made.error());
    *tag = Tags::add(std::make_shared<wakeline::Tag>(std::move(*made)));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_tag_is_wake_capable(wakeline_tag_t* tag, bool* capable) {
  return with<Tags>(tag, "tag", [&](wakeline::Tag& object) {
    return give(capable, object.is_wake_capable(), "capable");
  });
}

wakeline_error_t wakeline_tag_free(wakeline_tag_t* tag) {
  return end<Tags>(tag, "tag", [](wakeline::Tag&) {});
}

wakeline_error_t wakeline_app_enable_backgrounding(wakeline_app_t* app, int fd) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    const auto done = object.app.enable_backgrounding(fd);
    return done ? WAKELINE_OK : fail(done.error());
  });
}

wakeline_error_t wakeline_app_is_wake_capable(wakeline_app_t* app, int fd, bool* capable) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    return give(capable, object.app.is_wake_capable(fd), "capable");
  });
}

wakeline_error_t wakeline_app_begin_background_task(wakeline_app_t* app, const char* name,
                                                    wakeline_handler_t on_expire, void* user,
                                                    wakeline_background_task_t** task) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (task == nullptr) return fail_null("task");
    const Live live = make_live();
    auto made = object.app.begin_background_task(std::string(text_or_empty(name)),
                                                 call_back(object, on_expire, user, live));
    if (!made) return fail(made.error());
    *task = Tasks::add(std::make_shared<Called<wakeline::BackgroundTask>>(std::move(*made), live));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_background_task_free(wakeline_background_task_t* task) {
  return end<Tasks>(task, "task", [](auto& object) { no_more(object.live); });
}

wakeline_error_t wakeline_app_background_time_remaining(wakeline_app_t* app,
                                                        int64_t* milliseconds) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    const auto left = object.app.background_time_remaining();
    return give(milliseconds, left ? std::int64_t{left->count()} : WAKELINE_TIME_UNLIMITED,
                "milliseconds");
  });
}

wakeline_error_t wakeline_app_set_keep_alive_timeout(wakeline_app_t* app, int64_t timeout_s,
                                                     wakeline_handler_t handler, void* user,
                                                     bool* replaced) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    const Live live = make_live();
    const auto set = object.app.set_keep_alive_timeout(std::chrono::seconds(timeout_s),
                                                       call_back(object, handler, user, live));
    if (!set) return fail(set.error());
    {
      const std::lock_guard lock(object.mutex);
      no_more(std::exchange(object.keep_alive, live));
    }
    if (replaced != nullptr) *replaced = *set;
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_clear_keep_alive_timeout(wakeline_app_t* app) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    object.app.clear_keep_alive_timeout();
    const std::lock_guard lock(object.mutex);
    no_more(std::exchange(object.keep_alive, nullptr));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_begin_audio_session(wakeline_app_t* app,
                                                  wakeline_audio_session_t** session) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (session == nullptr) return fail_null("session");
    auto made = object.app.begin_audio_session();
    if (!made) return fail(made.error());
    *session = AudioSessions::add(std::make_shared<wakeline::AudioSession>(std::move(*made)));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_audio_session_free(wakeline_audio_session_t* session) {
  return end<AudioSessions>(session, "session", [](wakeline::AudioSession&) {});
}

wakeline_error_t wakeline_app_request_wake(wakeline_app_t* app, int64_t earliest_ms,
                                           int64_t latest_ms, wakeline_handler_t handler,
                                           void* user, wakeline_wake_request_t** request) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    if (request == nullptr) return fail_null("request");
    const Live live = make_live();
    auto made = object.app.request_wake(std::chrono::milliseconds(earliest_ms),
                                        std::chrono::milliseconds(latest_ms),
                                        call_back(object, handler, user, live));
    if (!made) return fail(made.error());
    *request =
        WakeRequests::add(std::make_shared<Called<wakeline::WakeRequest>>(std::move(*made), live));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_wake_request_free(wakeline_wake_request_t* request) {
  return end<WakeRequests>(request, "request", [](auto& object) { no_more(object.live); });
}

}  // extern "C"
