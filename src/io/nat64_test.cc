// SPDX-License-Identifier: Apache-2.0
#include "io/nat64.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace wakeline::io {
namespace {

using testing::IsEmpty;

/// RFC 6052 §2.4: 192.0.2.33 behind prefixes of 2001:db8::/32.
const std::pair<int, std::string> kBehind[] = {
    {32, "2001:db8:c000:221::"},          {40, "2001:db8:1c0:2:21::"},
    {48, "2001:db8:122:c000:2:2100::"},   {56, "2001:db8:122:3c0:0:221::"},
    {64, "2001:db8:122:344:c0:2:2100:0"}, {96, "2001:db8:122:344::c000:221"}};
/// The same with 192.0.0.170, as a resolver of that network answers for ipv4only.arpa.
const std::pair<int, std::string> kShown[] = {
    {32, "2001:db8:c000:aa::"},           {40, "2001:db8:1c0:0:aa::"},
    {48, "2001:db8:122:c000:0:aa00::"},   {56, "2001:db8:122:3c0:0:aa::"},
    {64, "2001:db8:122:344:c0:0:aa00:0"}, {96, "2001:db8:122:344::c000:aa"}};

TEST(Nat64, FindsThePrefixOfEachLengthAndPutsAnAddressBehindIt) {
  for (std::size_t i = 0; i < std::size(kShown); ++i) {
    const auto prefixes = nat64_prefixes({kShown[i].second});
    ASSERT_EQ(prefixes.size(), 1U) << kShown[i].second;
    EXPECT_EQ(prefixes.front().length, kShown[i].first);
    EXPECT_EQ(nat64_address(prefixes.front(), "192.0.2.33"), kBehind[i].second);
  }
}

TEST(Nat64, CountsAPrefixOnceAndKeepsAllOfThem) {
  EXPECT_EQ(nat64_prefixes({"64:ff9b::c000:aa", "64:ff9b::c000:ab", "2001:db8:1::c000:aa"}).size(),
            2U);
}

TEST(Nat64, PassesOverWhatIsNoneOrAmbiguous) {
  EXPECT_THAT(nat64_prefixes({}), IsEmpty());
  EXPECT_THAT(nat64_prefixes({"2001:db8::1", "192.0.0.170", "no address", "::"}), IsEmpty());
  // The well-known address behind a prefix of 32 and of 96 bits.
  EXPECT_THAT(nat64_prefixes({"2001:db8:c000:aa::c000:aa"}), IsEmpty());
  // Bits 64 to 71 are not zero.
  EXPECT_THAT(nat64_prefixes({"2001:db8:122:344:100:0:c000:aa"}), IsEmpty());
  EXPECT_EQ(nat64_address({}, "2001:db8::1"), "");
  EXPECT_EQ(nat64_address({}, ""), "");
}

}  // namespace
}  // namespace wakeline::io
