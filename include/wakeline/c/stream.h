// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Streams and their run loop: `<wakeline/stream.h>` and `<wakeline/run_loop.h>` for C.
/// `<wakeline/wakeline.h>` has the rules of every call; callbacks of this part run in the thread
/// that calls `wakeline_run_loop_run` or `wakeline_run_loop_dispatch` of their loop.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wakeline/c/app.h>
#include <wakeline/c/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Delivers the events of streams in one thread; wakeline::RunLoop.
typedef struct wakeline_run_loop wakeline_run_loop_t;
/// The two directions of one TCP connection (C32); wakeline::StreamPair.
typedef struct wakeline_stream wakeline_stream_t;

/// What happened on a stream: a WAKELINE_STREAM_….
typedef int32_t wakeline_stream_event_t;

/// The values of wakeline_stream_event_t.
enum {
  WAKELINE_STREAM_OPEN_COMPLETED = 0,       ///< connected; tagged, or refused to be
  WAKELINE_STREAM_HAS_BYTES_AVAILABLE = 1,  ///< read will give some
  WAKELINE_STREAM_CAN_ACCEPT_BYTES = 2,     ///< write will take some
  WAKELINE_STREAM_ERROR_OCCURRED = 3,       ///< wakeline_stream_error says which
  WAKELINE_STREAM_END_ENCOUNTERED = 4,      ///< the peer sends nothing more
};

/// The state of a stream: a WAKELINE_STREAM_STATE_….
typedef int32_t wakeline_stream_state_t;

/// The values of wakeline_stream_state_t.
enum {
  WAKELINE_STREAM_STATE_NOT_OPEN = 0,  ///< open was not called
  WAKELINE_STREAM_STATE_OPENING = 1,   ///< it connects
  WAKELINE_STREAM_STATE_OPEN = 2,      ///< bytes go
  WAKELINE_STREAM_STATE_AT_END = 3,    ///< the peer sends nothing more
  WAKELINE_STREAM_STATE_ERROR = 4,     ///< it broke
  WAKELINE_STREAM_STATE_CLOSED = 5,    ///< close was called
};

/// What a connection is for: a WAKELINE_SERVICE_….
typedef int32_t wakeline_service_type_t;

/// The values of wakeline_service_type_t.
enum {
  WAKELINE_SERVICE_DEFAULT = 0,  ///< its bytes wake nobody
  WAKELINE_SERVICE_VOIP = 1,     ///< it is tagged (C3)
};

/// The stable word of an event: "open_completed"; "unknown" for a number that is none.
WAKELINE_C_API const char* wakeline_stream_event_name(wakeline_stream_event_t event);
/// The stable word of a state: "open"; "unknown" for a number that is none.
WAKELINE_C_API const char* wakeline_stream_state_name(wakeline_stream_state_t state);

/// For wakeline_stream_use_tls. A text that is NULL is empty.
typedef struct wakeline_tls_options {
  size_t struct_size;   ///< by WAKELINE_TLS_OPTIONS_INIT
  const char* name;     ///< that the certificate must carry; empty: the host that was named
  const char* ca_file;  ///< PEM; empty: the system's trust store
} wakeline_tls_options_t;
/// The default options.
#define WAKELINE_TLS_OPTIONS_INIT {sizeof(wakeline_tls_options_t), NULL, NULL}

/// A callback that is told what happened.
typedef void (*wakeline_stream_handler_t)(wakeline_stream_event_t event, void* user);

/// Errors: OS (no descriptors).
WAKELINE_C_API wakeline_error_t wakeline_run_loop_create(wakeline_run_loop_t** loop);
/// `wakeline_run_loop_run` returns. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_run_loop_free(wakeline_run_loop_t* loop);
/// Waits and runs callbacks until `wakeline_run_loop_stop`. One thread at a time.
WAKELINE_C_API wakeline_error_t wakeline_run_loop_run(wakeline_run_loop_t* loop);
/// Ends run after the callback that is running, or the next one at once. Any thread.
WAKELINE_C_API wakeline_error_t wakeline_run_loop_stop(wakeline_run_loop_t* loop);
/// Readable while dispatch has something to run: for the app's own event loop. Never read it.
WAKELINE_C_API wakeline_error_t wakeline_run_loop_fd(wakeline_run_loop_t* loop, int* fd);
/// Runs the callbacks that are due now, and never waits. `count`: how many; it may be NULL.
WAKELINE_C_API wakeline_error_t wakeline_run_loop_dispatch(wakeline_run_loop_t* loop,
                                                           size_t* count);
/// Runs `task` once in the loop's thread, after `delay_ms` (0: as soon as may be), which counts the
/// machine's sleep. `timer`: for cancel; it may be NULL.
WAKELINE_C_API wakeline_error_t wakeline_run_loop_call_after(wakeline_run_loop_t* loop,
                                                             int64_t delay_ms,
                                                             wakeline_handler_t task, void* user,
                                                             uint64_t* timer);
/// A timer that has run, or none, is no error.
WAKELINE_C_API wakeline_error_t wakeline_run_loop_cancel(wakeline_run_loop_t* loop, uint64_t timer);

/// A connection still to be made. Errors: INVALID_ARGUMENT (no host, port 0).
WAKELINE_C_API wakeline_error_t wakeline_stream_to_host(wakeline_app_t* app, const char* host,
                                                        uint16_t port, wakeline_stream_t** stream);
/// Over a connected TCP socket, whose flags and options stay as they are (C7). `close_it`: the
/// stream closes it at its end, else the app does.
/// Errors: NOT_SOCKET, NOT_TCP, LISTENING, NOT_CONNECTED.
WAKELINE_C_API wakeline_error_t wakeline_stream_over_socket(wakeline_app_t* app, int fd,
                                                            bool close_it,
                                                            wakeline_stream_t** stream);
/// Closes. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_stream_free(wakeline_stream_t* stream);

/// Before open. Errors: WRONG_STATE (it is open already, or was).
WAKELINE_C_API wakeline_error_t wakeline_stream_set_service_type(wakeline_stream_t* stream,
                                                                 wakeline_service_type_t type);
/// Before open: TLS from the first byte. On an open plain stream (STARTTLS): from now on.
/// `options` may be NULL. Errors: INVALID_ARGUMENT (no name), NOT_FOUND and TLS (ca_file),
/// WRONG_STATE. A failed handshake is WAKELINE_STREAM_ERROR_OCCURRED.
WAKELINE_C_API wakeline_error_t wakeline_stream_use_tls(wakeline_stream_t* stream,
                                                        const wakeline_tls_options_t* options);
/// For connecting and for each TLS handshake; 30 s unless it is set, before open.
WAKELINE_C_API wakeline_error_t wakeline_stream_set_open_timeout(wakeline_stream_t* stream,
                                                                 int64_t timeout_ms);
/// Begins; `handler` is told of every event, in the thread of `loop`.
/// Errors: NO_HANDLER, WRONG_STATE (a stream is opened once).
WAKELINE_C_API wakeline_error_t wakeline_stream_open(wakeline_stream_t* stream,
                                                     wakeline_run_loop_t* loop,
                                                     wakeline_stream_handler_t handler, void* user);
/// Drops what was accepted and is not sent. No callback begins after it.
WAKELINE_C_API wakeline_error_t wakeline_stream_close(wakeline_stream_t* stream);
/// Takes what is there; never waits. `got` is 0: none now, an event will tell.
/// Errors: CLOSED (the end), WRONG_STATE (not open yet, or closed), or what broke it.
WAKELINE_C_API wakeline_error_t wakeline_stream_read(wakeline_stream_t* stream, void* into,
                                                     size_t size, size_t* got);
/// Gives bytes to the system; never waits, never raises SIGPIPE (C35). `took` is less than `size`:
/// an event will tell. Errors: CLOSED, WRONG_STATE, or what broke it.
WAKELINE_C_API wakeline_error_t wakeline_stream_write(wakeline_stream_t* stream, const void* bytes,
                                                      size_t size, size_t* took);
/// Where it is.
WAKELINE_C_API wakeline_error_t wakeline_stream_state(wakeline_stream_t* stream,
                                                      wakeline_stream_state_t* state);
/// Returns: what broke it, with its message; WAKELINE_OK: nothing did.
WAKELINE_C_API wakeline_error_t wakeline_stream_error(wakeline_stream_t* stream);
/// The socket, for its options; -1 while there is none.
WAKELINE_C_API wakeline_error_t wakeline_stream_fd(wakeline_stream_t* stream, int* fd);
/// How tagging went; a refusal leaves the stream working, untagged (C4).
/// Errors: as wakeline_app_tag; WRONG_STATE (not open, or not for VoIP).
WAKELINE_C_API wakeline_error_t wakeline_stream_tagged(wakeline_stream_t* stream);
/// Whether its bytes would wake the app now (C5).
WAKELINE_C_API wakeline_error_t wakeline_stream_is_wake_capable(wakeline_stream_t* stream,
                                                                bool* capable);

#ifdef __cplusplus
}
#endif
