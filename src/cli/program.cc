// SPDX-License-Identifier: Apache-2.0
#include "cli/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "io/clock.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kStopGrace = 8s;
constexpr auto kEndTimeout = 10s;
constexpr int kReadyPollMs = 5;
constexpr std::size_t kReadyFileMax = 4'096;

/// Waits for the end of the process behind `pidfd`.
bool ended_within(int pidfd, std::chrono::milliseconds timeout) {
  pollfd wanted{pidfd, POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(timeout.count())) == 1;
}

void send_signal(int pidfd, int number) {
  ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0);
}

}  // namespace

Outcome<Program> Program::start(const std::vector<std::string>& command,
                                const std::string& log_file,
                                const std::vector<std::string>& environment) {
  const io::UniqueFd log(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return std::unexpected(log_file + ": cannot be written");
  sys::SpawnOptions options;
  options.command = command;
  options.environment = sys::inherit_environment(environment);
  options.output = log.get();
  auto process = sys::spawn(options);
  if (!process) return std::unexpected(command[0] + ": " + base::to_string(process.error()));
  Program program;
  program.process_ = std::move(*process);
  return program;
}

Program& Program::operator=(Program&& other) noexcept {
  if (this != &other) {
    stop();
    process_ = std::exchange(other.process_, {});
  }
  return *this;
}

bool Program::alive() const { return running() && !ended_within(process_.pidfd.get(), 0ms); }

void Program::crash() {
  if (!running()) return;
  send_signal(process_.pidfd.get(), SIGKILL);
  wait();
}

void Program::stop() {
  if (!running()) return;
  send_signal(process_.pidfd.get(), SIGTERM);
  if (!ended_within(process_.pidfd.get(), kStopGrace)) send_signal(process_.pidfd.get(), SIGKILL);
  wait();
}

int Program::wait() {
  if (!running()) return -1;
  int code = -1;
  if (ended_within(process_.pidfd.get(), kEndTimeout)) {
    const auto exit = sys::take_exit(process_.pidfd.get());
    if (exit && exit->known && !exit->signaled) code = exit->code;
  }
  process_ = {};
  return code;
}

Outcome<std::string> await_ready_file(const std::string& path, const Program& program,
                                      const std::string& log_file, base::Duration timeout) {
  const base::Instant end = io::now() + timeout;
  while (io::now() < end && program.alive()) {
    if (auto text = io::read_file(path, kReadyFileMax)) return *text;
    ::poll(nullptr, 0, kReadyPollMs);
  }
  return std::unexpected(fmt::format("the program did not get ready; its log is in {}", log_file));
}

}  // namespace wakeline::cli
