// SPDX-License-Identifier: Apache-2.0
#include <wakeline/wakeline.h>

#include "app/c/boundary.h"
#include "app/c/objects.h"

using namespace wakeline::app::c;  // NOLINT(*-using-namespace): a source of this border alone

namespace {

constexpr std::size_t kNotificationFirst = 80;
constexpr std::size_t kActionsMax = 4;

wakeline_error_t to_urgency(wakeline_urgency_t given, wakeline::NotificationUrgency& urgency) {
  using wakeline::NotificationUrgency;
  switch (given) {
    case WAKELINE_URGENCY_NORMAL:
      urgency = NotificationUrgency::kNormal;
      return WAKELINE_OK;
    case WAKELINE_URGENCY_LOW:
      urgency = NotificationUrgency::kLow;
      return WAKELINE_OK;
    case WAKELINE_URGENCY_CRITICAL:
      urgency = NotificationUrgency::kCritical;
      return WAKELINE_OK;
    default:
      return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "urgency: no WAKELINE_URGENCY_…");
  }
}

wakeline_error_t to_notification(const wakeline_notification_t& given,
                                 wakeline::Notification& notification) {
  if (given.action_count > kActionsMax) {
    return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "a notification has at most four actions");
  }
  if (given.action_count > 0 && given.actions == nullptr) return fail_null("actions");
  notification.title = text_or_empty(given.title);
  notification.body = text_or_empty(given.body);
  notification.category = text_or_empty(given.category);
  notification.sound = text_or_empty(given.sound);
  notification.tag = text_or_empty(given.tag);
  notification.payload = text_or_empty(given.payload);
  for (std::size_t i = 0; i < given.action_count; ++i) {
    notification.actions.push_back({std::string(text_or_empty(given.actions[i].id)),
                                    std::string(text_or_empty(given.actions[i].label))});
  }
  return to_urgency(given.urgency, notification.urgency);
}

}  // namespace

extern "C" {

wakeline_error_t wakeline_app_notify(wakeline_app_t* app,
                                     const wakeline_notification_t* notification,
                                     uint64_t* number) {
  return with<Apps>(app, "app", [&](AppObject& object) -> wakeline_error_t {
    wakeline_notification_t given = WAKELINE_NOTIFICATION_INIT;
    if (const auto bad = read_struct(notification, kNotificationFirst, "notification", given))
      return bad;
    wakeline::Notification made;
    if (const auto bad = to_notification(given, made)) return bad;
    const auto shown = object.app.notify(made);
    if (!shown) return fail(shown.error());
    if (number != nullptr) *number = *shown;
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_app_on_notification_response(wakeline_app_t* app,
                                                       wakeline_response_handler_t handler,
                                                       void* user) {
  return with<Apps>(app, "app", [&](AppObject& object) {
    std::function<void(const wakeline::NotificationResponse&)> made;
    if (handler != nullptr) {
      made = show<const wakeline::NotificationResponse&>(
          object, [handler, user](const wakeline::NotificationResponse& response) {
            const wakeline_notification_response_t shown = {
                sizeof shown, response.notification, response.action.c_str(),
                response.payload.c_str(), response.activation_token.c_str()};
            handler(&shown, user);
          });
    }
    object.app.on_notification_response(std::move(made));
    return WAKELINE_OK;
  });
}

}  // extern "C"
