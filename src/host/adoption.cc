// SPDX-License-Identifier: Apache-2.0
#include "host/adoption.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "linux/socket_scan.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using base::LogLevel;

/// Probes after the idle time: six of ten seconds each, a dead line is found within a minute.
constexpr base::Duration kProbeInterval = std::chrono::seconds(10);
constexpr int kProbes = 6;

bool has_tag(const AppRecord& app, std::uint64_t cookie) {
  return std::ranges::any_of(app.tags,
                             [&](const auto& entry) { return entry.second.cookie == cookie; });
}

void keep_alive(const AppRecord& app, const sys::FoundSocket& found) {
  const base::Duration idle = app.manifest.tcp_keep_alive;
  if (idle == base::Duration::zero()) return;
  const auto set = sys::set_tcp_keep_alive(found.duplicate.get(), idle, kProbeInterval, kProbes);
  if (set) return;
  base::log(LogLevel::kWarning, "host", "{}: {}: {}", app.manifest.id, sys::to_string(found.remote),
            base::to_string(set.error()));
}

void tag(Driver& driver, AppRecord& app, const sys::FoundSocket& found) {
  TagRecord record;
  record.process = found.process;
  record.fd = found.fd;
  record.cookie = found.cookie;
  record.remote = found.remote;
  driver.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    // A refusal is in the ledger: too many tags.
    if (const auto given = doze.tag(now, app.id, out)) {
      app.tags.emplace(*given, std::move(record));
    }
  });
}

void tell_denied(Driver& driver, AppRecord& app, pid_t pid) {
  if (std::exchange(app.denial_told, true)) return;
  const std::string what = fmt::format(
      "process {}: its sockets cannot be found: it must be of the host's user and dumpable, or the "
      "host needs CAP_SYS_PTRACE",
      pid);
  base::log(LogLevel::kWarning, "host", "{}: {}", app.manifest.id, what);
  driver.note(&app, doze::name(doze::LedgerEvent::kRefuse),
              std::string(base::name(ErrorCode::kPermission)), what);
}

/// Of an app without a line: whether one is being set up, or it had no time yet to begin.
bool is_line_awaited(AppRecord& app, const sys::SocketScan& scan) {
  if (!scan.sockets.empty()) return ++app.postponements <= kPostponementsMax;
  return scan.denied.empty() && app.tags.empty() && io::now() < app.line_due;
}

}  // namespace

base::Result<bool> adopt_sockets(Driver& driver, AppRecord& app) {
  const wire::SocketRule& rule = app.manifest.sockets;
  if (rule.empty()) return true;
  auto scan = sys::scan_sockets(app.process->group().processes());
  if (!scan) return base::fail(scan.error());
  if (!scan->denied.empty()) tell_denied(driver, app, scan->denied.front());
  // Of one that is being set up the peer's port is not known yet.
  const auto wanted = [&](const sys::FoundSocket& found) {
    return !found.connected || rule.matches(found.local_port, found.remote.port);
  };
  std::erase_if(scan->sockets, [&](const auto& found) { return !wanted(found); });
  const auto connected = [](const sys::FoundSocket& found) { return found.connected; };
  const bool has_line = std::ranges::any_of(scan->sockets, connected);
  if (!has_line && is_line_awaited(app, *scan)) {
    app.line_awaited = true;
    return false;
  }
  // It has come in the meantime. One more try: time for the first words over it.
  if (std::exchange(app.line_awaited, false) && has_line) return false;
  app.postponements = 0;
  for (const sys::FoundSocket& found : scan->sockets) {
    // With a line at hand the others can come later. Without one, what becomes of an attempt that
    // takes too long wakes the program.
    if ((has_line && !found.connected) || has_tag(app, found.cookie)) continue;
    keep_alive(app, found);
    tag(driver, app, found);
  }
  return true;
}

}  // namespace wakeline::host
