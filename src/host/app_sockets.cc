// SPDX-License-Identifier: Apache-2.0
#include "host/app_sockets.h"

#include <poll.h>

#include <algorithm>
#include <map>

#include "base/log.h"
#include "linux/proc.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;

sys::WatchKey watch_key(const AppRecord& app, std::uint64_t member) {
  return {app.id.value, member};
}

bool is_readable(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, 0) > 0;
}

/// A frozen task completes its pending io_uring reads: then the data is in the ring, and the socket
/// says nothing.
void watch_rings(sys::SocketWatch& watch, AppRecord& app) {
  std::map<pid_t, const TagRecord*> processes;
  for (const auto& [id, tag] : app.tags) processes.emplace(tag.process->pid, &tag);
  std::uint64_t member = kRingMember;
  for (const auto& [pid, tag] : processes) {
    const auto rings = sys::io_uring_fds(pid);
    if (!rings) continue;  // the process has ended; its pidfd tells
    for (const int fd : *rings) {
      auto ring = sys::duplicate_fd(tag->process->pidfd.get(), fd);
      if (!ring) continue;
      // Completions that the app leaves there give one wake, not one after the other (C11).
      if (app.ring_woke && is_readable(ring->get())) continue;
      const auto added =
          watch.add(watch_key(app, member++), std::move(*ring), sys::WatchMode::kLevel);
      if (!added) {
        base::log(base::LogLevel::kWarning, "host", "{}: io_uring {}: {}", app.manifest.id, fd,
                  base::to_string(added.error()));
      }
    }
  }
}

}  // namespace

base::Result<io::UniqueFd> duplicate_of(const TagRecord& tag) {
  return sys::duplicate_socket(tag.process->pidfd.get(), tag.fd, tag.cookie);
}

base::Result<AppReading> read_cpu(AppRecord& app) {
  AppReading result;
  const auto cpu = app.process->group().cpu_time();
  if (!cpu) return base::fail(cpu.error());
  app.cpu = *cpu;
  result.reading.cpu = *cpu;
  result.reading.busy = app.sink != nullptr && app.sink->asked();
  return result;
}

base::Result<void> read_sockets(AppRecord& app, bool keep_duplicates, AppReading& result) {
  for (auto& [id, tag] : app.tags) {
    auto duplicate = duplicate_of(tag);
    if (!duplicate) {
      const ErrorCode code = duplicate.error().code;
      if (code != ErrorCode::kNotFound && code != ErrorCode::kPermission) {
        return base::fail(duplicate.error());
      }
      if (code == ErrorCode::kPermission) {
        base::log(base::LogLevel::kWarning, "host", "{}: tag {} cannot wake it any more: {}",
                  app.manifest.id, id.value, base::to_string(duplicate.error()));
      }
      result.gone.push_back(id);
      continue;
    }
    const auto reading = sys::read_socket(duplicate->get());
    if (!reading) return base::fail(reading.error());
    result.reading.tags.push_back({id, reading->bytes, reading->unread, reading->ended});
    tag.connecting = reading->connecting;
    if (keep_duplicates) tag.duplicate = std::move(*duplicate);
  }
  return {};
}

base::Result<void> watch_tag(sys::SocketWatch& watch, AppRecord& app, const doze::Watch& action) {
  const auto found = app.tags.find(action.tag);
  if (found == app.tags.end()) return base::fail(ErrorCode::kNotFound, "watch");
  TagRecord& tag = found->second;
  io::UniqueFd duplicate = std::move(tag.duplicate);
  if (!duplicate) {
    auto taken = duplicate_of(tag);
    if (!taken) return base::fail(taken.error());
    duplicate = std::move(*taken);
  }
  const auto mode =
      action.mode == doze::WatchMode::kLevel ? sys::WatchMode::kLevel : sys::WatchMode::kEdge;
  // What has ended is not watched.
  auto added = watch.add(watch_key(app, action.tag.value), std::move(duplicate), mode,
                         {.bytes = action.bytes, .connecting = tag.connecting});
  if (added && !app.rings_watched) {
    app.rings_watched = true;
    watch_rings(watch, app);
    app.ring_woke = false;
  }
  return added;
}

void drop_duplicates(sys::SocketWatch& watch, AppRecord& app) {
  watch.remove_group(app.id.value);
  app.rings_watched = false;
  for (auto& [id, tag] : app.tags) tag.duplicate.reset();
}

}  // namespace wakeline::host
