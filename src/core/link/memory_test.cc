// SPDX-License-Identifier: Apache-2.0
#include "core/link/memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/link/fnv.h"

namespace wakeline::link {
namespace {

using base::ErrorCode;

Memory full() {
  Memory m;
  m.epoch = std::numeric_limits<std::uint64_t>::max();
  m.accepted_high = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < kUnacceptedMax; ++i)
    m.unaccepted.push_back(m.accepted_high - kUnacceptedMax + i);
  m.attempts = std::numeric_limits<std::uint64_t>::max();
  m.spread = std::chrono::hours(24);
  m.not_before = base::kNever;
  for (std::size_t i = 0; i < kNetworksMax; ++i) {
    Network n;
    n.key = std::string(kNetworkKeyMax - 2, 'k') + std::to_string(10 + i);
    n.used_at = base::kNever;
    const Duration longest = std::chrono::hours(24);
    n.gaps = {.lo = longest - Duration(1),
              .main_lo = longest - Duration(1),
              .hi = longest,
              .doubt = longest,
              .died = longest,
              .limit = longest,
              .hint = longest,
              .proven_at = base::kNever,
              .reprobe_at = base::kNever,
              .probe_unreliable = true,
              .wary = true};
    n.rtt = {.smoothed = std::chrono::seconds(10), .variance = std::chrono::seconds(10)};
    for (std::size_t r = 0; r < kRoutesMax; ++r)
      n.routes.add({.route = {.address = {.ipv6 = true, .text = std::string(64, ':')},
                              .port = static_cast<std::uint16_t>(65'535 - r)},
                    .good_at = base::kNever,
                    .failed_at = base::kNever,
                    .failures = 255});
    EXPECT_TRUE(m.networks.add(n));
  }
  return m;
}

TEST(Memory, ComesBackAsItWasWritten) {
  for (const Memory& m : {Memory{}, full()}) {
    const std::string text = encode(m);
    EXPECT_LE(text.size(), kMemoryTextMax);
    const auto back = decode_memory(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, m);
  }
}

TEST(Memory, HasThisText) {
  Memory m;
  m.epoch = 0xE1;
  m.accepted_high = 17;
  m.unaccepted = {12, 15};
  m.attempts = 2'048;
  m.spread = std::chrono::seconds(2);
  const std::string text = encode(m);
  EXPECT_EQ(text.substr(0, text.find("checksum")),
            "wakeline-link 2\nepoch e1\naccepted 17\nunaccepted 12 15\nattempts 2048\n"
            "spread_ms 2000\nnot_before_ns 0\nnetworks 0\n");
  Network& n = m.networks.use("wifi-1", Instant(Duration(50)));
  n.gaps.lo = Duration(7);
  n.routes.on_good({{false, "192.0.2.1"}, 8883}, Instant(Duration(60)));
  EXPECT_NE(encode(m, Duration(1'000))
                .find("networks 1\n"
                      "network =wifi-1 1050 7 0 0 0 0 0 0 9223372036854775807 0 0 0 0 1\n"
                      "route 192.0.2.1 8883 1060 0 0\n"),
            std::string::npos)
      << encode(m, Duration(1'000));
}

TEST(Memory, SaysQuietWhereItWasAskedForAndIsElseReadByAnOlderProgram) {
  Memory m;
  m.lowest = wire::Urgency::kHigh;
  m.withheld = true;
  const std::string text = encode(m);
  EXPECT_TRUE(text.starts_with("wakeline-link 3\n")) << text;
  EXPECT_NE(text.find("networks 0\nquiet high 1\n"), std::string::npos) << text;
  for (const bool withheld : {false, true}) {
    m.withheld = withheld;
    EXPECT_EQ(*decode_memory(encode(m)), m);
  }
  for (const std::string wrong : {"quiet loud 1", "quiet high 2", "quiet high", "quiet high 1 1"}) {
    std::string bad = text.substr(0, text.find("checksum"));
    bad.replace(bad.find("quiet high 1"), 12, wrong);
    bad += fmt::format("checksum {:016x}\n", fnv(bad));
    EXPECT_EQ(decode_memory(bad).error().code, ErrorCode::kMalformed) << wrong;
  }
}

TEST(Memory, ReadsTheTextOfTheVersionBeforeNetworks) {
  const auto memory = decode_memory(
      "wakeline-link 1\nepoch e1\naccepted 17\nunaccepted 12 15\nattempts 2048\n"
      "spread_ms 2000\nnot_before_ns 0\nchecksum a127723229ca2d61\n");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->accepted_high, 17U);
  EXPECT_TRUE(memory->networks.all().empty());
}

TEST(Memory, KeepsTheAgeOfWhatItLearntOverARestartOfTheMachine) {
  Memory m;
  Network& n = m.networks.use("home", Instant(std::chrono::hours(500)));
  n.gaps.proven_at = Instant(std::chrono::hours(499));
  const std::string text = encode(m, std::chrono::hours(1'000));  // now: 1500 by the wall
  const auto soon = decode_memory(text, std::chrono::hours(1'490));
  ASSERT_TRUE(soon);
  EXPECT_EQ(soon->networks.find("home")->used_at, Instant(std::chrono::hours(10)));
  EXPECT_EQ(soon->networks.find("home")->gaps.proven_at, Instant(std::chrono::hours(9)));
  const auto later = decode_memory(text, std::chrono::hours(1'501));
  EXPECT_EQ(later->networks.find("home")->used_at, Instant(Duration(1))) << "long ago";
}

TEST(Memory, KeepsRetryAfterOverARestartOfTheMachine) {
  Memory m;
  m.not_before = Instant(std::chrono::minutes(500));
  const std::string text = encode(m, std::chrono::minutes(1'000));  // until 1500 by the wall
  const auto soon = decode_memory(text, std::chrono::minutes(1'490));
  ASSERT_TRUE(soon);
  EXPECT_EQ(soon->not_before, Instant(std::chrono::minutes(10)));
  const auto later = decode_memory(text, std::chrono::minutes(1'600));
  ASSERT_TRUE(later);
  EXPECT_EQ(later->not_before, Instant(Duration(1))) << "long over";
  EXPECT_EQ(decode_memory(encode(Memory{}, std::chrono::minutes(1'000)))->not_before, Instant{});
}

TEST(Memory, RefusesANetworkThatNobodyCanHaveLearnt) {
  const auto refused = [](auto change) {
    Memory m;
    change(m.networks.use("home", Instant(Duration(1))));
    return !decode_memory(encode(m));
  };
  EXPECT_TRUE(refused([](Network& n) { n.key = "two words"; }));
  EXPECT_TRUE(refused([](Network& n) { n.key = std::string(kNetworkKeyMax + 1, 'x'); }));
  EXPECT_TRUE(refused([](Network& n) { n.gaps.hi = std::chrono::hours(25); }));
  EXPECT_TRUE(refused([](Network& n) { n.gaps.main_lo = Duration(1); }));
  EXPECT_TRUE(refused([](Network& n) { n.rtt.smoothed = std::chrono::hours(1); }));
  EXPECT_TRUE(refused([](Network& n) { n.routes.on_good({{false, ""}, 1}, {}); }));
  EXPECT_TRUE(refused([](Network& n) { n.routes.on_good({{false, "::1"}, 0}, {}); }));
  EXPECT_FALSE(refused([](Network& n) { n.routes.on_good({{true, "::1"}, 1}, {}); }));
}

TEST(Memory, IsRefusedWhenTornOrChangedAnywhere) {
  const Memory all = full();
  Memory few = all;
  few.networks = {};
  for (std::size_t i = 0; i < 2; ++i) few.networks.add(all.networks.all()[i]);
  const std::string text = encode(few);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(decode_memory(text.substr(0, size))) << size;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 0x01);
    EXPECT_FALSE(decode_memory(changed)) << at;
  }
  EXPECT_FALSE(decode_memory(text + "\n"));
}

TEST(Memory, NamesWhatIsWrong) {
  EXPECT_EQ(decode_memory("").error().code, ErrorCode::kMalformed);
  EXPECT_EQ(decode_memory("wakeline-link 4\n").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(decode_memory(std::string(kMemoryTextMax + 1, 'x')).error().code, ErrorCode::kTooLarge);
}

TEST(Memory, KnowsHowFarEverythingIsAccepted) {
  Memory m;
  m.accepted_high = 17;
  EXPECT_EQ(m.received(), 17U);
  m.unaccepted = {12, 15};
  EXPECT_EQ(m.received(), 11U);
}

}  // namespace
}  // namespace wakeline::link
