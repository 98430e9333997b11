// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Whether what a command printed came out.
namespace wakeline::cli {

/// A descriptor for each of 0, 1 and 2: without, the next file or socket would get the number, and
/// what is printed.
void open_missing_streams();

/// Whether something that was printed on stdout did not come out, as far as is known by now. A
/// command that goes on by itself ends then.
bool output_lost();

/// Lets out what stdout still holds. Where something was lost that is told on stderr.
/// Returns: `exit_code`; kExitStorage where it says that all is well and something was lost.
int finish_output(int exit_code);

}  // namespace wakeline::cli
