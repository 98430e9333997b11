// SPDX-License-Identifier: Apache-2.0
#include "core/link/lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/link/memory.h"

namespace wakeline::link {
namespace {

double seconds_of(Duration span) { return std::chrono::duration<double>(span).count(); }
double seconds_of(Instant at) { return seconds_of(at.time_since_epoch()); }

/// A peer's text without what would break the line.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return text;
}

std::string packets_line(base::BytesView bytes) {
  std::string line;
  while (!bytes.empty()) {
    const auto decoded = wire::mqtt::decode(bytes, wire::mqtt::Version::k5);
    if (!decoded || decoded->consumed == 0) return line + fmt::format(" {} B", bytes.size());
    line += ' ' + wire::mqtt::to_line(decoded->packet);
    bytes = bytes.subspan(decoded->consumed);
  }
  return line;
}

std::string line(const Resolve& a) {
  return fmt::format("resolve generation={} {}:{}", a.generation, a.host, a.port);
}
std::string line(const Connect& a) {
  const std::string host = a.address.ipv6 ? '[' + a.address.text + ']' : a.address.text;
  return fmt::format("{} #{} {}:{} heartbeat={}s", a.probe ? "probe" : "connect", a.attempt.value,
                     host, a.port, seconds_of(a.heartbeat));
}
std::string line(const Secure& a) { return fmt::format("secure #{}", a.attempt.value); }
std::string line(const SetHeartbeat& a) {
  return fmt::format("set_heartbeat #{} {}s", a.attempt.value, seconds_of(a.heartbeat));
}
std::string line(const Write& a) {
  return fmt::format("write #{}{}", a.attempt.value, packets_line(a.bytes));
}
std::string line(const Close& a) { return fmt::format("close #{}", a.attempt.value); }
std::string line(const HoldAwake& a) { return fmt::format("hold_awake why={}", name(a.why)); }
std::string line(const LetGo&) { return "let_go"; }
std::string line(const Persist& a) {
  const Memory& m = a.memory;
  return fmt::format("persist serial={} epoch={:x} accepted={} unaccepted=[{}] attempts={}",
                     a.serial, m.epoch, m.accepted_high, fmt::join(m.unaccepted, " "), m.attempts);
}
std::string line(const Deliver& a) {
  const Delivery& d = a.delivery;
  return fmt::format("deliver id={} seq={} duplicate={} topic={} {} B", d.id.value, d.sequence,
                     d.duplicate, d.topic, d.payload.size());
}
std::string line(const Report& a) {
  std::string text = fmt::format("report {} why={}", name(a.state), name(a.why));
  if (a.until != Instant{}) text += fmt::format(" until={:.3f}s", seconds_of(a.until));
  if (!a.detail.empty()) text += " detail=" + one_line(a.detail);
  return text;
}

std::string line(const StoreOutbox& a) {
  return fmt::format("store_outbox serial={} messages={}", a.serial, a.messages.size());
}
std::string line(const Outcome& a) {
  return fmt::format("outcome #{} key={} {}{}{}", a.number, a.key, name(a.result),
                     a.maybe_received ? " maybe_received" : "",
                     a.detail.empty() ? "" : " detail=" + one_line(a.detail));
}
std::string line(const Missed& a) {
  return fmt::format("missed {}..{} count={}", a.first, a.last, a.count);
}

}  // namespace

std::string_view name(SendResult result) {
  constexpr std::string_view kNames[] = {"sent", "expired", "refused"};
  return kNames[static_cast<std::size_t>(result)];
}

std::string_view name(State state) {
  constexpr std::string_view kNames[] = {"stopped", "no_network", "waiting", "connecting", "ready"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name(Why why) {
  constexpr std::string_view kNames[] = {
      "none",           "started",         "retry",          "woken",       "stopped_by_app",
      "resolve_failed", "connect_failed",  "tls_failed",     "refused",     "bad_credentials",
      "peer_closed",    "peer_silent",     "protocol_error", "server_busy", "server_draining",
      "taken_over",     "network_changed", "peer_reset",     "online"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Why::kOnline) + 1);
  return kNames[static_cast<std::size_t>(why)];
}

std::string to_line(const Action& action) {
  return std::visit([](const auto& a) { return line(a); }, action);
}

}  // namespace wakeline::link
