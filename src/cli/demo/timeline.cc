// SPDX-License-Identifier: Apache-2.0
#include "cli/demo/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/terminal.h"
#include "io/clock.h"

namespace wakeline::cli::demo {

void Timeline::note(std::string part, std::string event, std::string reason) {
  moments_.push_back({io::wall_now().time_since_epoch().count(), std::move(part), std::move(event),
                      std::move(reason)});
}

void Timeline::add(const wire::host::LedgerLine& line) {
  std::string reason = line.reason;
  if (!line.detail.empty()) reason += (reason.empty() ? "" : ": ") + line.detail;
  if (line.event == "wake" && line.latency_ns > 0) {
    wake_latencies_.push_back(line.latency_ns);
    reason += ", running again after " + span_text(line.latency_ns);
  }
  const std::string event = line.app.empty() ? line.event : line.app + ": " + line.event;
  moments_.push_back({line.wall_ns, "host", event, std::move(reason)});
}

void Timeline::print() const {
  std::vector<const Moment*> sorted;
  for (const Moment& moment : moments_) sorted.push_back(&moment);
  // Moments of one time keep the order in which they were seen: that of their places.
  std::ranges::sort(sorted, {},
                    [](const Moment* moment) { return std::pair(moment->wall_ns, moment); });
  Table table({{"time"}, {"part"}, {"event"}, {"reason"}});
  for (const Moment* at : sorted) {
    const Moment& moment = *at;
    Colour colour = Colour::kNone;
    if (moment.event.ends_with("notify")) colour = Colour::kGreen;
    if (moment.event.ends_with(": wake")) colour = Colour::kCyan;
    if (moment.event.ends_with(": suspend")) colour = Colour::kDim;
    if (moment.event.ends_with("killed") || moment.event.ends_with(": exit")) colour = Colour::kRed;
    table.add({clock_text(moment.wall_ns), moment.part, moment.event, moment.reason}, colour);
  }
  table.print();
}

}  // namespace wakeline::cli::demo
