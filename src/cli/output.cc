// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "cli/exit_code.h"

namespace wakeline::cli {

void open_missing_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    if (::open("/dev/null", O_RDWR) != fd) std::abort();  // the lowest free number is this one
  }
}

bool output_lost() { return std::ferror(stdout) != 0; }

int finish_output(int exit_code) {
  if (std::fflush(stdout) != 0) {
    report("stdout", base::os_error("write", errno));
  } else if (output_lost()) {
    report("stdout", base::ErrorCode::kStorage, "not everything that was printed could be written");
  } else {
    return exit_code;
  }
  return exit_code == kExitOk ? kExitStorage : exit_code;
}

}  // namespace wakeline::cli
