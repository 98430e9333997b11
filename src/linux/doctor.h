// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace wakeline::sys {

enum class ProbeState { kOk, kDegraded, kMissing };

/// One thing that the host wants of the machine.
struct Probe {
  std::string name;  ///< stable: "cgroup", "pidfd_getfd", …
  ProbeState state = ProbeState::kOk;
  std::string found;     ///< what was found, with values
  std::string fallback;  ///< what is done instead; empty with kOk
  std::string remedy;    ///< the command or setting that mends it; empty with kOk
};

struct DoctorOptions {
  std::string host_name = "host";  ///< as FreezerOptions::name
  std::string cgroup_parent{};     ///< as FreezerOptions::parent
};

/// Looks at the machine as the host would find it, and leaves nothing behind. Each probe really
/// tries: a child process is made for pidfd_getfd, a cgroup is made and removed. Blocks: at most
/// 5 s (buses that do not answer).
std::vector<Probe> examine(const DoctorOptions& options);

// The single probes, in the order of `examine`.
Probe probe_kernel();
Probe probe_cgroup(const DoctorOptions& options);
Probe probe_pidfd_getfd();
Probe probe_yama();
Probe probe_files();        ///< RLIMIT_NOFILE: a descriptor for each tagged socket
Probe probe_priority();     ///< may the host run at nice −10
Probe probe_alarm();        ///< may timers wake the machine, and is there a clock that can
Probe probe_network();      ///< may connections from a lost address be ended
Probe probe_sleep();        ///< does logind tell of the machine's sleep, and may it be delayed
Probe probe_calls();        ///< does anybody tell of telephone calls
Probe probe_reclaim();      ///< may the memory of sleeping apps be given back, and where to
Probe probe_session_bus();  ///< and is a notification server on it

}  // namespace wakeline::sys
