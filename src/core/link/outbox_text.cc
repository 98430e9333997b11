// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "core/link/fnv.h"
#include "core/link/outbox.h"
#include "core/link/state_text.h"

namespace wakeline::link {
namespace {

using base::ErrorCode;

constexpr std::string_view kOutboxMagic = "wakeline-outbox";
constexpr std::string_view kOutboxVersion = "2";
constexpr std::string_view kVersionByWall = "1";
constexpr std::size_t kBootMax = 64;  ///< bytes of a boot's name; the kernel's has 36
/// Of both clocks: so that no sum of such times leaves the range of 292 years.
constexpr Duration kTimeMax = std::chrono::hours(24) * 36'525;

/// A word even where it is empty.
std::string word(base::BytesView bytes) { return '=' + base::to_base64url(bytes); }
std::string word(const std::string& text) { return word(base::as_bytes(text)); }

bool read(Words& words, base::Bytes& bytes) {
  const auto text = words.take();
  if (!text || !text->starts_with('=')) return false;
  auto decoded = base::from_base64url(text->substr(1));
  if (decoded) bytes = std::move(*decoded);
  return decoded.has_value();
}

bool read(Words& words, std::string& text) {
  base::Bytes bytes;
  if (!read(words, bytes)) return false;
  text = base::as_text(bytes);
  return true;
}

bool read_message(std::string_view line, const Clock& clock, Message& m) {
  Words words(line);
  return words.read(m.number) && clock.read(words, m.until) && read(words, m.key) &&
         read(words, m.topic) && read(words, m.content_type) && read(words, m.correlation) &&
         read(words, m.body) && words.empty() && check(m).has_value();
}

bool read_written(Lines& lines, FileTime& written) {
  const auto line = lines.take("written");
  if (!line) return false;
  Words words(*line);
  const auto boot = words.take();
  Duration now{};
  Duration wall{};
  if (!boot || !boot->starts_with('=') || boot->size() > kBootMax + 1 || !words.read(now) ||
      !words.read(wall) || !words.empty() || now > kTimeMax || wall > kTimeMax)
    return false;
  written = {std::string(boot->substr(1)), Instant(now), base::WallTime(wall)};
  return true;
}

/// What takes an instant of the writer's clock to the reader's.
Duration shift(const FileTime& written, const FileTime& read) {
  return read.now - written.now - age(written, read);
}

}  // namespace

Duration age(const FileTime& written, const FileTime& read) {
  const bool boots_known = !written.boot.empty() && !read.boot.empty();
  if (boots_known && written.boot == read.boot && read.now >= written.now)
    return read.now - written.now;
  Duration age{};
  if (written.wall != base::WallTime{} && read.wall > written.wall) age = read.wall - written.wall;
  // Whoever wrote it did so before this boot began.
  if (boots_known) age = std::max(age, read.now.time_since_epoch());
  return age;
}

std::string encode(const std::vector<Message>& messages, const FileTime& written) {
  const Clock clock({});
  std::string text =
      fmt::format("{} {}\nwritten ={} {} {}\nmessages {}\n", kOutboxMagic, kOutboxVersion,
                  written.boot, written.now.time_since_epoch().count(),
                  std::max<Duration>(written.wall.time_since_epoch(), {}).count(), messages.size());
  for (const Message& m : messages)
    text +=
        fmt::format("message {} {} {} {} {} {} {}\n", m.number, clock.text(m.until), word(m.key),
                    word(m.topic), word(m.content_type), word(m.correlation), word(m.body));
  text += fmt::format("checksum {:016x}\n", fnv(text));
  return text;
}

base::Result<OutboxFile> decode_outbox(std::string_view text, const FileTime& read) {
  const auto malformed = base::fail(ErrorCode::kMalformed, "link.outbox");
  if (text.size() > kOutboxTextMax) return base::fail(ErrorCode::kTooLarge, "link.outbox");
  Lines lines(text);
  const auto version = lines.take(kOutboxMagic);
  if (!version) return malformed;
  const bool by_wall = *version == kVersionByWall;
  if (*version != kOutboxVersion && !by_wall)
    return base::fail(ErrorCode::kUnsupported, "link.outbox");
  OutboxFile file;
  if (!by_wall && !read_written(lines, file.written)) return malformed;
  std::size_t count = 0;
  if (!lines.read("messages", count) || count > kOutboxMax) return malformed;
  const Clock clock(by_wall ? read.wall.time_since_epoch() - read.now.time_since_epoch()
                            : -shift(file.written, read));
  std::vector<Message>& messages = file.messages;
  messages.resize(count);
  std::uint64_t last = 0;
  for (Message& m : messages) {
    const auto line = lines.take("message");
    if (!line || !read_message(*line, clock, m) || m.number <= last) return malformed;
    last = m.number;
  }
  const std::size_t end = text.rfind("checksum ");
  std::uint64_t sum = 0;
  if (!lines.read("checksum", sum, 16) || !lines.empty()) return malformed;
  if (sum != fnv(text.substr(0, end))) return malformed;
  return file;
}

}  // namespace wakeline::link
