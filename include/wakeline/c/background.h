// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Tags, keep-alive, tasks, audio sessions and wakes: `<wakeline/background.h>` and what App does
/// for them, for C. `<wakeline/wakeline.h>` has the rules of every call.

#include <stdbool.h>
#include <stdint.h>
#include <wakeline/c/app.h>
#include <wakeline/c/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A tagged connection (C3): its bytes wake the suspended app. The socket stays the caller's.
typedef struct wakeline_tag wakeline_tag_t;
/// Keeps the app running in the background until it is freed (C20).
typedef struct wakeline_background_task wakeline_background_task_t;
/// The app plays or records until it is freed: it is not suspended (C29).
typedef struct wakeline_audio_session wakeline_audio_session_t;
/// A wake that was asked for (C40); freed before it is due, it is cancelled.
typedef struct wakeline_wake_request wakeline_wake_request_t;

/// Tags a connected, outgoing TCP socket of this process, in profile `linux` also a UDP socket,
/// until `wakeline_tag_free` or its end. Errors: NOT_SOCKET, LISTENING, NOT_CONNECTED, NOT_TCP,
/// NOT_OWNED, NOT_DECLARED, TIMEOUT; the
///         socket works on untagged (C4).
WAKELINE_C_API wakeline_error_t wakeline_app_tag(wakeline_app_t* app, int fd, wakeline_tag_t** tag);
/// Whether this very connection would wake the app now (C5).
WAKELINE_C_API wakeline_error_t wakeline_tag_is_wake_capable(wakeline_tag_t* tag, bool* capable);
/// Ends the tag, before the socket is closed. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_tag_free(wakeline_tag_t* tag);
/// As wakeline_app_tag, until the connection ends: one line for an existing network layer (C36).
WAKELINE_C_API wakeline_error_t wakeline_app_enable_backgrounding(wakeline_app_t* app, int fd);
/// Whether this connection, tagged either way, would wake the app now (C5).
WAKELINE_C_API wakeline_error_t wakeline_app_is_wake_capable(wakeline_app_t* app, int fd,
                                                             bool* capable);

/// Asks for time in the background. `on_expire` runs shortly before the pool is empty: free the
/// task then, or the app is killed (C21). `name` may be NULL.
/// Errors: NO_HANDLER (no `on_expire`), BUSY (the pool is empty), TOO_LARGE (too many tasks, or a
///         name over 64 bytes), TIMEOUT.
WAKELINE_C_API wakeline_error_t wakeline_app_begin_background_task(
    wakeline_app_t* app, const char* name, wakeline_handler_t on_expire, void* user,
    wakeline_background_task_t** task);
/// Ends the task. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_background_task_free(wakeline_background_task_t* task);
/// Background time without limit: in the foreground, or without a host.
#define WAKELINE_TIME_UNLIMITED INT64_MAX
/// What is left of the pool of background time.
WAKELINE_C_API wakeline_error_t wakeline_app_background_time_remaining(wakeline_app_t* app,
                                                                       int64_t* milliseconds);

/// `handler` runs at least once before each `timeout_s` elapses, also while suspended, and has ten
/// seconds (C15, C17). It replaces a former one (`replaced`, which may be NULL) and does not
/// survive the process (C16).
/// Errors: TOO_SHORT (600 s, or what the host says), NO_HANDLER, NOT_DECLARED, TIMEOUT; a former
///         one stays then.
WAKELINE_C_API wakeline_error_t wakeline_app_set_keep_alive_timeout(wakeline_app_t* app,
                                                                    int64_t timeout_s,
                                                                    wakeline_handler_t handler,
                                                                    void* user, bool* replaced);
/// Takes the keep-alive handler away; that there is none is no error.
WAKELINE_C_API wakeline_error_t wakeline_app_clear_keep_alive_timeout(wakeline_app_t* app);

/// Errors: NOT_DECLARED (the background mode `audio`), TIMEOUT.
WAKELINE_C_API wakeline_error_t
wakeline_app_begin_audio_session(wakeline_app_t* app, wakeline_audio_session_t** session);
/// Ends the session. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_audio_session_free(wakeline_audio_session_t* session);

/// `handler` runs once, between `earliest_ms` and `latest_ms` from now, also while suspended (C40).
/// Errors: NO_HANDLER, INVALID_ARGUMENT (latest < earliest), NOT_ALLOWED (the host's profile),
///         NOT_DECLARED, TOO_LARGE (four at a time), OVER_BUDGET (today's are used up), TIMEOUT.
WAKELINE_C_API wakeline_error_t wakeline_app_request_wake(wakeline_app_t* app, int64_t earliest_ms,
                                                          int64_t latest_ms,
                                                          wakeline_handler_t handler, void* user,
                                                          wakeline_wake_request_t** request);
/// Cancels the wake where it is not due yet. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_wake_request_free(wakeline_wake_request_t* request);

#ifdef __cplusplus
}
#endif
