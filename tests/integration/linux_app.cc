// SPDX-License-Identifier: Apache-2.0
// The app that the tests of the operating system's part suspend, wake and kill.
//   linux_app answer PORT    connects to the loopback and obeys single bytes, blocking in recv:
//                            '?' is answered with '!', 'f' forks a child that spins ('F'),
//                            'd' forks a child in a session of its own, orphaned ('D'),
//                            'c' closes the socket and lives on, 'x' exits with status 7
//   linux_app spin           uses the processor until killed
//   linux_app report         prints what it inherited
//   linux_app parent         forks a child that waits, prints its pid, collects it, then waits
//   linux_app local PATH     connects to a local socket, says so, and reads nothing
//   linux_app ring           holds an io_uring, prints its descriptor, then waits
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

[[noreturn]] void spin() {
  volatile unsigned turns = 0;
  while (true) turns = turns + 1;
}

[[noreturn]] void wait_for_ever() {
  while (true) ::pause();
}

void fork_orphan() {
  const pid_t middle = ::fork();
  if (middle != 0) {
    ::waitpid(middle, nullptr, 0);
    return;
  }
  ::setsid();
  if (::fork() == 0) spin();
  ::_exit(0);
}

int connect_local(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 2;
  std::puts("connected");
  std::fflush(stdout);
  wait_for_ever();
}

int answer(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 2;
  // The first line tells the descriptor's number and who we are.
  const std::string hello = std::to_string(fd) + " " + std::to_string(::getpid()) + "\n";
  if (::send(fd, hello.data(), hello.size(), 0) < 0) return 3;
  while (true) {
    char command = 0;
    const ssize_t got = ::recv(fd, &command, 1, 0);
    // An interrupted or failed call is told as 'E': a suspended app must never see one (C7).
    char reply = got < 0 ? 'E' : '!';
    if (got == 0) return 0;
    if (command == 'x') return 7;
    if (command == 'c') {
      ::close(fd);
      wait_for_ever();
    }
    if (command == 'f') {
      if (::fork() == 0) spin();
      reply = 'F';
    }
    if (command == 'd') {
      fork_orphan();
      reply = 'D';
    }
    if (::send(fd, &reply, 1, MSG_NOSIGNAL) < 0) return 4;
  }
}

int report() {
  std::printf("session %d\n", ::getsid(0) == ::getpid());
  struct stat null_device = {};
  struct stat in = {};
  ::stat("/dev/null", &null_device);
  ::fstat(0, &in);
  std::printf("stdin %d\n", in.st_rdev == null_device.st_rdev);
  sigset_t mask;
  ::sigprocmask(SIG_SETMASK, nullptr, &mask);
  int blocked = 0;
  int ignored = 0;
  for (int number = 1; number < 65; ++number) {
    struct sigaction action = {};
    blocked += ::sigismember(&mask, number) == 1;
    // A sanitizer handles these for itself.
    if (number == SIGSEGV || number == SIGBUS || number == SIGFPE) continue;
    if (::sigaction(number, nullptr, &action) == 0) ignored += action.sa_handler != SIG_DFL;
  }
  std::printf("blocked %d\nhandled %d\n", blocked, ignored);
  int open = 0;
  for (int fd = 3; fd < 1'024; ++fd) open += ::fcntl(fd, F_GETFD) >= 0;
  std::printf("open %d\n", open);
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  std::printf("files %llu\n", static_cast<unsigned long long>(files.rlim_cur));
  std::printf("nice %d\n", ::getpriority(PRIO_PROCESS, 0));
  char folder[4'096];
  std::printf("folder %s\n", ::getcwd(folder, sizeof folder));
  const char* value = std::getenv("WAKELINE_TEST");
  std::printf("variable %s\n", value ? value : "");
  return 0;
}

int parent() {
  const pid_t child = ::fork();
  if (child == 0) wait_for_ever();
  std::printf("%d\n", child);
  std::fflush(stdout);
  ::waitpid(child, nullptr, 0);
  wait_for_ever();
}

int ring() {
  io_uring_params parameters = {};
  const auto fd = static_cast<int>(::syscall(SYS_io_uring_setup, 4, &parameters));
  std::printf("%d\n", fd);
  std::fflush(stdout);
  wait_for_ever();
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view mode = count > 1 ? arguments[1] : "";
  if (mode == "answer" && count > 2) return answer(std::atoi(arguments[2]));
  if (mode == "spin") spin();
  if (mode == "report") return report();
  if (mode == "parent") return parent();
  if (mode == "ring") return ring();
  if (mode == "local" && count > 2) return connect_local(arguments[2]);
  return 64;
}
