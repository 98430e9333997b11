// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The library for C, and for whatever calls C: the same contract as `<wakeline/app.h>` and its
/// neighbours, which say more about each thing. C99 and later; C++ too.
///
/// Handles: `wakeline_app_t*` and the like are numbers in disguise; never look behind one. Each is
/// given by one function and ended by its `wakeline_…_free`. In any order: what hangs on an app
/// lives on. A handle that was freed, NULL or of another kind is refused with
/// WAKELINE_ERROR_HANDLE, and never means another thing later.
///
/// Errors: every function that can fail returns a `wakeline_error_t`, and WAKELINE_OK is 0. Each
/// may return WAKELINE_ERROR_HANDLE, WAKELINE_ERROR_INVALID_ARGUMENT (NULL where something is
/// needed, a value outside of its range), WAKELINE_ERROR_NO_MEMORY and WAKELINE_ERROR_EXCEPTION;
/// "Errors:" names the others. What a function would give through a pointer is untouched then.
///
/// Memory: what goes in is copied before the function returns, but for `user`. What comes out goes
/// to memory of the caller. What a callback is shown lives until it returns. Texts are UTF-8, and
/// end with a 0 byte.
///
/// Structs begin with `struct_size`, by which old and new programs and libraries get on: start from
/// the `WAKELINE_…_INIT` of its type, in which every other member is 0, the default. What a newer
/// program asks and this library does not know is WAKELINE_ERROR_UNSUPPORTED.
///
/// Callbacks run in the thread that calls `wakeline_app_dispatch` or `wakeline_app_run` (those of a
/// stream: `wakeline_run_loop_dispatch` or `…_run` of its loop), one at a time, with the `user`
/// that was registered beside them. NULL takes a callback away. After it was replaced, taken away,
/// or its handle freed *in that thread*, it is not called again and `user` may go; another thread
/// waits until the dispatching call has returned. A callback may call every function here,
/// `wakeline_…_free` of its own handle too, but for dispatch and run. It must not leave by longjmp.
/// When one that is written in C++ throws, dispatch or run returns WAKELINE_ERROR_EXCEPTION; the
/// rest is run by the next call.
///
/// Threads: any thread may call any function, also for the same handle, but for dispatch and run.
/// `wakeline_app_stop` alone is for signal handlers too. A fork keeps nothing of the library.

#include <wakeline/c/app.h>
#include <wakeline/c/background.h>
#include <wakeline/c/error.h>
#include <wakeline/c/notification.h>
#include <wakeline/c/push_client.h>
#include <wakeline/c/secret.h>
#include <wakeline/c/stream.h>
