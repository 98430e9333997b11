// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The app: `<wakeline/app.h>` for C. `<wakeline/wakeline.h>` has the rules of every call.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wakeline/c/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/// An app's part of the contract with the host; wakeline::App. One a process.
typedef struct wakeline_app wakeline_app_t;

/// Why this process was launched (C22–C24): a WAKELINE_LAUNCH_….
typedef int32_t wakeline_launch_reason_t;

/// The values of wakeline_launch_reason_t.
enum {
  WAKELINE_LAUNCH_USER = 0,          ///< the user, or no host is there
  WAKELINE_LAUNCH_BOOT = 1,          ///< the host started, or the machine
  WAKELINE_LAUNCH_CRASH = 2,         ///< the last run ended with an error
  WAKELINE_LAUNCH_NOTIFICATION = 3,  ///< the user acted on a notification
  WAKELINE_LAUNCH_ADOPTED = 4,       ///< it ran before the host took it over
};

/// Where the app is: a WAKELINE_STATE_….
typedef int32_t wakeline_app_state_t;

/// The values of wakeline_app_state_t.
enum {
  WAKELINE_STATE_FOREGROUND = 0,  ///< the user sees it; it is never suspended
  WAKELINE_STATE_BACKGROUND = 1,  ///< it runs only in its windows
};

/// The device's cellular calls (C30): a WAKELINE_CALL_….
typedef int32_t wakeline_call_state_t;

/// The values of wakeline_call_state_t.
enum {
  WAKELINE_CALL_ENDED = 0,     ///< none
  WAKELINE_CALL_INCOMING = 1,  ///< one rings
  WAKELINE_CALL_ACTIVE = 2,    ///< one is going on
};

/// Why a suspended app runs again: a WAKELINE_WAKE_….
typedef int32_t wakeline_wake_cause_t;

/// The values of wakeline_wake_cause_t.
enum {
  WAKELINE_WAKE_NONE = 0,            ///< none
  WAKELINE_WAKE_SOCKET_DATA = 1,     ///< bytes on a tagged socket (C9)
  WAKELINE_WAKE_SOCKET_END = 2,      ///< its peer closed (C10)
  WAKELINE_WAKE_SOCKET_ERROR = 3,    ///< it was reset (C10)
  WAKELINE_WAKE_KEEP_ALIVE = 4,      ///< the keep-alive handler is due (C15)
  WAKELINE_WAKE_NOTIFICATION = 5,    ///< the user acted on a notification (C28)
  WAKELINE_WAKE_NETWORK = 6,         ///< addresses or routes changed (C31)
  WAKELINE_WAKE_FOREGROUND = 7,      ///< the user opened the app
  WAKELINE_WAKE_REQUEST = 8,         ///< a wake that the app asked for (C40)
  WAKELINE_WAKE_TASK = 9,            ///< a background task expires (C21)
  WAKELINE_WAKE_CONTROL = 10,        ///< an operator's command
  WAKELINE_WAKE_HOST_STOPPING = 11,  ///< the host ends
  WAKELINE_WAKE_IPC = 12,            ///< a short time for its other sockets, whose peers wait
  WAKELINE_WAKE_CALL = 13,           ///< the cellular call is over that interrupted its audio (C29)
};

/// The stable words of each: "boot", "background", "incoming", "socket_data"; "unknown" for a
/// number that is none.
WAKELINE_C_API const char* wakeline_launch_reason_name(wakeline_launch_reason_t reason);
/// @copydoc wakeline_launch_reason_name
WAKELINE_C_API const char* wakeline_app_state_name(wakeline_app_state_t state);
/// @copydoc wakeline_launch_reason_name
WAKELINE_C_API const char* wakeline_call_state_name(wakeline_call_state_t state);
/// @copydoc wakeline_launch_reason_name
WAKELINE_C_API const char* wakeline_wake_cause_name(wakeline_wake_cause_t cause);

/// For wakeline_app_create.
typedef struct wakeline_app_options {
  size_t struct_size;     ///< by WAKELINE_APP_OPTIONS_INIT
  const char* host_path;  ///< the host's socket; NULL or "": the environment's WAKELINE_HOST
} wakeline_app_options_t;
/// The default options.
#define WAKELINE_APP_OPTIONS_INIT {sizeof(wakeline_app_options_t), NULL}

/// The host that suspends and wakes this app.
typedef struct wakeline_host_info {
  size_t struct_size;        ///< by WAKELINE_HOST_INFO_INIT
  char app[72];              ///< this app's id, from its manifest
  char profile[24];          ///< "linux", "ios", "ios-classic"
  int64_t wake_window_ms;    ///< at most this long awake for a wake (C9)
  int64_t keep_alive_min_s;  ///< the shortest keep-alive timeout (C15)
  int64_t task_pool_ms;      ///< background time of all tasks together (C20)
} wakeline_host_info_t;
/// What to give to wakeline_app_host.
#define WAKELINE_HOST_INFO_INIT {sizeof(wakeline_host_info_t), {0}, {0}, 0, 0, 0}

/// One address of the device.
typedef struct wakeline_address {
  const char* interface_name;  ///< "wlan0"
  const char* address;         ///< "192.0.2.7", "2001:db8::7"
} wakeline_address_t;

/// One default route.
typedef struct wakeline_route {
  const char* interface_name;  ///< "wlan0"
  const char* gateway;         ///< "": point to point
} wakeline_route_t;

/// The device's network as the host knows it (C31); wakeline::NetworkFacts.
typedef struct wakeline_network {
  size_t struct_size;                   ///< of what the library filled
  const wakeline_address_t* addresses;  ///< of global scope, in a stable order
  size_t address_count;                 ///< how many
  const wakeline_route_t* routes;       ///< default routes, the preferred one first
  size_t route_count;                   ///< how many
  const char* kind;                     ///< a hint: "wifi", "ethernet", "cellular"; "": unknown
  bool metered;                         ///< a hint
} wakeline_network_t;

/// A callback without a message.
typedef void (*wakeline_handler_t)(void* user);
/// A callback that is told why the app was woken.
typedef void (*wakeline_woken_handler_t)(wakeline_wake_cause_t cause, void* user);
/// A callback that is told the state of cellular calls.
typedef void (*wakeline_call_handler_t)(wakeline_call_state_t state, void* user);
/// A callback that is shown the network.
typedef void (*wakeline_network_handler_t)(const wakeline_network_t* network, void* user);

/// Waits for the host's welcome, at most two seconds; that there is none is no error.
/// `options` may be NULL. Errors: OS (no descriptors, no thread).
WAKELINE_C_API wakeline_error_t wakeline_app_create(const wakeline_app_options_t* options,
                                                    wakeline_app_t** app);
/// Ends the app's part; `wakeline_app_run` returns. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_app_free(wakeline_app_t* app);

/// Errors: NO_HOST (not asked for by the environment, not there), PERMISSION (it does not know
/// this process), UNSUPPORTED (its version).
WAKELINE_C_API wakeline_error_t wakeline_app_host(wakeline_app_t* app, wakeline_host_info_t* info);
/// Why this process was launched.
WAKELINE_C_API wakeline_error_t wakeline_app_launch_reason(wakeline_app_t* app,
                                                           wakeline_launch_reason_t* reason);
/// Without a host, and while one is gone: WAKELINE_STATE_FOREGROUND. No handler tells of that.
WAKELINE_C_API wakeline_error_t wakeline_app_state(wakeline_app_t* app,
                                                   wakeline_app_state_t* state);

/// Readable while dispatch has something to run: for the app's own event loop. Never read it.
WAKELINE_C_API wakeline_error_t wakeline_app_fd(wakeline_app_t* app, int* fd);
/// Runs the callbacks that are due now, and never waits. `count`: how many; it may be NULL.
WAKELINE_C_API wakeline_error_t wakeline_app_dispatch(wakeline_app_t* app, size_t* count);
/// Waits and dispatches until `wakeline_app_stop`.
WAKELINE_C_API wakeline_error_t wakeline_app_run(wakeline_app_t* app);
/// Ends run after the callbacks that are due, or the next one at once. Also in a signal handler,
/// where the app must not be freed at the same time.
WAKELINE_C_API wakeline_error_t wakeline_app_stop(wakeline_app_t* app);

/// When the user brings the app to the front.
WAKELINE_C_API wakeline_error_t wakeline_app_on_foreground(wakeline_app_t* app,
                                                           wakeline_handler_t handler, void* user);
/// When the user leaves the app.
WAKELINE_C_API wakeline_error_t wakeline_app_on_background(wakeline_app_t* app,
                                                           wakeline_handler_t handler, void* user);
/// After each wake; for information: the sockets' own events come as ever.
WAKELINE_C_API wakeline_error_t wakeline_app_on_woken(wakeline_app_t* app,
                                                      wakeline_woken_handler_t handler, void* user);
/// After each change of the device's cellular calls (C30). It wakes nobody.
WAKELINE_C_API wakeline_error_t wakeline_app_on_call_state(wakeline_app_t* app,
                                                           wakeline_call_handler_t handler,
                                                           void* user);
/// Without a host, while one is gone, or where it hears of no calls: WAKELINE_CALL_ENDED.
WAKELINE_C_API wakeline_error_t wakeline_app_call_state(wakeline_app_t* app,
                                                        wakeline_call_state_t* state);
/// After each change of addresses or default routes (C31).
WAKELINE_C_API wakeline_error_t wakeline_app_on_network_changed(wakeline_app_t* app,
                                                                wakeline_network_handler_t handler,
                                                                void* user);
/// Shows `look` what was last told, before it returns. Errors: NOT_FOUND (nobody has told).
WAKELINE_C_API wakeline_error_t wakeline_app_network(wakeline_app_t* app,
                                                     wakeline_network_handler_t look, void* user);

/// Connects TCP: all addresses of `host`, the first that stands (RFC 8305). `fd` is a blocking
/// socket of the caller, closed on exec, not yet tagged.
/// Errors: UNREACHABLE (the name, or refused), TIMEOUT, OS.
WAKELINE_C_API wakeline_error_t wakeline_app_connect_tcp(wakeline_app_t* app, const char* host,
                                                         uint16_t port, int64_t timeout_ms,
                                                         int* fd);

#ifdef __cplusplus
}
#endif
