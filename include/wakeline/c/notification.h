// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Local notifications: `<wakeline/notification.h>` for C. `<wakeline/wakeline.h>` has the rules of
/// every call.

#include <stddef.h>
#include <stdint.h>
#include <wakeline/c/app.h>
#include <wakeline/c/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/// How urgent a notification is: a WAKELINE_URGENCY_….
typedef int32_t wakeline_urgency_t;

/// The values of wakeline_urgency_t. 0 is normal, so that a struct of zeros asks for nothing.
enum {
  WAKELINE_URGENCY_NORMAL = 0,    ///< as a rule
  WAKELINE_URGENCY_LOW = 1,       ///< may wait
  WAKELINE_URGENCY_CRITICAL = 2,  ///< may show over a full-screen window
};

/// A button of a notification.
typedef struct wakeline_action {
  const char* id;     ///< the app's own: "answer"
  const char* label;  ///< for people: "Answer"
} wakeline_action_t;

/// A local notification (C27). A text that is NULL is empty.
typedef struct wakeline_notification {
  size_t struct_size;                ///< by WAKELINE_NOTIFICATION_INIT
  const char* title;                 ///< required
  const char* body;                  ///< may be empty
  const char* category;              ///< freedesktop.org's: "call.incoming"; may be empty
  const char* sound;                 ///< of the sound theme, or a file's path; may be empty
  const char* tag;                   ///< a later one with the same tag replaces this one
  const char* payload;               ///< given back with the response
  const wakeline_action_t* actions;  ///< `action_count` of them; NULL: none
  size_t action_count;               ///< at most four
  wakeline_urgency_t urgency;        ///< a WAKELINE_URGENCY_…
} wakeline_notification_t;
/// A notification of nothing yet.
#define WAKELINE_NOTIFICATION_INIT \
  {sizeof(wakeline_notification_t), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0}

/// What the user did with a notification (C28).
typedef struct wakeline_notification_response {
  size_t struct_size;            ///< of what the library filled
  uint64_t notification;         ///< as wakeline_app_notify gave it, maybe in an earlier run
  const char* action;            ///< the action's id; "default": the notification was opened
  const char* payload;           ///< the notification's own
  const char* activation_token;  ///< with it a window may take the focus; "": none was given
} wakeline_notification_response_t;

/// A callback that is told what the user did.
typedef void (*wakeline_response_handler_t)(const wakeline_notification_response_t* response,
                                            void* user);

/// Shows a notification. `number`: for the response; it may be NULL.
/// Errors: NO_HOST (nobody would see it), INVALID_ARGUMENT (no title, over four actions),
///         TOO_LARGE (32 KiB in all), TIMEOUT.
WAKELINE_C_API wakeline_error_t wakeline_app_notify(wakeline_app_t* app,
                                                    const wakeline_notification_t* notification,
                                                    uint64_t* number);
/// When the user acts on a notification of this app.
WAKELINE_C_API wakeline_error_t wakeline_app_on_notification_response(
    wakeline_app_t* app, wakeline_response_handler_t handler, void* user);

#ifdef __cplusplus
}
#endif
