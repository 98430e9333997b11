// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Secrets that are locked until the user logs in: `<wakeline/secret.h>` for C.
/// `<wakeline/wakeline.h>` has the rules of every call.

#include <stddef.h>
#include <stdint.h>
#include <wakeline/c/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Bytes of one secret at most.
#define WAKELINE_SECRET_MAX 65536

/// What an app that is launched before the user has logged in must tell apart (C26): a
/// WAKELINE_SECRET_….
typedef int32_t wakeline_secret_state_t;

/// The values of wakeline_secret_state_t.
enum {
  WAKELINE_SECRET_READABLE = 0,  ///< it was read
  WAKELINE_SECRET_LOCKED = 1,    ///< it is there, and cannot be read yet
  WAKELINE_SECRET_ABSENT = 2,    ///< there is none
  WAKELINE_SECRET_CORRUPT = 3,   ///< what is left of it is not what was written
};

/// The stable word of a state: "locked"; "unknown" for a number that is none.
WAKELINE_C_API const char* wakeline_secret_state_name(wakeline_secret_state_t state);

/// The two folders of wakeline::SecretFolder. One process at a time.
typedef struct wakeline_secret_folder {
  size_t struct_size;   ///< by WAKELINE_SECRET_FOLDER_INIT
  const char* guarded;  ///< locked until the user logs in; holds nothing else
  const char* open;     ///< always readable: which secrets there are
} wakeline_secret_folder_t;
/// Folders yet to be named.
#define WAKELINE_SECRET_FOLDER_INIT {sizeof(wakeline_secret_folder_t), NULL, NULL}

/// `state`: how it is. Where it is readable, its `size` bytes go to `buffer`; they have no 0 byte
/// at their end. `buffer` may be NULL where `capacity` is 0.
/// Errors: BUFFER (`size` says what it needs).
WAKELINE_C_API wakeline_error_t wakeline_secret_read(const wakeline_secret_folder_t* folder,
                                                     const char* secret,
                                                     wakeline_secret_state_t* state, void* buffer,
                                                     size_t capacity, size_t* size);
/// Durable when it returns; a crash leaves the old secret or the new one.
/// Errors: PERMISSION (locked now), INVALID_ARGUMENT (the name), TOO_LARGE, STORAGE_FULL, OS.
WAKELINE_C_API wakeline_error_t wakeline_secret_write(const wakeline_secret_folder_t* folder,
                                                      const char* secret, const void* bytes,
                                                      size_t size);
/// Errors: PERMISSION (locked now), INVALID_ARGUMENT, OS. One that is absent is no error.
WAKELINE_C_API wakeline_error_t wakeline_secret_erase(const wakeline_secret_folder_t* folder,
                                                      const char* secret);

#ifdef __cplusplus
}
#endif
