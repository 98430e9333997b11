// SPDX-License-Identifier: Apache-2.0
#include "host/requests.h"

#include "base/log.h"
#include "host/app_sockets.h"
#include "linux/socket_end.h"
#include "linux/socket_probe.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using wire::host::Reply;

Reply accepted(wire::host::RequestId request, std::uint64_t value = 0) {
  return {request, ErrorCode::kOk, {}, value};
}

}  // namespace

std::string advice(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotDeclared:
      return "add X-Wakeline-BackgroundModes=voip; to the app's manifest";
    case ErrorCode::kNotSocket:
      return "the descriptor is closed or no socket";
    case ErrorCode::kNotTcp:
      return "only a TCP socket can wake an app (and in profile linux a UDP socket); media is not "
             "tagged";
    case ErrorCode::kListening:
      return "tag a connection of the app's own, not a listener";
    case ErrorCode::kNotConnected:
      return "tag the socket when it is connected";
    case ErrorCode::kNotOwned:
      return "fd is not this socket's number in the process that sends the message";
    case ErrorCode::kPermission:
      return "the host may not look into this process: it must be dumpable (PR_SET_DUMPABLE) and "
             "of the host's user, or the host needs CAP_SYS_PTRACE";
    case ErrorCode::kTooShort:
      return "a keep-alive timeout below the profile's minimum is refused";
    case ErrorCode::kNotAllowed:
      return "wake requests are an extension that this host's profile refuses; use a keep-alive "
             "handler";
    case ErrorCode::kOverBudget:
      return "all wake requests of today are used up; a keep-alive handler still runs";
    default:
      return std::string(base::describe(code));
  }
}

Reply refusal(wire::host::RequestId request, ErrorCode code) {
  return {request, code, advice(code), 0};
}

base::Result<std::uint64_t> AppRequests::inspect(int passed, int number) const {
  if (auto checked = sys::check_taggable(passed, driver_.machine().profile().udp_tags); !checked)
    return base::fail(checked.error());
  const auto cookie = sys::socket_cookie(passed);
  if (!cookie) return cookie;
  if (auto owned = sys::check_owned(peer_->pidfd.get(), number, *cookie); !owned) {
    return base::fail(owned.error());
  }
  return cookie;
}

Reply AppRequests::handle(const wire::host::Tag& tag, std::vector<io::UniqueFd> fds) {
  if (fds.size() != 1) {
    return {tag.request, ErrorCode::kInvalidArgument,
            "exactly one descriptor, the socket, rides along with 'tag'", 0};
  }
  const auto cookie = inspect(fds.front().get(), tag.fd);
  const bool udp = cookie && sys::is_udp(fds.front().get());
  const sys::SocketEnd remote = sys::remote_end(fds.front().get()).value_or(sys::SocketEnd{});
  // While the app runs no duplicate of its socket may live: its own close must send the FIN.
  fds.clear();
  if (!cookie) {
    driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_tag_refused(now, app_.id, cookie.error().code, out);
    });
    return refusal(tag.request, cookie.error().code);
  }
  for (auto& [id, known] : app_.tags) {
    if (known.cookie != *cookie) continue;
    // The same connection once more, perhaps under a new number or by another of its processes.
    known.process = peer_;
    known.fd = tag.fd;
    return accepted(tag.request, id.value);
  }
  TagRecord record;
  record.process = peer_;
  record.fd = tag.fd;
  record.cookie = *cookie;
  record.udp = udp;
  record.remote = remote;
  base::Result<doze::TagId> given = base::fail(ErrorCode::kNotFound, "tag");
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    given = doze.tag(now, app_.id, out);
    // Before the actions are carried out: one of them may be to watch it.
    if (given) app_.tags.emplace(*given, std::move(record));
  });
  if (!given) return refusal(tag.request, given.error().code);
  if (app_.tags.size() == 2) {
    base::log(base::LogLevel::kWarning, "host",
              "{}: more than one connection is tagged; media should not be (C6)", app_.manifest.id);
  }
  return accepted(tag.request, given->value);
}

Reply AppRequests::handle(const wire::host::Untag& untag) {
  const doze::TagId tag{untag.tag};
  base::Result<void> done;
  driver_.forget_tag(app_, tag);
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    done = doze.untag(now, app_.id, tag, out);
  });
  return done ? accepted(untag.request) : refusal(untag.request, done.error().code);
}

Reply AppRequests::handle(const wire::host::QueryTag& query) {
  const doze::TagId tag{query.tag};
  const auto found = app_.tags.find(tag);
  if (found == app_.tags.end()) return accepted(query.request, 0);
  if (duplicate_of(found->second)) return accepted(query.request, 1);
  driver_.forget_tag(app_, tag);
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_tag_gone(now, app_.id, tag, out);
  });
  return accepted(query.request, 0);
}

Reply AppRequests::handle(const wire::host::BeginTask& begin) {
  base::Result<doze::TaskId> task = base::fail(ErrorCode::kNotFound, "task");
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    task = doze.begin_task(now, app_.id, out);
  });
  if (!task) return refusal(begin.request, task.error().code);
  app_.tasks.push_back(*task);
  return accepted(begin.request, task->value);
}

Reply AppRequests::handle(const wire::host::EndTask& end) {
  const doze::TaskId task{end.task};
  base::Result<void> done;
  std::optional<base::Duration> remaining;
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    done = doze.end_task(now, app_.id, task, out);
    remaining = doze.background_time_remaining(now, app_.id);
  });
  std::erase(app_.tasks, task);
  if (!done) return refusal(end.request, done.error().code);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      remaining.value_or(base::Duration::zero()));
  return accepted(end.request, static_cast<std::uint64_t>(left.count()));
}

Reply AppRequests::handle(const wire::host::QueryTime& query) {
  std::optional<base::Duration> remaining;
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& /*out*/) {
    remaining = doze.background_time_remaining(now, app_.id);
  });
  if (!remaining) return accepted(query.request, wire::host::kTimeUnlimited);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*remaining);
  return accepted(query.request, static_cast<std::uint64_t>(left.count()));
}

Reply AppRequests::handle(const wire::host::SetKeepAlive& set) {
  base::Result<bool> replaced = false;
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    replaced = doze.set_keep_alive(now, app_.id, std::chrono::seconds(set.timeout_s), out);
  });
  if (!replaced) return refusal(set.request, replaced.error().code);
  app_.keep_alive_set = set.timeout_s > 0;
  return accepted(set.request, *replaced ? 1 : 0);
}

Reply AppRequests::handle(const wire::host::KeepAliveDone& done) {
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_keep_alive_done(now, app_.id, out);
  });
  return accepted(done.request);
}

Reply AppRequests::handle(const wire::host::SetAudioSession& set) {
  base::Result<void> done;
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    done = doze.on_audio_session(now, app_.id, set.active, out);
  });
  if (done) return accepted(set.request);
  if (done.error().code != ErrorCode::kNotDeclared) return refusal(set.request, done.error().code);
  return {set.request, ErrorCode::kNotDeclared,
          "add audio; to X-Wakeline-BackgroundModes in the app's manifest", 0};
}

Reply AppRequests::handle(const wire::host::RequestWake& wanted) {
  base::Result<doze::WakeId> wake = base::fail(ErrorCode::kNotFound, "wake");
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    wake = doze.request_wake(now, app_.id, std::chrono::milliseconds(wanted.earliest_ms),
                             std::chrono::milliseconds(wanted.latest_ms), out);
  });
  if (!wake) return refusal(wanted.request, wake.error().code);
  return accepted(wanted.request, wake->value);
}

Reply AppRequests::handle(const wire::host::CancelWake& cancel) {
  base::Result<void> done;
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    done = doze.cancel_wake(now, app_.id, doze::WakeId{cancel.wake}, out);
  });
  return done ? accepted(cancel.request) : refusal(cancel.request, done.error().code);
}

Reply AppRequests::handle(const wire::host::Notify& notify) {
  return accepted(notify.request, notices_.show(app_, notify.notification));
}

}  // namespace wakeline::host
