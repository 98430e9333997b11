// SPDX-License-Identifier: Apache-2.0
#include "core/link/memory.h"

#include <gtest/gtest.h>

#include <limits>

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
            "wakeline-link 1\nepoch e1\naccepted 17\nunaccepted 12 15\nattempts 2048\n"
            "spread_ms 2000\nnot_before_ns 0\n");
}

TEST(Memory, IsRefusedWhenTornOrChangedAnywhere) {
  const std::string text = encode(full());
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
  EXPECT_EQ(decode_memory("wakeline-link 2\n").error().code, ErrorCode::kUnsupported);
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
