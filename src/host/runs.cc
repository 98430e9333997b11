// SPDX-License-Identifier: Apache-2.0
#include "host/runs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "io/file.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using base::LogLevel;
using wire::host::Reply;
using wire::host::RequestId;

/// Of the file that keeps an app's manifest.
constexpr std::string_view kRunSuffix = ".desktop";

/// What rides along with `run`.
struct RunText {
  std::string manifest;
  std::vector<std::string> environment;
};

/// Reads the memory file. Sealed, it can neither change under us nor make us wait.
base::Result<RunText> read_run_text(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_WRITE | F_SEAL_SHRINK;
  if (seals < 0 || (seals & kNeeded) != kNeeded) {
    return base::fail(ErrorCode::kInvalidArgument, "the fourth descriptor: a sealed memory file");
  }
  struct stat about{};
  if (::fstat(fd, &about) != 0) return base::fail(base::os_error("fstat", errno));
  if (std::cmp_greater(about.st_size, wire::host::kRunTextMax)) {
    return base::fail(ErrorCode::kTooLarge, "manifest and environment");
  }
  std::string text(static_cast<std::size_t>(about.st_size), '\0');
  for (std::size_t have = 0; have < text.size();) {
    const ssize_t size =
        ::pread(fd, text.data() + have, text.size() - have, static_cast<off_t>(have));
    if (size <= 0) return base::fail(base::os_error("pread", errno));
    have += static_cast<std::size_t>(size);
  }
  RunText result;
  const std::size_t end = text.find('\0');
  result.manifest = text.substr(0, end);
  for (std::size_t at = end; at != std::string::npos && at + 1 < text.size();) {
    const std::size_t next = text.find('\0', at + 1);
    result.environment.push_back(text.substr(at + 1, next - at - 1));
    at = next;
  }
  return result;
}

Reply refused(RequestId request, ErrorCode code, std::string message) {
  return {request, code, std::move(message), 0};
}

int number_of(wire::host::SignalWord word) {
  switch (word) {
    case wire::host::SignalWord::kInterrupt:
      return SIGINT;
    case wire::host::SignalWord::kTerminate:
      return SIGTERM;
    case wire::host::SignalWord::kHangup:
      return SIGHUP;
    case wire::host::SignalWord::kQuit:
      return SIGQUIT;
  }
  return SIGTERM;
}

}  // namespace

Runs::Runs(io::Loop& loop, Driver& driver, std::string folder)
    : loop_(loop), driver_(driver), folder_(std::move(folder)) {
  if (auto made = io::make_folder(folder_); !made) {
    base::log(LogLevel::kError, "host", "{}: {}", folder_, base::to_string(made.error()));
  }
}

void Runs::restore(const std::vector<std::string>& living) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (io::is_unfinished(name)) {  // a host died while it wrote it
      std::error_code ignored;
      std::filesystem::remove(entry.path(), ignored);
    }
    if (!name.ends_with(kRunSuffix)) continue;
    const std::string id = name.substr(0, name.size() - kRunSuffix.size());
    const auto text = io::read_file(entry.path().string(), wire::kManifestMax);
    auto manifest = wire::parse_desktop_entry(text ? *text : std::string(), id);
    const bool lives = std::ranges::find(living, id) != living.end();
    if (lives && manifest && driver_.install(*manifest)) {
      AppRecord* app = driver_.find(id);
      if (app != nullptr && app->process->group().main_process()) {
        apps_.insert(id);
        watch(*app);
        continue;
      }
      driver_.uninstall(id);
    }
    std::error_code ignored;
    std::filesystem::remove(entry.path(), ignored);
  }
}

Reply Runs::run(const wire::host::Run& run, std::vector<io::UniqueFd> fds, std::uint64_t waiter,
                OnEnded on_ended) {
  if (fds.size() != 4) {
    return refused(run.request, ErrorCode::kInvalidArgument,
                   "stdin, stdout, stderr and the manifest's memory file ride along with 'run'");
  }
  auto text = read_run_text(fds[3].get());
  if (!text) return refused(run.request, text.error().code, base::to_string(text.error()));
  auto manifest = wire::parse_desktop_entry(text->manifest, {});
  if (!manifest) {
    return refused(run.request, manifest.error().code,
                   wire::to_string(manifest.error(), "the manifest"));
  }
  manifest->relaunch = false;  // its caller is told how it ended, and starts it anew
  auto streams = std::make_unique<LaunchStreams>();
  streams->input = std::move(fds[0]);
  streams->output = std::move(fds[1]);
  streams->errors = std::move(fds[2]);
  streams->environment = std::move(text->environment);
  Reply reply = start(run, *manifest, text->manifest, std::move(streams));
  if (reply.error == ErrorCode::kOk) {
    waiters_[manifest->id].push_back({waiter, run.request, std::move(on_ended)});
  }
  return reply;
}

Reply Runs::start(const wire::host::Run& run, const wire::Manifest& manifest,
                  const std::string& text, std::unique_ptr<LaunchStreams> streams) {
  const std::string& id = manifest.id;
  if (driver_.find(id) != nullptr) {
    return refused(run.request, ErrorCode::kAlreadyExists,
                   fmt::format("there is an app '{}' already; give this one another --name", id));
  }
  const base::Duration least = driver_.machine().profile().keep_alive_min;
  if (manifest.keep_alive > base::Duration::zero() && manifest.keep_alive < least) {
    return refused(run.request, ErrorCode::kTooShort,
                   fmt::format("a keep-alive timeout below {} s is refused by this host's profile",
                               std::chrono::ceil<std::chrono::seconds>(least).count()));
  }
  auto done = io::write_file(path_of(id), text);
  if (done) done = driver_.install(manifest);
  AppRecord* app = done ? driver_.find(id) : nullptr;
  if (app == nullptr) {
    remove(id);
    return refused(run.request, done.error().code, base::to_string(done.error()));
  }
  apps_.insert(id);
  watch(*app);
  app->streams = std::move(streams);
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    if (run.background) {
      doze.on_launch_wanted(now, app->id, wire::host::LaunchReason::kUser, out);
    } else {
      doze.on_foreground(now, app->id, out);
    }
  });
  if (app->launch_error.code != ErrorCode::kOk) {
    const base::Error error = app->launch_error;
    remove(id);
    return refused(run.request, error.code,
                   manifest.command.front() + ": " + base::to_string(error));
  }
  if (!app->process->running()) {
    remove(id);
    return refused(run.request, ErrorCode::kClosed, "the host is ending");
  }
  return {run.request, ErrorCode::kOk, {}, static_cast<std::uint64_t>(app->process->pid())};
}

Reply Runs::await(const wire::host::Await& wanted, std::uint64_t waiter, OnEnded on_ended) {
  AppRecord* app = driver_.find(wanted.app);
  if (app == nullptr || !app->process->running()) {
    return refused(wanted.request, ErrorCode::kNotFound, "'" + wanted.app + "' does not run");
  }
  watch(*app);
  waiters_[wanted.app].push_back({waiter, wanted.request, std::move(on_ended)});
  return {wanted.request, ErrorCode::kOk, {}, 0};
}

Reply Runs::signal(const wire::host::Signal& signal) {
  AppRecord* app = driver_.find(signal.app);
  if (app == nullptr || !app->process->running()) {
    return refused(signal.request, ErrorCode::kNotFound, "'" + signal.app + "' does not run");
  }
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_attention_wanted(now, app->id, out);
  });
  app->process->signal(number_of(signal.signal));
  return {signal.request, ErrorCode::kOk, {}, 0};
}

void Runs::forget(std::uint64_t waiter) {
  for (auto& [app, waiters] : waiters_) {
    std::erase_if(waiters, [&](const Waiter& one) { return one.number == waiter; });
  }
  std::erase_if(waiters_, [](const auto& entry) { return entry.second.empty(); });
}

void Runs::watch(AppRecord& app) {
  app.on_ended = [this, id = app.manifest.id](sys::ExitInfo info) { on_ended(id, info); };
}

void Runs::on_ended(const std::string& app, sys::ExitInfo info) {
  const auto found = waiters_.find(app);
  if (found != waiters_.end()) {
    const auto waiters = std::move(found->second);
    waiters_.erase(found);
    for (const Waiter& waiter : waiters) {
      waiter.on_ended({waiter.request, info.known, info.signaled,
                       static_cast<std::uint32_t>(info.known ? info.code : 0)});
    }
  }
  // Later: its process is still in the midst of telling that it has ended.
  if (apps_.contains(app)) loop_.post([this, app] { remove(app); });
}

void Runs::remove(const std::string& app) {
  driver_.uninstall(app);
  apps_.erase(app);
  waiters_.erase(app);
  std::error_code ignored;
  std::filesystem::remove(path_of(app), ignored);
}

}  // namespace wakeline::host
