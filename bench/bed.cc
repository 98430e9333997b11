// SPDX-License-Identifier: Apache-2.0
#include "bed.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <set>
#include <stop_token>
#include <thread>

#include "host/ledger.h"
#include "host/options.h"
#include "io/clock.h"
#include "io/file.h"
#include "loopback.h"

namespace wakeline::bench {
namespace {

using namespace std::chrono_literals;

constexpr int kAnswerTimeoutMs = 10'000;
constexpr int kConnectTimeoutMs = 60'000;

/// Reads exactly `size` bytes; false at the end or after the timeout.
bool read_all(int fd, void* out, std::size_t size, int timeout_ms = kAnswerTimeoutMs) {
  auto* at = static_cast<char*>(out);
  while (size > 0) {
    pollfd wanted{fd, POLLIN, 0};
    if (::poll(&wanted, 1, timeout_ms) != 1) return false;
    const ssize_t got = ::recv(fd, at, size, 0);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

/// Reads the ledger's file until there were `wakes` wakes and each of `count` apps was suspended
/// after its last one.
Outcome<void> await_suspended_in(const std::string& state_folder, int count, int wakes) {
  auto reader = host::LedgerReader::open(state_folder);
  if (!reader) return std::unexpected("ledger: " + base::to_string(reader.error()));
  std::set<std::string> asleep;
  std::uint64_t last = 0;
  const base::Instant end = io::now() + 120s;
  while (io::now() < end) {
    const auto lines = reader->after(last, 1000);
    if (!lines) return std::unexpected("ledger: " + base::to_string(lines.error()));
    for (const auto& line : *lines) {
      last = line.id;
      if (line.event == "suspend") asleep.insert(line.app);
      if (line.event != "wake") continue;
      asleep.erase(line.app);
      --wakes;
    }
    if (lines->empty() && wakes <= 0 && static_cast<int>(asleep.size()) == count) return {};
    if (lines->empty()) ::poll(nullptr, 0, 50);
  }
  return std::unexpected(
      fmt::format("only {} of {} apps were suspended in two minutes", asleep.size(), count));
}

}  // namespace

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::string beside(const std::string& program) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / program;
}

Outcome<Door> Door::open() {
  Door door;
  door.fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!door.fd_ || ::bind(door.fd_.get(), generic, size) != 0 ||
      ::listen(door.fd_.get(), 4096) != 0 || ::getsockname(door.fd_.get(), generic, &size) != 0) {
    return std::unexpected(base::to_string(base::os_error("listen on loopback", errno)));
  }
  door.port_ = ntohs(address.sin_port);
  return door;
}

Outcome<io::UniqueFd> Door::accept(int timeout_ms) const {
  pollfd wanted{fd_.get(), POLLIN, 0};
  if (::poll(&wanted, 1, timeout_ms) != 1) return std::unexpected("no app connected in time");
  io::UniqueFd socket(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket) return std::unexpected(base::to_string(base::os_error("accept", errno)));
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

Outcome<std::int64_t> ring(const Line& line) {
  const char byte = 1;
  const std::int64_t sent = monotonic_ns();
  if (::send(line.socket.get(), &byte, 1, MSG_NOSIGNAL) != 1)
    return std::unexpected("the app's connection is gone");
  std::int64_t received = 0;
  if (!read_all(line.socket.get(), &received, sizeof received))
    return std::unexpected("the app did not answer in 10 s");
  return received - sent;
}

/// While the host launches: the backlog of a socket holds 4,096, and an app that waits for a place
/// in it tags nothing, and says nothing on its other connections.
static Outcome<std::vector<io::UniqueFd>> accept_all(const Door& door, std::size_t count,
                                                     const std::stop_token& stop) {
  constexpr int kSliceMs = 200;
  std::vector<io::UniqueFd> sockets;
  base::Instant end = io::now() + std::chrono::milliseconds(kConnectTimeoutMs);
  while (sockets.size() < count && !stop.stop_requested()) {
    auto socket = door.accept(kSliceMs);
    if (socket) {
      sockets.push_back(std::move(*socket));
      end = io::now() + std::chrono::milliseconds(kConnectTimeoutMs);
    } else if (io::now() >= end) {
      return std::unexpected(socket.error());
    }
  }
  return sockets;
}

/// bench-app introduces itself when its socket is tagged: 64 bytes, its id padded with zeros.
static Outcome<Line> introduced(io::UniqueFd socket) {
  std::array<char, 64> id{};
  if (!read_all(socket.get(), id.data(), id.size(), kConnectTimeoutMs))
    return std::unexpected("an app connected and said nothing");
  return Line{std::move(socket), std::string(id.data())};
}

Outcome<Line> Bed::welcome(const Door& door) {
  auto socket = door.accept(kConnectTimeoutMs);
  if (!socket) return std::unexpected(socket.error());
  return introduced(std::move(*socket));
}

Outcome<std::unique_ptr<Bed>> Bed::make(const BedOptions& options, const Door& door) {
  std::unique_ptr<Bed> bed(new Bed);
  std::string pattern = std::filesystem::temp_directory_path() /
                        fmt::format("wakeline-bench-{}-XXXXXX", options.name);
  if (::mkdtemp(pattern.data()) == nullptr) return std::unexpected(pattern + ": cannot be made");
  bed->folder_ = pattern;
  bed->apps_ = options.apps;
  const std::string apps = pattern + "/apps";
  const std::string log = bed->log_file();
  if (!io::make_folder(apps)) return std::unexpected(apps + ": cannot be made");
  for (const auto& [id, manifest] : options.manifests) {
    if (!io::write_file(fmt::format("{}/{}.desktop", apps, id), manifest))
      return std::unexpected(apps + ": cannot be written");
  }
  if (!options.manifests.empty()) bed->apps_ = static_cast<int>(options.manifests.size());
  const int bench_apps = options.manifests.empty() ? options.apps : 0;
  for (int i = 0; i < bench_apps; ++i) {
    const std::string manifest = fmt::format(
        "[Desktop Entry]\nType=Application\nName=Bench {0}\nExec=\"{1}\" "
        "{2}{3}\nX-Wakeline-BackgroundModes=voip;\nX-Wakeline-Environment={4}\n",
        i, beside(options.lines > 1 ? "bench-lines" : "bench-app"), door.port(),
        options.lines > 1 ? " " + std::to_string(options.lines) : std::string(),
        options.environment);
    if (!io::write_file(fmt::format("{}/app{:04}.desktop", apps, i), manifest))
      return std::unexpected(apps + ": cannot be written");
  }
  std::vector<std::string> command = {
      beside("wakeline"), "--log-level",    "warning",          "host",     "--runtime-folder",
      pattern + "/run",   "--state-folder", pattern + "/state", "--apps",   apps,
      "--freezer",        options.freezer,  "--notifier",       "terminal", "--ready-file",
      bed->ready_file()};
  for (const std::string& setting : options.profile) {
    command.push_back("--set");
    command.push_back(setting);
  }
  bed->command_ = ends_with_us(command);
  Outcome<std::vector<io::UniqueFd>> accepted;  // the thread's, until it is joined
  std::jthread accepting([&](const std::stop_token& stop) {
    accepted = accept_all(door, static_cast<std::size_t>(bench_apps * options.lines), stop);
  });
  if (const auto started = bed->start_host(); !started) return std::unexpected(started.error());
  accepting.join();
  if (!accepted) return std::unexpected(accepted.error() + "; the host's log is in " + log);
  for (auto& socket : *accepted) {
    auto line = introduced(std::move(socket));
    if (!line) return std::unexpected(line.error() + "; the host's log is in " + log);
    bed->lines_.push_back(std::move(*line));
  }
  if (options.manifests.empty()) {
    if (const auto asleep = bed->await_all_suspended(0); !asleep)
      return std::unexpected(asleep.error());
  }
  // From here on the host tells what is new.
  if (!bed->control_->follow(0)) return std::unexpected("the host gives no ledger");
  bed->keeps_folder_ = false;
  return bed;
}

Outcome<void> Bed::start_host() {
  std::error_code ignored;
  std::filesystem::remove(ready_file(), ignored);
  auto host = cli::Program::start(command_, log_file());
  if (!host) return std::unexpected(host.error());
  host_ = std::move(*host);
  keeps_folder_ = true;  // for the log that the errors name
  if (const auto text = cli::await_ready_file(ready_file(), host_, log_file(), 60s); !text)
    return std::unexpected(text.error());
  auto control = host::ControlClient::connect(host::socket_path(folder_ + "/run"));
  if (!control) return std::unexpected("the host does not answer: " + control.error().message);
  control_.emplace(std::move(*control));
  return {};
}

void Bed::crash_host() { host_.crash(); }

Outcome<void> Bed::restart_host() {
  control_.reset();
  if (const auto started = start_host(); !started) return started;
  keeps_folder_ = false;
  return {};
}

Bed::~Bed() {
  control_.reset();
  lines_.clear();
  host_.stop();
  std::error_code ignored;
  if (!folder_.empty() && !keeps_folder_) std::filesystem::remove_all(folder_, ignored);
}

Outcome<void> Bed::await_event(const std::string& app, const std::string& event,
                               base::Duration timeout) {
  const base::Instant end = io::now() + timeout;
  while (io::now() < end) {
    const auto line = control_->next_line(end - io::now());
    if (!line) return std::unexpected("the host ended");
    if (line->has_value() && (*line)->app == app && (*line)->event == event) return {};
  }
  return std::unexpected(fmt::format("no '{}' of {} in the ledger", event, app));
}

Outcome<void> Bed::await_all_suspended(int wakes) {
  return await_suspended_in(folder_ + "/state", apps_, wakes);
}

Outcome<void> Bed::await_asleep() {
  const base::Instant end = io::now() + 120s;
  std::ptrdiff_t asleep = 0;
  while (io::now() < end) {
    const auto apps = control_->list();
    if (!apps) return std::unexpected("the host does not list its apps: " + apps.error().message);
    asleep =
        std::ranges::count(*apps, wire::host::AppState::kSuspended, &wire::host::AppInfo::state);
    if (asleep == apps_) return {};
    ::poll(nullptr, 0, 100);
  }
  return std::unexpected(fmt::format("only {} of {} apps sleep after two minutes", asleep, apps_));
}

Outcome<void> Bed::await_suspended(const std::string& app, base::Duration timeout) {
  return await_event(app, "suspend", timeout);
}

}  // namespace wakeline::bench
