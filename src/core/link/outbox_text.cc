// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "core/link/fnv.h"
#include "core/link/outbox.h"
#include "core/link/state_text.h"

namespace wakeline::link {
namespace {

using base::ErrorCode;

constexpr std::string_view kMagic = "wakeline-outbox";
constexpr std::string_view kVersion = "1";

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

}  // namespace

std::string encode(const std::vector<Message>& messages, Duration boot_to_wall) {
  const Clock clock(boot_to_wall);
  std::string text = fmt::format("{} {}\nmessages {}\n", kMagic, kVersion, messages.size());
  for (const Message& m : messages)
    text +=
        fmt::format("message {} {} {} {} {} {} {}\n", m.number, clock.text(m.until), word(m.key),
                    word(m.topic), word(m.content_type), word(m.correlation), word(m.body));
  text += fmt::format("checksum {:016x}\n", fnv(text));
  return text;
}

base::Result<std::vector<Message>> decode_outbox(std::string_view text, Duration boot_to_wall) {
  const auto malformed = base::fail(ErrorCode::kMalformed, "link.outbox");
  if (text.size() > kOutboxTextMax) return base::fail(ErrorCode::kTooLarge, "link.outbox");
  Lines lines(text);
  const auto version = lines.take(kMagic);
  if (!version) return malformed;
  if (*version != kVersion) return base::fail(ErrorCode::kUnsupported, "link.outbox");
  std::size_t count = 0;
  if (!lines.read("messages", count) || count > kOutboxMax) return malformed;
  const Clock clock(boot_to_wall);
  std::vector<Message> messages(count);
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
  return messages;
}

}  // namespace wakeline::link
