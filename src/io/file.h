// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/unique_fd.h"

namespace wakeline::io {

/// The file's bytes. Errors: kNotFound, kPermission, kTooLarge (over `limit` bytes), kOs.
base::Result<std::string> read_file(const std::string& path, std::size_t limit);

/// The same of a regular file alone: a FIFO that somebody has put in its place stops nobody.
/// Errors: as read_file; kInvalidArgument (another kind of file).
base::Result<std::string> read_regular_file(const std::string& path, std::size_t limit);

/// Replaces the file whole: a crash leaves the old one or the new one (an unfinished file beside
/// it, fsync, rename, fsync of the folder). Also when several processes write it: the last rename
/// counts. What a process that died left beside it is removed by the next write.
/// Errors: kPermission, kStorageFull (RLIMIT_FSIZE too, without SIGXFSZ), kNotFound (the folder),
///         kBusy (eight write it at this moment), kOs.
base::Result<void> write_file(const std::string& path, std::string_view bytes,
                              unsigned mode = 0600);

/// Who may read what a user has us write.
enum class OutputMode : std::uint8_t {
  kShared,  ///< everybody may read a new file (0644); one that is there keeps its mode
  kSecret,  ///< its owner alone (0600), also where a file was there
};

/// Writes to where a user says. A file is replaced whole, as by write_file; through links, which
/// stay. "-" and a name of what stdout is, such as /dev/stdout, are stdout; that, devices and FIFOs
/// get the bytes straight. Blocks as long as the reader of a FIFO does.
/// Errors: as write_file; kClosed (nobody reads any more; without SIGPIPE).
base::Result<void> write_output(const std::string& path, std::string_view bytes, OutputMode mode);
/// Whether write_output would write to stdout, so that nothing else belongs there.
bool names_stdout(const std::string& path);

/// Removes the file, and what a write that died left beside it; one that is absent is no error.
/// Errors: kPermission, kOs.
base::Result<void> remove_file(const std::string& path);
/// Whether write_file gives that name to a file which is not whole yet.
bool is_unfinished(std::string_view name);

/// Makes the file where it is absent, and takes it for this process until the descriptor is closed
/// or the process ends, however it ends. Errors: kBusy (another process or descriptor has it),
/// kPermission, kStorageFull, kNotFound (the folder), kOs.
base::Result<UniqueFd> lock_file(const std::string& path);

/// Makes the folder and its parents, mode 0700. Errors: kPermission, kStorageFull, kOs.
base::Result<void> make_folder(const std::string& path);
/// Whether what is written to the folder stays what it is: it must be ours or root's, no other user
/// may write to it, and the path to it may end in no stranger's link. For folders in a place where
/// anybody may have made them first, as /tmp. Errors: kPermission, kNotFound, kOs.
base::Result<void> check_own_folder(const std::string& path);

/// $XDG_RUNTIME_DIR/wakeline, or /run/wakeline for root, or /tmp/wakeline-UID: where sockets go.
std::string default_runtime_folder();
/// $XDG_STATE_HOME/wakeline, ~/.local/state/wakeline, or /var/lib/wakeline for root: where state
/// goes.
std::string default_state_folder();

}  // namespace wakeline::io
