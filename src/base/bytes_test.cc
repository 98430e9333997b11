// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>

namespace wakeline::base {
namespace {

TEST(ByteReader, ReadsBigEndianValuesFromTheFront) {
  const Bytes input = {1, 2, 3, 4, 5, 6, 7};
  ByteReader reader(input);
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u32(), 0x04050607U);
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.empty());
}

TEST(ByteReader, StaysFailedAfterAReadPastTheEnd) {
  const Bytes input = {1, 2, 3};
  ByteReader reader(input);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.ok());
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
  Bytes out;
  ByteWriter writer(out);
  writer.u8(0xFE);
  writer.u16(0xBEEF);
  writer.u32(0xDEADBEEF);
  writer.u64(0x0123456789ABCDEFULL);
  ByteReader reader(out);
  EXPECT_EQ(reader.u8(), 0xFE);
  EXPECT_EQ(reader.u16(), 0xBEEF);
  EXPECT_EQ(reader.u32(), 0xDEADBEEF);
  EXPECT_EQ(reader.u64(), 0x0123456789ABCDEFULL);
  EXPECT_TRUE(reader.ok());
}

TEST(Hex, ReadsWhatItWroteAndRefusesTheRest) {
  const Bytes bytes = {0, 1, 0x7F, 0xFF};
  EXPECT_EQ(to_hex(bytes), "00017fff");
  EXPECT_EQ(*from_hex("00017FFF"), bytes);
  EXPECT_EQ(from_hex("0").error().code, ErrorCode::kMalformed);
  EXPECT_EQ(from_hex("0g").error().code, ErrorCode::kMalformed);
}

TEST(Base64Url, ReadsWhatItWroteAtEveryLength) {
  Bytes bytes;
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(*from_base64url(to_base64url(bytes)), bytes);
    bytes.push_back(static_cast<std::uint8_t>(i * 37 + 5));
  }
}

TEST(Base64Url, RefusesPaddingOtherAlphabetsAndStrayBits) {
  for (const char* bad : {"A", "AA==", "A+/A", "AB", "AAB", "A A"}) {
    EXPECT_FALSE(from_base64url(bad)) << bad;
  }
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndTruncation) {
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x94"));
  for (const char* bad :
       {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFF"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace wakeline::base
