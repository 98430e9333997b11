// SPDX-License-Identifier: Apache-2.0
// The app of the benchmarks: connects to a port of loopback, tags its socket, and answers each byte
// with the moment at which its blocking recv had returned.
//   bench-app PORT
// With BENCH_HOLD_MIB it holds so much memory, half of it random, and works on BENCH_TOUCH_KIB of
// it, spread over all, before it answers. With BENCH_THREADS it has so many more that wait.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <array>
#include <charconv>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>
#include <vector>

namespace {

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return fd;
}

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

constexpr std::size_t kPage = 4096;

std::size_t number_of(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : static_cast<std::size_t>(std::atol(text));
}

std::vector<unsigned char> hold(std::size_t mib) {
  std::vector<unsigned char> memory(mib << 20);
  // What compresses badly and what compresses well, page by page.
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < memory.size(); ++i) {
    state = state * 1664525 + 1013904223;
    memory[i] = i / kPage % 2 == 0 ? static_cast<unsigned char>(state >> 24) : 1;
  }
  return memory;
}

/// Threads that wait in a futex for ever, as those of a pool do.
void idle_threads(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    std::thread([] {
      std::mutex mutex;
      std::condition_variable never;
      std::unique_lock lock(mutex);
      never.wait(lock, [] { return false; });
    }).detach();
  }
}

void work_on(std::vector<unsigned char>& memory, std::size_t kib) {
  const std::size_t pages = kib * 1024 / kPage;
  if (memory.empty() || pages == 0) return;
  const std::size_t step = memory.size() / pages;
  for (std::size_t i = 0; i < pages; ++i) ++memory[i * step];
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  if (argc != 2 ||
      std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), port).ec != std::errc()) {
    std::fprintf(stderr, "usage: bench-app PORT\n");
    return 2;
  }
  std::vector<unsigned char> memory = hold(number_of("BENCH_HOLD_MIB"));
  const std::size_t touch_kib = number_of("BENCH_TOUCH_KIB");
  idle_threads(number_of("BENCH_THREADS"));
  auto app = wakeline::App::create();
  if (!app) return std::fprintf(stderr, "bench-app: %s\n", app.error().message.c_str()), 1;
  const int fd = connect_to(port);
  if (fd < 0) return std::perror("bench-app: connect"), 1;
  std::array<char, 64> id{};
  // A host that is launching a thousand apps may welcome this one late; untagged it would be no app
  // to measure.
  const char* wanted = std::getenv("WAKELINE_HOST");
  auto host = app->host();
  for (int i = 0; i < 1200 && wanted != nullptr && *wanted != 0 && !host; ++i) {
    ::poll(nullptr, 0, 50);
    host = app->host();
  }
  if (host) {
    if (const auto tagged = app->enable_backgrounding(fd); !tagged) {
      return std::fprintf(stderr, "bench-app: tag: %s\n", tagged.error().message.c_str()), 1;
    }
    std::strncpy(id.data(), host->app.c_str(), id.size() - 1);
  }
  if (::send(fd, id.data(), id.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(id.size())) return 1;
  for (;;) {
    char byte = 0;
    const ssize_t got = ::recv(fd, &byte, 1, 0);
    if (got <= 0) return 0;
    work_on(memory, touch_kib);
    const std::int64_t received = monotonic_ns();
    if (::send(fd, &received, sizeof received, MSG_NOSIGNAL) != sizeof received) return 0;
  }
}
