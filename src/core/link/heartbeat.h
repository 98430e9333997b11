// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/time.h"

namespace wakeline::link {

/// Who was silent for a gap: the line itself, or the second flow that only tries gaps out.
enum class Flow : std::uint8_t { kMain, kProbe };

/// What one gap without a byte in either direction has shown. `alive`: the next byte came through.
/// Dead is evidence only with a reconnection to the same server that worked at once; when that
/// fails too, it is an outage and nobody may say so (link.md §1, rules 1 to 3).
struct GapEvidence {
  Flow flow = Flow::kMain;
  bool alive = true;
  base::Duration gap{};
  friend bool operator==(const GapEvidence&, const GapEvidence&) = default;
};

/// What is known of one network's patience with an idle line. Zero: not known.
struct Gaps {
  base::Duration lo{};        ///< the longest gap proven alive
  base::Duration main_lo{};   ///< the same, by the main flow alone
  base::Duration hi{};        ///< the shortest gap proven dead
  base::Duration doubt{};     ///< a gap that was found dead once: not proven (rule 4)
  base::Duration died{};      ///< the line died after it, which may be a fault of the path (rule 5)
  base::Duration limit{};     ///< the heartbeat stays below it, until as long a gap is proven alive
  base::Duration hint{};      ///< the server's word of what serves most clients of this network
  base::Instant proven_at{};  ///< when about `lo` was last proven
  base::Instant reprobe_at = base::kNever;  ///< when `hi` is to be tried again
  bool probe_unreliable = false;            ///< the main flow died where the probe flow lived
  bool wary = false;                        ///< the line died close below `lo`: keep more distance
  friend bool operator==(const Gaps&, const Gaps&) = default;
};

/// How often an idle line has to speak so that the NATs on its way keep it: a bracket of the gaps
/// that were seen to live and to die, narrowed by a second flow so that the line itself takes no
/// risk. A value without state: `learn` makes of what is known and one observation what is known
/// then, `decide` what to do with it.
/// Source: link.md §1.
struct HeartbeatPolicy {
  base::Duration floor = std::chrono::seconds(40);
  base::Duration cap = std::chrono::seconds(1'680);
  base::Duration prior = std::chrono::seconds(240);  ///< of a network that nobody knows
  /// The heartbeat's timer fires when it is due: little distance from the NAT's patience will do.
  /// The kernel's own keep-alive is no such timer: it is late by up to an eighth.
  bool punctual = false;
  friend bool operator==(const HeartbeatPolicy&, const HeartbeatPolicy&) = default;

  struct Plan {
    base::Duration heartbeat{};  ///< the longest gap to leave on the main flow
    base::Duration probe{};      ///< the gap to try out on the probe flow; zero: nothing to learn
    friend bool operator==(const Plan&, const Plan&) = default;
    /// A wake of any cause so long after the last byte is a good moment to speak.
    base::Duration earliest() const { return heartbeat / 4 * 3; }
  };

  Plan decide(const Gaps& gaps, base::Instant now) const;
  /// Whether nothing longer will be tried before the next re-probe.
  bool settled(const Gaps& gaps) const;
  Gaps learn(Gaps gaps, const GapEvidence& evidence, base::Instant now) const;
  /// The server said what serves most clients of this network; zero: it said nothing.
  Gaps learn_hint(Gaps gaps, base::Duration hint, base::Instant now) const;

 private:
  base::Duration heartbeat(const Gaps& gaps) const;
  base::Duration probe(const Gaps& gaps, base::Instant now) const;
  base::Duration longest() const;
  base::Duration bold(base::Duration lo) const;
  bool narrow(const Gaps& gaps) const;
  Gaps found_dead(Gaps gaps, base::Duration gap, base::Instant now) const;
  Gaps main_died(Gaps gaps, base::Duration gap, base::Instant now) const;
};

}  // namespace wakeline::link
