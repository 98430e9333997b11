// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Errors and what every other part of the C ABI needs; `<wakeline/wakeline.h>` has the rules.

#include <stddef.h>
#include <stdint.h>

/// Marks what libwakeline.so exports to C.
#define WAKELINE_C_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/// The library's version, as these headers are of it.
#define WAKELINE_VERSION "0.1.0"

/// The version of the library that runs: "0.1.0".
WAKELINE_C_API const char* wakeline_version(void);

/// One of the WAKELINE_ERROR_…; WAKELINE_OK is 0. Later versions only add.
typedef int32_t wakeline_error_t;

/// The values of wakeline_error_t. Below 128 they are those of wakeline::ErrorCode.
enum {
  WAKELINE_OK = 0,                      ///< done
  WAKELINE_ERROR_INVALID_ARGUMENT = 1,  ///< a value outside its documented range
  WAKELINE_ERROR_MALFORMED = 2,         ///< a file or message that breaks its format
  WAKELINE_ERROR_TOO_LARGE = 3,         ///< over a documented limit
  WAKELINE_ERROR_UNSUPPORTED = 4,       ///< a version or kind that is not served
  WAKELINE_ERROR_NOT_FOUND = 5,         ///< no such file or thing
  WAKELINE_ERROR_ALREADY_EXISTS = 6,    ///< the name is taken
  WAKELINE_ERROR_PERMISSION = 7,        ///< the system or the host said no
  WAKELINE_ERROR_UNAUTHORIZED = 8,      ///< credentials missing or wrong
  WAKELINE_ERROR_NOT_DECLARED = 9,      ///< the manifest does not declare the background mode
  WAKELINE_ERROR_NOT_SOCKET = 10,       ///< the descriptor is closed, or no socket
  WAKELINE_ERROR_NOT_TCP = 11,          ///< a socket, but not TCP; in profile `linux` UDP may do
  WAKELINE_ERROR_LISTENING = 12,        ///< a listening socket
  WAKELINE_ERROR_NOT_CONNECTED = 13,    ///< a TCP socket without a connection
  WAKELINE_ERROR_NOT_OWNED = 14,        ///< a socket of another process
  WAKELINE_ERROR_TOO_SHORT = 15,        ///< a keep-alive timeout below the minimum
  WAKELINE_ERROR_NO_HANDLER = 16,       ///< a handler is required and missing
  WAKELINE_ERROR_BUSY = 17,             ///< taken by another, or try again later
  WAKELINE_ERROR_CLOSED = 18,           ///< the other side ended the connection
  WAKELINE_ERROR_TIMEOUT = 19,          ///< no answer in time
  WAKELINE_ERROR_UNREACHABLE = 20,      ///< no route, refused, or the name was not resolved
  WAKELINE_ERROR_ADDRESS_IN_USE = 21,   ///< the port or path is taken
  WAKELINE_ERROR_TLS = 22,              ///< the TLS handshake, a certificate or a key failed
  WAKELINE_ERROR_STORAGE = 23,          ///< the disk failed
  WAKELINE_ERROR_STORAGE_FULL = 24,     ///< no space left: disk, quota or limit
  WAKELINE_ERROR_OS = 25,               ///< a system call failed
  WAKELINE_ERROR_NOT_ALLOWED = 26,      ///< the host's profile does not offer it
  WAKELINE_ERROR_OVER_BUDGET = 27,      ///< the app's allowance of today is used up
  WAKELINE_ERROR_NO_HOST = 64,          ///< no Wakeline host is there
  WAKELINE_ERROR_WRONG_STATE = 65,      ///< a call that comes too early or too late
  WAKELINE_ERROR_HANDLE = 128,          ///< NULL, freed, or of another kind
  WAKELINE_ERROR_BUFFER = 129,          ///< the buffer is too small; the size that it needs is told
  WAKELINE_ERROR_EXCEPTION = 130,       ///< a callback threw a C++ exception, or the library did
  WAKELINE_ERROR_NO_MEMORY = 131,       ///< no memory
};

/// The stable word of a code: "too_short"; "unknown" for a number that is none. Never NULL.
WAKELINE_C_API const char* wakeline_error_name(wakeline_error_t code);

/// For people: what was wrong, and where, in the last call of this thread that failed; "" before
/// any. Never NULL; good until the thread's next call.
WAKELINE_C_API const char* wakeline_error_message(void);

/// Bytes that are shown to a callback, followed by a 0 byte that `size` does not count.
typedef struct wakeline_text {
  const char* data;  ///< never NULL
  size_t size;       ///< in bytes
} wakeline_text_t;

#ifdef __cplusplus
}
#endif
