// SPDX-License-Identifier: Apache-2.0
// The probes of the network and of memory.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "linux/doctor.h"
#include "linux/doctor_sleeper.h"
#include "linux/network.h"
#include "linux/reclaim.h"
#include "linux/socket_destroy.h"
#include "linux/socket_probe.h"

namespace wakeline::sys {
namespace {

// A connection of our own, ended as the host ends one.
base::Result<void> try_destroy() {
  const io::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const io::UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener || !client) return base::fail(base::os_error("socket", errno));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(listener.get(), name, size) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), name, &size) != 0 || ::connect(client.get(), name, size) != 0) {
    return base::fail(base::os_error("loopback", errno));
  }
  const auto ends = socket_ends(client.get());
  if (!ends) return base::fail(ends.error());
  const auto cookie = socket_cookie(client.get());
  if (!cookie) return base::fail(cookie.error());
  return destroy_socket(*ends, *cookie);
}

}  // namespace

Probe probe_network() {
  constexpr const char* kName = "network";
  const auto facts = read_network();
  if (!facts) {
    return {kName, ProbeState::kMissing,
            fmt::format("cannot be read: {}", base::to_string(facts.error())),
            "a change of the network wakes nobody",
            "allow AF_NETLINK: RestrictAddressFamilies in the host's unit, or the container's "
            "seccomp profile"};
  }
  const std::string found = to_line(*facts);
  const auto destroyed = try_destroy();
  if (destroyed) return {kName, ProbeState::kOk, found, {}, {}};
  const std::string fallback =
      "an app whose address is gone is woken, but reads no error from its old connection";
  if (destroyed.error().code == base::ErrorCode::kUnsupported) {
    return {kName, ProbeState::kDegraded,
            found + "; this kernel cannot end connections of a lost address", fallback,
            "a kernel with CONFIG_INET_DIAG_DESTROY"};
  }
  return {kName, ProbeState::kDegraded,
          fmt::format("{}; connections of a lost address may not be ended: {}", found,
                      base::to_string(destroyed.error())),
          fallback, "AmbientCapabilities=CAP_NET_ADMIN in the host's unit"};
}

Probe probe_reclaim() {
  constexpr const char* kName = "reclaim";
  const std::string fallback =
      "apps that sleep long keep their memory, also with reclaim switched on";
  const auto swap = free_swap_percent();
  if (!swap) {
    return {kName, ProbeState::kDegraded, "this machine has no swap", fallback,
            "apt-get install systemd-zram-generator, or a swap file: fallocate, mkswap, swapon"};
  }
  const auto found = fmt::format("{} % of the swap is free", *swap);
  if (*swap < kFreeSwapMin) {
    return {kName, ProbeState::kDegraded, found, fallback,
            fmt::format("more swap: {} % must be free", kFreeSwapMin)};
  }
  const Sleeper sleeper;
  if (!sleeper.process()) {
    return {kName, ProbeState::kMissing, base::to_string(sleeper.process().error()), fallback,
            "wakeline doctor needs to start a process"};
  }
  auto job = ReclaimJob::begin({sleeper.process()->pid});
  const auto step = job ? job->step() : base::Result<bool>(base::fail(job.error()));
  if (step) return {kName, ProbeState::kOk, found + ", and memory may be given back", {}, {}};
  return {kName, ProbeState::kDegraded,
          fmt::format("{}; memory may not be given back: {}", found, base::to_string(step.error())),
          fallback,
          "AmbientCapabilities=CAP_SYS_NICE in the host's unit; a kernel of 5.10 or later"};
}

}  // namespace wakeline::sys
