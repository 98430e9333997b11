// SPDX-License-Identifier: Apache-2.0
#include "server/successor.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "io/unique_fd.h"

namespace wakeline::server {
namespace {

/// From the two processes that begin, through a pipe that closes when the program runs.
struct Word {
  pid_t pid = 0;
  int error = 0;
};

void say(int fd, Word word) {
  if (::write(fd, &word, sizeof word) != sizeof word) ::_exit(127);
}

/// In a child of a process with threads: nothing but calls that are safe there.
[[noreturn]] void start(int fd, char* const* arguments) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execve(arguments[0], arguments, environ);
    say(fd, {.error = errno});
    ::_exit(127);
  }
  say(fd, pid > 0 ? Word{.pid = pid} : Word{.error = errno});
  ::_exit(0);
}

}  // namespace

base::Result<pid_t> start_successor(std::vector<std::string> words) {
  constexpr const char* kWhere = "successor";
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail(base::os_error(kWhere, errno));
  const io::UniqueFd read_end(ends[0]);
  io::UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return base::fail(base::os_error(kWhere, errno));
  if (child == 0) start(write_end.get(), arguments.data());
  write_end.reset();
  Word word;
  Word result;
  while (::read(read_end.get(), &word, sizeof word) == sizeof word) {
    if (word.pid > 0) result.pid = word.pid;
    if (word.error != 0) result.error = word.error;
  }
  ::waitpid(child, nullptr, 0);
  if (result.error != 0) return base::fail(base::os_error(kWhere, result.error));
  if (result.pid == 0) return base::fail(base::os_error(kWhere, ECHILD));
  return result.pid;
}

}  // namespace wakeline::server
