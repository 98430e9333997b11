// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The push client: `<wakeline/push_client.h>` for C. `<wakeline/wakeline.h>` has the rules of
/// every call.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wakeline/c/app.h>
#include <wakeline/c/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Keeps one connection to a server and hands each push over exactly once; wakeline::PushClient.
typedef struct wakeline_push_client wakeline_push_client_t;

/// For wakeline_push_client_create. A text that is NULL is empty.
typedef struct wakeline_push_options {
  size_t struct_size;            ///< by WAKELINE_PUSH_OPTIONS_INIT
  const char* credentials_file;  ///< what is empty below is read from here; see Options::from_file
  const char* host;              ///< name or address of the server
  const char* device;            ///< the device's name there
  const char* token;             ///< the device's secret
  const char* ca_file;           ///< PEM; empty: the system's trust store
  const char* state_file;        ///< empty: `push/DEVICE@HOST:PORT` in Wakeline's state folder
  const char* keys_file;         ///< the keys for sealed pushes; empty: STATE_FILE.keys
  uint16_t port;                 ///< 0: 8883
  bool plain;                    ///< without TLS; for a loopback address only
  bool manual_accept;            ///< a push is accepted by wakeline_push_client_accept alone
} wakeline_push_options_t;
/// The default options.
#define WAKELINE_PUSH_OPTIONS_INIT \
  {sizeof(wakeline_push_options_t), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, false, false}

/// How the content of a push came: a WAKELINE_SEALING_….
typedef int32_t wakeline_sealing_t;

/// The values of wakeline_sealing_t.
enum {
  WAKELINE_SEALING_OPEN = 0,        ///< readable for the server and its operator
  WAKELINE_SEALING_OPENED = 1,      ///< sealed for this app, and decrypted here (RFC 8291)
  WAKELINE_SEALING_UNREADABLE = 2,  ///< sealed, and not for these keys, or broken
};

/// A push from the app's server.
typedef struct wakeline_push {
  size_t struct_size;          ///< of what the library filled
  uint64_t id;                 ///< of this delivery, for wakeline_push_client_accept
  uint64_t sequence;           ///< the server's number; 0 from a broker that numbers nothing
  wakeline_text_t title;       ///< may be empty
  wakeline_text_t body;        ///< may be empty
  wakeline_text_t data;        ///< the app's own
  wakeline_text_t urgency;     ///< "very-low", "low", "normal", "high"; empty: not said
  wakeline_text_t topic;       ///< of MQTT
  wakeline_text_t payload;     ///< the bytes, decrypted; maybe with 0 bytes among them
  wakeline_sealing_t sealing;  ///< a WAKELINE_SEALING_…
  bool maybe_seen;             ///< an earlier run of this app may have seen it
} wakeline_push_t;

/// How urgent a push is (RFC 8030 §5.3): a WAKELINE_PUSH_URGENCY_….
typedef int32_t wakeline_push_urgency_t;

/// The values of wakeline_push_urgency_t.
enum {
  WAKELINE_PUSH_URGENCY_VERY_LOW = 0,  ///< asked for: every push
  WAKELINE_PUSH_URGENCY_LOW = 1,       ///< news of a topic
  WAKELINE_PUSH_URGENCY_NORMAL = 2,    ///< a message
  WAKELINE_PUSH_URGENCY_HIGH = 3,      ///< a call
};

/// The line to the server: a WAKELINE_LINK_….
typedef int32_t wakeline_link_state_t;

/// The values of wakeline_link_state_t.
enum {
  WAKELINE_LINK_STOPPED = 0,     ///< not asked for
  WAKELINE_LINK_NO_NETWORK = 1,  ///< no route as far as is known
  WAKELINE_LINK_WAITING = 2,     ///< for the next attempt
  WAKELINE_LINK_CONNECTING = 3,  ///< an attempt is under way
  WAKELINE_LINK_READY = 4,       ///< pushes come
};

/// The stable word of a state: "ready"; "unknown" for a number that is none.
WAKELINE_C_API const char* wakeline_link_state_name(wakeline_link_state_t state);

/// The state of the line to the server.
typedef struct wakeline_link_status {
  size_t struct_size;           ///< of what the library filled
  wakeline_link_state_t state;  ///< a WAKELINE_LINK_…
  const char* why;              ///< a stable word: "peer_closed", "bad_credentials"
  const char* detail;           ///< what the server said, or its certificate lacks; may be ""
  int64_t retry_in_ms;          ///< from when it was reported; negative: nothing is planned
} wakeline_link_status_t;

/// What an app server needs to seal pushes for this app, in base64url.
typedef struct wakeline_sealing_keys {
  size_t struct_size;  ///< by WAKELINE_SEALING_KEYS_INIT
  char p256dh[88];     ///< the public key
  char auth[24];       ///< the secret
} wakeline_sealing_keys_t;
/// What to give to wakeline_push_client_sealing_keys.
#define WAKELINE_SEALING_KEYS_INIT {sizeof(wakeline_sealing_keys_t), {0}, {0}}

/// Pushes that the server had accepted for this app and that never come; wakeline::Missed.
typedef struct wakeline_missed {
  size_t struct_size;  ///< of what the library filled
  uint64_t first;      ///< the server's numbers, as those of pushes
  uint64_t last;       ///< the last of them
  uint64_t count;      ///< of those from first to last
} wakeline_missed_t;

/// What a message to the app's server is: a WAKELINE_MESSAGE_….
typedef int32_t wakeline_message_kind_t;

/// The values of wakeline_message_kind_t.
enum {
  WAKELINE_MESSAGE_REPLY = 0,     ///< an answer
  WAKELINE_MESSAGE_RECEIPT = 1,   ///< a push was dealt with
  WAKELINE_MESSAGE_PRESENCE = 2,  ///< the app is there, or not
};

/// A message of the app for its server; wakeline::Message. What is NULL is empty.
typedef struct wakeline_message {
  size_t struct_size;        ///< by WAKELINE_MESSAGE_INIT
  const void* body;          ///< at most 4,096 bytes
  size_t body_size;          ///< of `body`
  const void* correlation;   ///< at most 256 bytes, which the app server gets beside it
  size_t correlation_size;   ///< of `correlation`
  const char* content_type;  ///< may be empty
  const char* topic;         ///< of another MQTT broker; empty at a Wakeline server
  const char* key;           ///< two messages of one key are the same; empty: one is made
  /// After so long it is of no use any more; 0: a day. Counted by a clock that nobody sets, over a
  /// restart of the machine by the wall clock.
  int64_t time_to_live_s;
  wakeline_message_kind_t kind;  ///< a WAKELINE_MESSAGE_…
} wakeline_message_t;
/// A message of nothing yet.
#define WAKELINE_MESSAGE_INIT {sizeof(wakeline_message_t), NULL, 0, NULL, 0, NULL, NULL, NULL, 0, 0}

/// What became of a message: a WAKELINE_SEND_….
typedef int32_t wakeline_send_result_t;

/// The values of wakeline_send_result_t.
enum {
  WAKELINE_SEND_SENT = 0,     ///< the server has it
  WAKELINE_SEND_EXPIRED = 1,  ///< its time was over first
  WAKELINE_SEND_REFUSED = 2,  ///< the server will not have it
};

/// The stable word of a result: "sent"; "unknown" for a number that is none.
WAKELINE_C_API const char* wakeline_send_result_name(wakeline_send_result_t result);

/// What became of a message; wakeline::Outcome.
typedef struct wakeline_outcome {
  size_t struct_size;             ///< of what the library filled
  const char* key;                ///< of the message
  const char* detail;             ///< why it was refused, for people; may be ""
  wakeline_send_result_t result;  ///< a WAKELINE_SEND_…
  bool maybe_received;            ///< it expired, had gone out, and no answer came
} wakeline_outcome_t;

/// A callback that is told of pushes that never come.
typedef void (*wakeline_missed_handler_t)(const wakeline_missed_t* missed, void* user);
/// A callback that is told what became of a message. When it returns the message is forgotten.
typedef void (*wakeline_outcome_handler_t)(const wakeline_outcome_t* outcome, void* user);

/// Bytes of a message's key with its 0 byte.
#define WAKELINE_KEY_SIZE 65

/// A callback that is shown a push. When it returns the push is accepted, and never comes again
/// (not with `manual_accept`); when it throws, it comes again in the next run.
typedef void (*wakeline_push_handler_t)(const wakeline_push_t* push, void* user);
/// A callback that is shown the line's state.
typedef void (*wakeline_link_handler_t)(const wakeline_link_status_t* status, void* user);

/// Errors: MALFORMED (credentials_file, keys_file), INVALID_ARGUMENT (the message names the
///         option), NOT_FOUND (credentials_file, ca_file), TLS (ca_file), TOO_LARGE, BUSY (another
///         client uses the state file), STORAGE and PERMISSION (it cannot be written).
WAKELINE_C_API wakeline_error_t wakeline_push_client_create(wakeline_app_t* app,
                                                            const wakeline_push_options_t* options,
                                                            wakeline_push_client_t** client);
/// Stops it. No push is accepted any more. NULL is no error.
WAKELINE_C_API wakeline_error_t wakeline_push_client_free(wakeline_push_client_t* client);

/// For each push. Set it before start.
WAKELINE_C_API wakeline_error_t wakeline_push_client_on_push(wakeline_push_client_t* client,
                                                             wakeline_push_handler_t handler,
                                                             void* user);
/// For each change of the line. Set it before start.
WAKELINE_C_API wakeline_error_t wakeline_push_client_on_state(wakeline_push_client_t* client,
                                                              wakeline_link_handler_t handler,
                                                              void* user);
/// Connects, and comes back after every loss.
WAKELINE_C_API wakeline_error_t wakeline_push_client_start(wakeline_push_client_t* client);
/// Says goodbye to the server, which keeps what comes meanwhile.
WAKELINE_C_API wakeline_error_t wakeline_push_client_stop(wakeline_push_client_t* client);
/// The user wants it now: proves the line, or tries at once where the server does not forbid it.
WAKELINE_C_API wakeline_error_t wakeline_push_client_kick(wakeline_push_client_t* client);
/// Quiet: from now on, also after a restart, the server withholds pushes below `lowest`; what was
/// withheld comes when a lower one is set. Errors: INVALID_ARGUMENT.
WAKELINE_C_API wakeline_error_t wakeline_push_client_set_lowest_urgency(
    wakeline_push_client_t* client, wakeline_push_urgency_t lowest);
/// The app has dealt with this push. For `manual_accept`.
WAKELINE_C_API wakeline_error_t wakeline_push_client_accept(wakeline_push_client_t* client,
                                                            uint64_t id);
/// Before the push that shows the gap; after a restart a gap may be told once more.
WAKELINE_C_API wakeline_error_t wakeline_push_client_on_missed(wakeline_push_client_t* client,
                                                               wakeline_missed_handler_t handler,
                                                               void* user);
/// Once for each message, in this run or a later one.
WAKELINE_C_API wakeline_error_t wakeline_push_client_on_outcome(wakeline_push_client_t* client,
                                                                wakeline_outcome_handler_t handler,
                                                                void* user);
/// Puts a message into the outbox, durable when it returns. `key`: WAKELINE_KEY_SIZE bytes for the
/// message's key, or NULL with `capacity` 0.
/// Errors: BUFFER (nothing is sent then), INVALID_ARGUMENT and TOO_LARGE (the message names the
///         field), BUSY (64 wait), STORAGE_FULL, STORAGE, PERMISSION, OS (not written, not sent).
WAKELINE_C_API wakeline_error_t wakeline_push_client_send(wakeline_push_client_t* client,
                                                          const wakeline_message_t* message,
                                                          char* key, size_t capacity);
/// Messages that wait: to be sent, or for their outcome to be heard.
WAKELINE_C_API wakeline_error_t wakeline_push_client_outbox_size(wakeline_push_client_t* client,
                                                                 size_t* size);

/// What to register at the app server, so that nobody between it and this app reads a push.
WAKELINE_C_API wakeline_error_t wakeline_push_client_sealing_keys(wakeline_push_client_t* client,
                                                                  wakeline_sealing_keys_t* keys);
/// Shows `look` the state of the line, before it returns.
WAKELINE_C_API wakeline_error_t wakeline_push_client_status(wakeline_push_client_t* client,
                                                            wakeline_link_handler_t look,
                                                            void* user);
/// Whether a push would wake the app now (C5).
WAKELINE_C_API wakeline_error_t wakeline_push_client_is_wake_capable(wakeline_push_client_t* client,
                                                                     bool* capable);

#ifdef __cplusplus
}
#endif
