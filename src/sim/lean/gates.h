// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace wakeline::sim::lean {

/// One demand of link.md §7, and what our machine reached.
struct Gate {
  std::string what;
  std::string wanted;
  std::string reached;
  bool passed = false;
};

/// A table of one world: a row for each client, ours last.
struct GateTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> notes;  ///< where we are worse than another, in a sentence
};

struct GateReport {
  std::vector<GateTable> tables;
  std::vector<Gate> gates;
  bool passed() const;
};

/// Runs our machine and each baseline through the same worlds. `quick`: fewer NATs, a smaller
/// storm and fewer crash seeds; the demands are the same.
GateReport run_gates(bool quick);

}  // namespace wakeline::sim::lean
