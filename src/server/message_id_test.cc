// SPDX-License-Identifier: Apache-2.0
#include "server/message_id.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

TEST(MessageId, IsReadByWhoMadeItAndByNobodyElse) {
  const base::Bytes secret(32, 7);
  const MessageId id{store::DeviceId{5}, 1'000'000'000'000};
  std::string text = to_text(id, secret);
  EXPECT_EQ(text.size(), 43U);
  EXPECT_EQ(read_message_id(text, secret), id);
  EXPECT_EQ(read_message_id(text, base::Bytes(32, 8)), std::nullopt);
  for (const std::size_t at : {0UL, 12UL, 30UL, 40UL}) {
    std::string other = text;
    other[at] = other[at] == 'A' ? 'B' : 'A';
    EXPECT_EQ(read_message_id(other, secret), std::nullopt) << other;
  }
  for (const char* wrong : {"", "x", "..", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    EXPECT_EQ(read_message_id(wrong, secret), std::nullopt) << wrong;
}

}  // namespace
}  // namespace wakeline::server
