// SPDX-License-Identifier: Apache-2.0
#include "linux/reclaim.h"

#include <gtest/gtest.h>

#include <string>

namespace wakeline::sys {
namespace {

TEST(AnonymousRanges, LeaveOutFilesSharedMemoryAndTheKernelsOwn) {
  EXPECT_EQ(anonymous_ranges("00400000-00452000 r-xp 00000000 08:02 173521   /usr/bin/app\n"
                             "00652000-00655000 rw-p 00052000 08:02 173521   /usr/bin/app\n"
                             "00e03000-00e24000 rw-p 00000000 00:00 0        [heap]\n"
                             "7f00-8f00 rw-p 00000000 00:00 0 \n"
                             "9000-a000 rw-s 00000000 00:05 0        /dev/zero (deleted)\n"
                             "b000-c000 ---p 00000000 00:00 0 \n"
                             "d000-e000 rw-p 00000000 00:00 0        [anon: cache]\n"
                             "7fff-8fff rw-p 00000000 00:00 0        [stack]\n"
                             "f000-f100 r--p 00000000 00:00 0        [vvar]\n"
                             "f100-f200 r-xp 00000000 00:00 0        [vdso]\n"),
            (std::vector<MemoryRange>{
                {0xe03000, 0xe24000}, {0x7f00, 0x8f00}, {0xd000, 0xe000}, {0x7fff, 0x8fff}}));
}

TEST(AnonymousRanges, PassOverWhatIsNoRangeAndAreBounded) {
  EXPECT_TRUE(anonymous_ranges("").empty());
  EXPECT_TRUE(anonymous_ranges("x-y rw-p 0 0 0\n2-1 rw-p 0 0 0\n12 rw-p 0 0 0\n1-2\n\n").empty());
  std::string many;
  for (std::size_t i = 0; i < kRangesMax + 5; ++i) many += "1000-2000 rw-p 0 00:00 0\n";
  EXPECT_EQ(anonymous_ranges(many).size(), kRangesMax);
}

TEST(FreeSwap, IsAPartOfWhatThereIs) {
  EXPECT_EQ(free_swap_percent("MemTotal: 9 kB\nSwapTotal: 4096000 kB\nSwapFree: 1024000 kB\n"), 25);
  EXPECT_EQ(free_swap_percent("SwapTotal: 0 kB\nSwapFree: 0 kB\n"), std::nullopt);
  EXPECT_EQ(free_swap_percent(""), std::nullopt);
}

}  // namespace
}  // namespace wakeline::sys
