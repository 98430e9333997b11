// SPDX-License-Identifier: Apache-2.0
#include "core/link/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/link/fnv.h"
#include "core/link/state_text.h"

namespace wakeline::link {
namespace {

using base::ErrorCode;

constexpr std::string_view kMemoryMagic = "wakeline-link";
/// Of a memory that says no `quiet`, so that an older program reads it too.
constexpr std::string_view kMemoryVersion = "2";
constexpr std::string_view kVersionWithQuiet = "3";
constexpr std::string_view kVersionWithoutNetworks = "1";
constexpr std::size_t kAddressMax = 64;  ///< of a numeric address with its zone, in bytes

/// "3 17 18", rising, each below `high`; empty for none.
bool read_list(std::string_view text, Sequence high, std::vector<Sequence>& list) {
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto value = number<Sequence>(text.substr(0, end));
    if (!value || *value == 0 || *value >= high || list.size() == kUnacceptedMax) return false;
    if (!list.empty() && *value <= list.back()) return false;
    list.push_back(*value);
    if (end + 1 == text.size()) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

unsigned bits(const Gaps& g) { return (g.probe_unreliable ? 1U : 0U) | (g.wary ? 2U : 0U); }

bool read_bits(Words& words, Gaps& g) {
  std::uint8_t both = 0;
  if (!words.read(both) || both > 3) return false;
  g.probe_unreliable = (both & 1) != 0;
  g.wary = (both & 2) != 0;
  return true;
}

std::string encode(const Network& n, const Clock& clock) {
  const Gaps& g = n.gaps;
  std::string text = fmt::format(
      "network ={} {} {} {} {} {} {} {} {} {} {} {} {} {} {}\n", n.key, clock.text(n.used_at),
      g.lo.count(), g.main_lo.count(), g.hi.count(), g.doubt.count(), g.limit.count(),
      g.hint.count(), clock.text(g.proven_at), clock.text(g.reprobe_at), g.died.count(), bits(g),
      n.rtt.smoothed.count(), n.rtt.variance.count(), n.routes.all().size());
  for (const Routes::Record& r : n.routes.all())
    text += fmt::format("route {} {} {} {} {}\n", r.route.address.text, r.route.port,
                        clock.text(r.good_at), clock.text(r.failed_at), r.failures);
  return text;
}

bool is_address(std::string_view text) {
  return !text.empty() && text.size() <= kAddressMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7F'; });
}

bool read_route(std::string_view line, const Clock& clock, Routes& routes) {
  Words words(line);
  const auto address = words.take();
  if (!address || !is_address(*address)) return false;
  Routes::Record r;
  r.route.address = {.ipv6 = address->contains(':'), .text = std::string(*address)};
  return words.read(r.route.port) && r.route.port != 0 && clock.read(words, r.good_at) &&
         clock.read(words, r.failed_at) && words.read(r.failures) && words.empty() &&
         routes.add(std::move(r));
}

bool read_network(Lines& lines, const Clock& clock, Networks& networks) {
  const auto line = lines.take("network");
  if (!line) return false;
  Words words(*line);
  const auto key = words.take();
  if (!key || !key->starts_with('=') || !is_network_key(key->substr(1))) return false;
  Network n;
  n.key = key->substr(1);
  Gaps& g = n.gaps;
  std::size_t routes = 0;
  if (!clock.read(words, n.used_at) || !words.read(g.lo) || !words.read(g.main_lo) ||
      !words.read(g.hi) || !words.read(g.doubt) || !words.read(g.limit) || !words.read(g.hint) ||
      !clock.read(words, g.proven_at) || !clock.read(words, g.reprobe_at) || !words.read(g.died) ||
      !read_bits(words, g) || !words.read(n.rtt.smoothed) || !words.read(n.rtt.variance) ||
      !words.read(routes) || !words.empty())
    return false;
  constexpr Duration kGapMax = std::chrono::hours(24);  // far over any that is of use
  for (const Duration d : {g.lo, g.main_lo, g.hi, g.doubt, g.limit, g.hint, g.died})
    if (d > kGapMax) return false;
  if (n.rtt.smoothed > Rtt::kSampleMax || n.rtt.variance > Rtt::kSampleMax) return false;
  if (g.main_lo > g.lo || (g.hi > Duration::zero() && g.hi <= g.lo)) return false;
  for (; routes > 0; --routes) {
    const auto route = lines.take("route");
    if (!route || !read_route(*route, clock, n.routes)) return false;
  }
  return networks.add(std::move(n));
}

bool read_not_before(Lines& lines, const Clock& clock, Memory& memory) {
  const auto line = lines.take("not_before_ns");
  if (!line) return false;
  Words words(*line);
  return clock.read(words, memory.not_before) && words.empty();
}

bool read_quiet(Lines& lines, Memory& memory) {
  const auto line = lines.take("quiet");
  if (!line) return false;
  Words words(*line);
  const auto lowest = words.take();
  if (!lowest || !words.read(memory.withheld) || !words.empty()) return false;
  memory.lowest = wire::urgency_from_name(*lowest);
  return memory.lowest.has_value();
}

}  // namespace

std::string encode(const Memory& memory, Duration boot_to_wall) {
  const Clock clock(boot_to_wall);
  std::string text = fmt::format(
      "{} {}\nepoch {:x}\naccepted {}\nunaccepted {}\nattempts {}\nspread_ms {}\nnot_before_ns "
      "{}\nnetworks {}\n",
      kMemoryMagic, memory.lowest ? kVersionWithQuiet : kMemoryVersion, memory.epoch,
      memory.accepted_high, fmt::join(memory.unaccepted, " "), memory.attempts,
      memory.spread / std::chrono::milliseconds(1), clock.text(memory.not_before),
      memory.networks.all().size());
  for (const Network& n : memory.networks.all()) text += encode(n, clock);
  if (memory.lowest)
    text += fmt::format("quiet {} {}\n", wire::name(*memory.lowest), memory.withheld ? 1 : 0);
  text += fmt::format("checksum {:016x}\n", fnv(text));
  return text;
}

base::Result<Memory> decode_memory(std::string_view text, Duration boot_to_wall) {
  const auto malformed = base::fail(ErrorCode::kMalformed, "link.memory");
  const Clock clock(boot_to_wall);
  if (text.size() > kMemoryTextMax) return base::fail(ErrorCode::kTooLarge, "link.memory");
  Lines lines(text);
  const auto version = lines.take(kMemoryMagic);
  if (!version) return malformed;
  const bool without_networks = *version == kVersionWithoutNetworks;
  const bool with_quiet = *version == kVersionWithQuiet;
  if (*version != kMemoryVersion && !with_quiet && !without_networks)
    return base::fail(ErrorCode::kUnsupported, "link.memory");

  Memory memory;
  std::int64_t spread_ms = 0;
  if (!lines.read("epoch", memory.epoch, 16) || !lines.read("accepted", memory.accepted_high))
    return malformed;
  const auto list = lines.take("unaccepted");
  if (!list || !read_list(*list, memory.accepted_high, memory.unaccepted)) return malformed;
  if (!lines.read("attempts", memory.attempts) || !lines.read("spread_ms", spread_ms) ||
      !read_not_before(lines, clock, memory))
    return malformed;
  constexpr std::int64_t kSpreadMsMax = 86'400'000;  // a day: far over any that is stored
  if (spread_ms < 0 || spread_ms > kSpreadMsMax) return malformed;
  memory.spread = std::chrono::milliseconds(spread_ms);

  std::size_t networks = 0;
  if (!without_networks && !lines.read("networks", networks)) return malformed;
  for (; networks > 0; --networks)
    if (!read_network(lines, clock, memory.networks)) return malformed;

  if (with_quiet && !read_quiet(lines, memory)) return malformed;

  const std::size_t end = text.rfind("checksum ");
  std::uint64_t sum = 0;
  if (!lines.read("checksum", sum, 16) || !lines.empty()) return malformed;
  if (sum != fnv(text.substr(0, end))) return malformed;
  return memory;
}

}  // namespace wakeline::link
