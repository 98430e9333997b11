// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace wakeline::cli {

enum class Colour { kNone, kDim, kBold, kRed, kGreen, kYellow, kCyan };

/// Whether that file is a terminal that shows colours (NO_COLOR and TERM=dumb turn them off).
bool shows_colours(std::FILE* file);

/// `text` in that colour where stdout shows colours, plain elsewhere.
std::string paint(Colour colour, std::string_view text);

/// Text of others that may have several lines: each as base::printable has it.
std::string printable_lines(std::string_view text);

/// Columns that fit their widest cell, two spaces apart; numbers to the right. Prints on stdout.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// One cell for each column, made printable; `colour` paints the whole row.
  void add(std::vector<std::string> cells, Colour colour = Colour::kNone);
  void print() const;
  /// The same as lines, the titles first, each cut to `columns`.
  std::vector<std::string> lines(std::size_t columns) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    Colour colour;
  };
  std::string line_of(const std::vector<std::string>& cells,
                      const std::vector<std::size_t>& widths) const;
  std::vector<std::size_t> widths() const;
  std::vector<std::string> titles() const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

/// Terminal columns of UTF-8 text: code points, which is right for what we print.
std::size_t width(std::string_view text);

/// The front of UTF-8 text that fits so many terminal columns.
std::string front(std::string_view text, std::size_t columns);

/// "14:03:07.123" in local time.
std::string clock_text(long long wall_ns);
/// "14 µs", "3.2 ms", "1.50 s".
std::string span_text(long long ns);

}  // namespace wakeline::cli
