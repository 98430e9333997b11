// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include <boost/json.hpp>

#include "base/check.h"

namespace wakeline::bench {

std::string machine_line() {
  utsname name{};
  ::uname(&name);
  return fmt::format("{} cores, {} {}", std::thread::hardware_concurrency(), name.sysname,
                     name.release);
}

void print_table(const Report& report) {
  using cli::Table;
  fmt::print("{}\n{}\n\n", cli::paint(cli::Colour::kBold, report.benchmark), report.machine);
  if (report.table) {
    if (!report.figures.empty()) report.table->print();
  } else {
    Table table({{"figure"},
                 {"value", Table::Align::kRight},
                 {"unit"},
                 {"ratio", Table::Align::kRight},
                 {"against"}});
    for (const Figure& figure : report.figures) {
      table.add({figure.name, fmt::format("{:.4g}", figure.value), figure.unit,
                 figure.ratio ? fmt::format("{:.2f} x", *figure.ratio) : "", figure.against});
    }
    table.print();
  }
  for (const std::string& missing : report.missing) fmt::print("\nNot measured: {}\n", missing);
  for (const std::string& note : report.notes) fmt::print("\n{}\n", note);
  fmt::print("\nAgain: {}\n", report.command);
}

std::string to_json(const Report& report) {
  boost::json::array figures;
  for (const Figure& figure : report.figures) {
    boost::json::object row{{"name", figure.name}, {"value", figure.value}, {"unit", figure.unit}};
    if (figure.ratio) {
      row["ratio"] = *figure.ratio;
      row["against"] = figure.against;
    }
    figures.push_back(std::move(row));
  }
  return boost::json::serialize(
      boost::json::object{{"benchmark", report.benchmark},
                          {"command", report.command},
                          {"machine", report.machine},
                          {"figures", std::move(figures)},
                          {"notes", boost::json::value_from(report.notes)},
                          {"missing", boost::json::value_from(report.missing)}});
}

double Samples::percentile_us(double percent) const {
  WL_CHECK(!values_.empty());
  std::vector<std::int64_t> sorted = values_;
  const auto rank =
      static_cast<std::size_t>(std::ceil(percent / 100.0 * static_cast<double>(sorted.size())));
  const std::size_t index = std::clamp<std::size_t>(rank, 1, sorted.size()) - 1;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(index),
                   sorted.end());
  return static_cast<double>(sorted[index]) / 1e3;
}

double median(std::vector<double> values) {
  WL_CHECK(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace wakeline::bench
