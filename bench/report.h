// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/terminal.h"

namespace wakeline::bench {

/// One measured number, with its ratio against the floor or peer of the same run.
struct Figure {
  std::string name;  ///< "suspended, cgroup: p50"
  double value = 0;
  std::string unit;             ///< "µs", "1/s", "KiB"
  std::optional<double> ratio;  ///< value / the floor's value
  std::string against;          ///< name of the floor; empty without ratio
};

/// What one benchmark found.
struct Report {
  std::string benchmark;
  std::string command;  ///< that gives these figures again
  std::string machine;  ///< cores, kernel
  std::vector<Figure> figures;
  std::vector<std::string> notes;
  /// The figures side by side, for people in the place of their list.
  std::optional<cli::Table> table = std::nullopt;
  /// What could not be measured, and why; the command fails then.
  std::vector<std::string> missing = {};
};

/// Cores, processor and kernel in one line.
std::string machine_line();

void print_table(const Report& report);
std::string to_json(const Report& report);

/// Nanosecond samples of one mode.
class Samples {
 public:
  void add(std::int64_t ns) { values_.push_back(ns); }
  std::size_t size() const { return values_.size(); }
  void append(const Samples& other) {
    values_.insert(values_.end(), other.values_.begin(), other.values_.end());
  }
  /// The value below which `percent` of the samples lie (nearest rank); at least one sample.
  double percentile_us(double percent) const;

 private:
  std::vector<std::int64_t> values_;
};

/// The middle of a list of numbers; at least one.
double median(std::vector<double> values);

}  // namespace wakeline::bench
