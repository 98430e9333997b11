// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "wire/desktop_entry.h"
#include "wire/quote.h"

namespace wakeline::wire::desktop {
namespace {

/// What must stand in double quotes. Source: §7; the space separates, so it is not listed.
constexpr std::string_view kReserved = "\t\n\r\"'\\><~|&;$*?#()`";
/// What a backslash must precede inside double quotes.
constexpr std::string_view kEscapedInQuotes = "\"`$\\";
/// Field codes, those that the specification calls deprecated among them.
constexpr std::string_view kFieldCodes = "fFuUdDnNickvm";

using Checked = std::expected<void, std::string>;

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  Checked split() {
    while (skip_spaces()) {
      argument_.clear();
      dropped_ = false;
      const bool is_quoted = text_[at_] == '"';
      if (Checked taken = is_quoted ? take_quoted() : take_plain(); !taken) return taken;
      if (!argument_.empty() || !dropped_) arguments_.push_back(std::move(argument_));
    }
    if (arguments_.empty() || arguments_[0].empty()) return std::unexpected("names no program");
    if (arguments_[0].find('=') != std::string::npos) {
      return std::unexpected("the program's name must not hold '='");
    }
    return {};
  }

  std::vector<std::string> arguments() && { return std::move(arguments_); }

 private:
  bool skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size();
  }

  Checked take_plain() {
    for (; at_ < text_.size() && text_[at_] != ' '; ++at_) {
      if (kReserved.find(text_[at_]) != std::string_view::npos) {
        return std::unexpected(fmt::format("an argument with {} must stand in double quotes",
                                           quoted(text_.substr(at_, 1))));
      }
      if (Checked taken = take_char(); !taken) return taken;
    }
    return {};
  }

  Checked take_quoted() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      const bool special = kEscapedInQuotes.find(text_[at_]) != std::string_view::npos;
      if (special) {
        const bool paired = text_[at_] == '\\' && at_ + 1 < text_.size() &&
                            kEscapedInQuotes.find(text_[at_ + 1]) != std::string_view::npos;
        if (!paired) {
          return std::unexpected(R"(in double quotes, write \" \` \$ \\ for " ` $ \)");
        }
        argument_ += text_[++at_];
      } else if (Checked taken = take_char(); !taken) {
        return taken;
      }
    }
    if (at_ == text_.size()) return std::unexpected("a double quote is not closed");
    ++at_;
    if (at_ < text_.size() && text_[at_] != ' ') {
      return std::unexpected("an argument must stand in double quotes as a whole");
    }
    if (dropped_) return std::unexpected("a field code must not stand in double quotes");
    return {};
  }

  // One character, or a percent sign with what follows it.
  Checked take_char() {
    if (text_[at_] != '%') {
      argument_ += text_[at_];
      return {};
    }
    const char code = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (code == '%') {
      argument_ += '%';
    } else if (kFieldCodes.find(code) != std::string_view::npos) {
      dropped_ = true;
    } else {
      return std::unexpected("'%' begins an unknown field code; write %% for a percent sign");
    }
    ++at_;
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string argument_;
  bool dropped_ = false;  // a field code stood in this argument
  std::vector<std::string> arguments_;
};

}  // namespace

std::expected<std::vector<std::string>, std::string> split_command(std::string_view exec) {
  Splitter splitter(exec);
  if (Checked checked = splitter.split(); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return std::move(splitter).arguments();
}

}  // namespace wakeline::wire::desktop
