// SPDX-License-Identifier: Apache-2.0
#include "linux/sound_length.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace wakeline::sys {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;

std::string le(std::uint64_t value, int size) {
  std::string text;
  for (int i = 0; i < size; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
  return text;
}

/// 8 kHz, 16 bit, mono: 16,000 bytes a second; `data` bytes of sound, and as many said.
std::string wav(std::size_t data, std::uint32_t said) {
  const std::string format =
      le(1, 2) + le(1, 2) + le(8'000, 4) + le(16'000, 4) + le(2, 2) + le(16, 2);
  return "RIFF" + le(36 + data, 4) + "WAVE" + "LIST" + le(3, 4) + "abc" + '\0' + "fmt " +
         le(format.size(), 4) + format + "data" + le(said, 4) + std::string(data, '\0');
}
/// One page of a stream, with one segment.
std::string page(std::uint64_t position, std::uint32_t stream, const std::string& content) {
  return std::string("OggS") + '\0' + '\0' + le(position, 8) + le(stream, 4) + le(0, 8) + le(1, 1) +
         le(content.size(), 1) + content;
}
std::string vorbis(std::uint64_t samples) {
  const std::string head = std::string("\x01vorbis") + le(0, 4) + le(2, 1) + le(44'100, 4);
  return page(0, 7, head) + page(samples, 7, "sound") + page(9'999'999'999, 8, "other") +
         page(~0ULL, 7, "begun");
}

std::optional<base::Duration> length(const std::string& text) {
  return sound_length(base::as_bytes(text), base::as_bytes(text), text.size());
}

TEST(SoundLength, OfAWavFileIsItsDataByItsRate) {
  EXPECT_EQ(length(wav(24'000, 24'000)), 1500ms);
  EXPECT_EQ(length(wav(24'000, 0xFFFFFFFF)), 1500ms);
  EXPECT_EQ(length(wav(0, 0)), 0ms);
}

TEST(SoundLength, OfAnOggFileIsTheLastPositionOfItsStream) {
  EXPECT_EQ(length(vorbis(44'100 * 31)), 31s);
  const std::string opus = std::string("OpusHead") + le(1, 1) + le(2, 1) + le(312, 2);
  EXPECT_EQ(length(page(0, 7, opus) + page(48'000 * 2 + 312, 7, "sound")), 2s);
}

TEST(SoundLength, IsUnknownWhereTheHeadersDoNotSay) {
  EXPECT_EQ(length(""), std::nullopt);
  EXPECT_EQ(length("RIFFxxxxWAVE"), std::nullopt);
  EXPECT_EQ(length("OggS"), std::nullopt);
  EXPECT_EQ(length(page(44'100, 7,
                        "\x7f"
                        "FLAC")),
            std::nullopt);
  EXPECT_EQ(length("ID3 and so on"), std::nullopt);
  std::string no_rate = wav(10, 10);
  no_rate.replace(no_rate.find("fmt ") + 16, 4, 4, '\0');
  EXPECT_EQ(length(no_rate), std::nullopt);
}

TEST(SoundLength, HasABoundWhateverTheHeadersSay) { EXPECT_EQ(length(vorbis(~0ULL - 1)), 24h); }

TEST(SoundLength, OfAFileIsReadFromBothEnds) {
  const std::string path = testing::TempDir() + "sound-" + std::to_string(::getpid());
  std::ofstream(path) << vorbis(0).substr(0, 51) << std::string(300'000, 'x') << vorbis(88'200);
  EXPECT_EQ(read_sound_length(path), base::Result<base::Duration>(2s));
  std::ofstream(path) << "nothing";
  EXPECT_EQ(read_sound_length(path).error().code, ErrorCode::kUnsupported);
  ::unlink(path.c_str());
  EXPECT_EQ(read_sound_length(path).error().code, ErrorCode::kNotFound);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(read_sound_length(path).error().code, ErrorCode::kInvalidArgument);
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace wakeline::sys
