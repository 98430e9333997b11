// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "linux/notifications.h"

namespace wakeline::sys {
namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kPlain = "\x1b[0m";

// An app's text must not steer the user's terminal, nor forge further lines.
std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // The control characters from U+0080 to U+009F are two bytes in UTF-8: C2 80 to C2 9F.
    const bool second =
        i + 1 < text.size() && byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte < 0x20 || byte == 0x7F || second) {
      out += ' ';
      i += second ? 1 : 0;
    } else {
      out += text[i];
    }
  }
  return out;
}

class TerminalNotifier final : public Notifier {
 public:
  explicit TerminalNotifier(int fd)
      : fd_(fd), coloured_(::isatty(fd) == 1 && ::getenv("NO_COLOR") == nullptr) {}

  void show(std::uint64_t, const Notice& notice, OnShown on_shown) override {
    const auto shown = print(notice);
    if (on_shown) on_shown(shown);
  }
  void close(std::uint64_t) override {}
  std::optional<NoticePlace> place(std::uint64_t) const override { return std::nullopt; }
  void restore(std::uint64_t, NoticePlace) override {}
  std::string describe() const override { return "the terminal"; }

 private:
  base::Result<void> print(const Notice& notice) const {
    std::string line =
        fmt::format("{}[{}] {}{}", coloured_ ? kBold : "", printable(notice.app_name),
                    printable(notice.title), coloured_ ? kPlain : "");
    if (!notice.body.empty()) line += ": " + printable(notice.body);
    line += '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t written = ::write(fd_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return base::fail(base::os_error("terminal", errno));
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  int fd_;
  bool coloured_;
};

}  // namespace

std::unique_ptr<Notifier> make_terminal_notifier(int fd) {
  return std::make_unique<TerminalNotifier>(fd);
}

std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += letter;
    }
  }
  return out;
}

}  // namespace wakeline::sys
