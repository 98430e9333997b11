// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "base/check.h"
#include "base/printable.h"

namespace wakeline::cli {

bool shows_colours(std::FILE* file) {
  const char* term = std::getenv("TERM");
  return ::isatty(::fileno(file)) == 1 && std::getenv("NO_COLOR") == nullptr && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::string paint(Colour colour, std::string_view text) {
  static const bool colours = shows_colours(stdout);
  if (!colours || colour == Colour::kNone) return std::string(text);
  int code = 0;
  switch (colour) {
    case Colour::kNone:
      break;
    case Colour::kDim:
      code = 2;
      break;
    case Colour::kBold:
      code = 1;
      break;
    case Colour::kRed:
      code = 31;
      break;
    case Colour::kGreen:
      code = 32;
      break;
    case Colour::kYellow:
      code = 33;
      break;
    case Colour::kCyan:
      code = 36;
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string printable_lines(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += base::printable(text.substr(at, end - at));
    if (end < text.size()) out += '\n';
    at = end + 1;
  }
  return out;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void Table::add(std::vector<std::string> cells, Colour colour) {
  WL_CHECK_MSG(cells.size() == columns_.size(), "cells={} columns={}", cells.size(),
               columns_.size());
  for (std::string& cell : cells) cell = base::printable(cell);
  rows_.push_back({std::move(cells), colour});
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(width(column.title));
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      widths[i] = std::max(widths[i], width(row.cells[i]));
  }
  return widths;
}

std::vector<std::string> Table::titles() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  return titles;
}

std::string Table::line_of(const std::vector<std::string>& cells,
                           const std::vector<std::size_t>& widths) const {
  std::string text;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths[i] - width(cells[i]), ' ');
    if (i > 0) text += "  ";
    text += columns_[i].align == Align::kRight ? padding + cells[i] : cells[i] + padding;
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

void Table::print() const {
  const std::vector<std::size_t> wide = widths();
  fmt::print("{}\n", paint(Colour::kBold, line_of(titles(), wide)));
  for (const Row& row : rows_) fmt::print("{}\n", paint(row.colour, line_of(row.cells, wide)));
}

std::vector<std::string> Table::lines(std::size_t columns) const {
  const std::vector<std::size_t> wide = widths();
  const auto fitting = [&](const std::vector<std::string>& cells, Colour colour) {
    return paint(colour, front(line_of(cells, wide), columns));
  };
  std::vector<std::string> lines = {fitting(titles(), Colour::kBold)};
  for (const Row& row : rows_) lines.push_back(fitting(row.cells, row.colour));
  return lines;
}

std::string front(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (begins && seen++ == columns) break;
  }
  return std::string(text.substr(0, end));
}

std::string clock_text(long long wall_ns) {
  const std::time_t seconds = wall_ns / 1'000'000'000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}.{:03}", local.tm_hour, local.tm_min, local.tm_sec,
                     wall_ns / 1'000'000 % 1000);
}

std::string span_text(long long ns) {
  if (ns < 1'000'000) return fmt::format("{} µs", (ns + 500) / 1000);
  if (ns < 1'000'000'000) return fmt::format("{:.1f} ms", static_cast<double>(ns) / 1e6);
  return fmt::format("{:.2f} s", static_cast<double>(ns) / 1e9);
}

}  // namespace wakeline::cli
