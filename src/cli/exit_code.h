// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/error.h"

namespace wakeline::cli {

/// What every subcommand ends with; in the manual page too. Append only.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,         ///< the thing asked for did not happen
  kExitUsage = 2,          ///< the command line is wrong
  kExitConfiguration = 3,  ///< a file or value of the user is wrong: the message names it
  kExitAddressInUse = 4,   ///< another program holds the port or socket path
  kExitPermission = 5,     ///< the system does not allow it
  kExitUnreachable = 6,    ///< the host or server does not answer
  kExitUnauthorized = 7,   ///< the server refused the token
  kExitStorage = 8,        ///< the disk is full or failed, or what was printed did not come out
};

/// What `wakeline run` ends with where the program has no code of its own; as env(1) and the
/// shells.
enum RunExitCode : int {
  kExitRunFailed = 125,      ///< the host did not run it, or nobody knows how it ended
  kExitRunPermission = 126,  ///< the program cannot be executed
  kExitRunNotFound = 127,    ///< there is no such program
  kExitRunSignal = 128,      ///< plus the number of the signal that ended it
};

int exit_code_of(base::ErrorCode code);

/// Prints "wakeline: WHAT: TEXT" on stderr, made printable, then `hint` on a line of its own when
/// it is not empty. Where stderr takes nothing, there is nobody to tell. Returns: the exit code of
/// the error.
int report(std::string_view what, const base::Error& error, std::string_view hint = {});
int report(std::string_view what, base::ErrorCode code, std::string_view text,
           std::string_view hint = {});

}  // namespace wakeline::cli
