// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "core/session/session.h"

namespace wakeline::session {
namespace {

struct Printer {
  std::string operator()(const Write& write) const {
    return "WRITE " + wire::mqtt::to_line(write.packet);
  }
  std::string operator()(const Publish& publish) const {
    return fmt::format("PUBLISH seq={} id={}{}{}", publish.sequence, publish.packet_id,
                       publish.duplicate ? " dup" : "",
                       publish.withheld > 0 ? fmt::format(" withheld={}", publish.withheld) : "");
  }
  std::string operator()(const FetchPending& fetch) const {
    return fmt::format("FETCH id={} after={} limit={}", fetch.id, fetch.after, fetch.limit);
  }
  std::string operator()(const Remove& remove) const {
    return fmt::format("REMOVE seq={}", remove.sequence);
  }
  std::string operator()(const RemoveThrough& remove) const {
    return fmt::format("REMOVE through={}", remove.sequence);
  }
  std::string operator()(const CloseLink& close) const {
    return fmt::format("CLOSE reason={:#04x}", static_cast<unsigned>(close.reason));
  }
  std::string operator()(const Report& report) const {
    return fmt::format("REPORT {} id={} {} B", wire::name(report.kind), report.packet_id,
                       report.body.size());
  }
  std::string operator()(const ChangeGroup& change) const {
    return fmt::format("{} {} id={}", change.join ? "JOIN" : "LEAVE", change.group,
                       change.packet_id);
  }
  std::string operator()(const SetUrgency& set) const {
    if (set.after == SetUrgency::kNone) return fmt::format("URGENCY {}", wire::name(set.lowest));
    return fmt::format("URGENCY {} after={}", wire::name(set.lowest), set.after);
  }
  std::string operator()(const LeaveGroups&) const { return "LEAVE all"; }
};

}  // namespace

std::string to_line(const Action& action) { return std::visit(Printer{}, action); }

}  // namespace wakeline::session
