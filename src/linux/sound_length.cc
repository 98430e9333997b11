// SPDX-License-Identifier: Apache-2.0
#include "linux/sound_length.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "io/unique_fd.h"

namespace wakeline::sys {
namespace {

using base::BytesView;
using base::ErrorCode;

// An Ogg page is at most 65,307 bytes long, so that its last one begins within this.
constexpr std::size_t kPartMax = 128 << 10;
// No sound that anybody waits for; it keeps the arithmetic far from its bounds.
constexpr std::uint64_t kSecondsMax = 24 * 3'600;

bool has_text(BytesView bytes, std::size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() && base::as_text(bytes.subspan(at, text.size())) == text;
}

// Both formats are little-endian; 0 beyond the end.
std::uint64_t number(BytesView bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  if (bytes.size() < at + size) return 0;
  for (std::size_t i = size; i > 0; --i) value = value << 8 | bytes[at + i - 1];
  return value;
}

std::optional<base::Duration> length_of(std::uint64_t units, std::uint64_t units_per_second) {
  if (units_per_second == 0) return std::nullopt;
  const std::uint64_t seconds = units / units_per_second;
  if (seconds > kSecondsMax) return std::chrono::seconds(kSecondsMax);
  // The rest is below a rate of 32 bits: the product fits.
  const std::uint64_t rest = units % units_per_second;
  return std::chrono::seconds(seconds) +
         std::chrono::nanoseconds(rest * 1'000'000'000 / units_per_second);
}

std::optional<base::Duration> wav_length(BytesView head, std::uint64_t size) {
  constexpr std::size_t kHeader = 12;
  constexpr std::size_t kChunkHeader = 8;
  std::uint64_t bytes_per_second = 0;
  for (std::size_t at = kHeader; head.size() >= at + kChunkHeader;) {
    const std::uint64_t chunk = number(head, at + 4, 4);
    if (has_text(head, at, "fmt ")) bytes_per_second = number(head, at + kChunkHeader + 8, 4);
    if (has_text(head, at, "data")) {
      // Written as a stream, the size is the greatest number: then the file's own counts.
      return length_of(std::min(chunk, size - at - kChunkHeader), bytes_per_second);
    }
    at += kChunkHeader + chunk + (chunk & 1);
  }
  return std::nullopt;
}

std::optional<base::Duration> ogg_length(BytesView head, BytesView tail) {
  constexpr std::size_t kPageHeader = 27;  // then one byte for each segment
  constexpr std::uint64_t kNoPosition = ~std::uint64_t{0};
  constexpr std::uint64_t kOpusRate = 48'000;
  const std::size_t content = kPageHeader + number(head, 26, 1);
  std::uint64_t rate = 0;
  std::uint64_t skipped = 0;
  if (has_text(head, content, "\x01vorbis")) rate = number(head, content + 12, 4);
  if (has_text(head, content, "OpusHead")) {
    rate = kOpusRate;
    skipped = number(head, content + 10, 2);
  }
  const std::uint64_t stream = number(head, 14, 4);
  const std::string_view text = base::as_text(tail);
  for (std::size_t at = text.rfind("OggS"); at != std::string_view::npos && rate != 0;) {
    const std::uint64_t position = number(tail, at + 6, 8);
    const bool whole = tail.size() >= at + kPageHeader;
    if (whole && number(tail, at + 14, 4) == stream && position != kNoPosition) {
      return length_of(position > skipped ? position - skipped : 0, rate);
    }
    at = at == 0 ? std::string_view::npos : text.rfind("OggS", at - 1);
  }
  return std::nullopt;
}

base::Result<base::Bytes> read_part(int fd, std::uint64_t at) {
  base::Bytes bytes(kPartMax);
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t size =
        ::pread(fd, bytes.data() + have, bytes.size() - have, static_cast<off_t>(at + have));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return base::fail(base::os_error("sound", errno));
    if (size == 0) break;
    have += static_cast<std::size_t>(size);
  }
  bytes.resize(have);
  return bytes;
}

}  // namespace

std::optional<base::Duration> sound_length(BytesView head, BytesView tail, std::uint64_t size) {
  if (has_text(head, 0, "RIFF") && has_text(head, 8, "WAVE")) return wav_length(head, size);
  if (has_text(head, 0, "OggS")) return ogg_length(head, tail);
  return std::nullopt;
}

base::Result<base::Duration> read_sound_length(const std::string& path) {
  // O_NONBLOCK: the path is an app's, and may be a pipe that nobody writes to.
  const io::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return base::fail(base::os_error("sound", errno));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return base::fail(base::os_error("sound", errno));
  if (!S_ISREG(status.st_mode)) return base::fail(ErrorCode::kInvalidArgument, "sound");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const auto head = read_part(fd.get(), 0);
  if (!head) return base::fail(head.error());
  const auto tail = read_part(fd.get(), size > kPartMax ? size - kPartMax : 0);
  if (!tail) return base::fail(tail.error());
  const auto length = sound_length(*head, *tail, std::max<std::uint64_t>(size, head->size()));
  if (!length) return base::fail(ErrorCode::kUnsupported, "sound");
  return *length;
}

}  // namespace wakeline::sys
