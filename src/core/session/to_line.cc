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
    return fmt::format("PUBLISH seq={} id={}{}", publish.sequence, publish.packet_id,
                       publish.duplicate ? " dup" : "");
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
};

}  // namespace

std::string to_line(const Action& action) { return std::visit(Printer{}, action); }

}  // namespace wakeline::session
