// SPDX-License-Identifier: Apache-2.0
#include "host/app_process.h"

#include <csignal>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::host {

base::Result<std::unique_ptr<AppProcess>> AppProcess::create(io::Loop& loop, sys::ExitSet& exits,
                                                             sys::Freezer& freezer,
                                                             const std::string& id,
                                                             OnExit on_exit) {
  std::unique_ptr<AppProcess> app(new AppProcess(loop, exits, id, std::move(on_exit)));
  auto group = freezer.group(id);
  if (!group) return base::fail(group.error());
  app->group_ = std::move(*group);
  return app;
}

base::Result<void> AppProcess::launch(const wire::Manifest& manifest,
                                      const LaunchSettings& settings,
                                      const LaunchContext& context) {
  const LaunchStreams* const streams = context.streams;
  sys::SpawnOptions options;
  options.command = manifest.command;
  options.working_directory = manifest.working_directory;
  std::vector<std::string> added = manifest.environment;
  added.push_back("WAKELINE_HOST=" + settings.socket_path);
  added.push_back("WAKELINE_APP=" + manifest.id);
  added.push_back("WAKELINE_LAUNCH_REASON=" + std::string(name(context.reason)));
  added.push_back(std::string("WAKELINE_STATE=") +
                  (context.foreground ? "foreground" : "background"));
  if (streams == nullptr) {
    options.environment = sys::inherit_environment(added);
  } else {
    // The first of two variables of one name is the one that counts.
    options.environment = std::move(added);
    options.environment.insert(options.environment.end(), streams->environment.begin(),
                               streams->environment.end());
    options.input = streams->input.get();
    options.output = streams->output.get();
    options.errors = streams->errors.get();
  }
  options.limits = settings.limits;
  auto process = group_->launch(options);
  if (!process) return base::fail(process.error());
  return watch(std::move(*process));
}

base::Result<void> AppProcess::adopt() {
  auto process = group_->main_process();
  if (!process) {
    kill();
    return base::fail(process.error());
  }
  return watch(std::move(*process));
}

base::Result<void> AppProcess::watch(sys::Process process) {
  auto exit_watch = exits_.watch(process.pidfd.get(), [this](sys::ExitInfo info) { exited(info); });
  if (!exit_watch) {
    // Nobody would learn of its end.
    kill();
    return base::fail(exit_watch.error());
  }
  process_ = std::move(process);
  exit_watch_ = std::move(*exit_watch);
  return {};
}

void AppProcess::exited(sys::ExitInfo info) {
  exit_watch_.reset();
  process_ = {};
  grace_timer_.reset();
  // Children that outlived the main process belong to nobody now, and hold its sockets.
  if (!group_->processes().empty()) kill();
  on_exit_(info);
}

void AppProcess::signal(int number) {
  if (auto sent = group_->signal(number); !sent) {
    base::log(base::LogLevel::kWarning, "host", "{}: signal {}: {}", id_, number,
              base::to_string(sent.error()));
  }
}

void AppProcess::end(base::Duration grace) {
  signal(SIGTERM);
  auto timer = io::DeadlineTimer::create(loop_, io::TimerKind::kBoottime, [this] { kill(); });
  if (!timer) {
    // Without a clock there is no grace.
    base::log(base::LogLevel::kWarning, "host", "{}: grace: {}", id_,
              base::to_string(timer.error()));
    kill();
    return;
  }
  grace_timer_ = std::move(*timer);
  grace_timer_->set(base::saturating_add(io::now(), grace));
}

void AppProcess::kill() {
  if (auto killed = group_->kill(); !killed) {
    base::log(base::LogLevel::kWarning, "host", "{}: SIGKILL: {}", id_,
              base::to_string(killed.error()));
  }
}

}  // namespace wakeline::host
