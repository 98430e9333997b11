// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "bed.h"
#include "bench.h"
#include "brokers.h"

/// `wakeline bench store`: what the durable queue takes in a second, against SQLite alone.
namespace wakeline::bench {

cli::Outcome<Report> run_store(bool quick) {
  const Folder folder;
  Report report{.benchmark = "store",
                .command = quick ? "wakeline bench store --quick" : "wakeline bench store",
                .machine = machine_line(),
                .figures = {},
                .notes = {}};
  const std::string log = folder.file("bench-store.log");
  auto program =
      cli::Program::start({beside("bench-store"), folder.file(""), quick ? "4000" : "100000"}, log);
  if (!program) return std::unexpected(program.error());
  constexpr int kMinutes = 10;
  for (int i = 0; program->alive() && i < kMinutes * 600; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  if (const int code = program->wait(); code != 0)
    return std::unexpected(fmt::format("bench-store ended with {}", code));
  std::ifstream lines(log);
  std::optional<double> alone;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    double rate = 0, syncs = 0, p50 = 0, p99 = 0;
    if (!std::getline(words, name, '\t') || !(words >> rate >> syncs >> p50 >> p99))
      return std::unexpected("bench-store said: " + line);
    Figure figure{.name = name, .value = rate, .unit = "1/s", .ratio = {}, .against = {}};
    if (alone) {
      figure.ratio = rate / *alone;
      figure.against = "an INSERT a transaction";
    } else {
      alone = rate;
    }
    report.figures.push_back(std::move(figure));
    const auto add = [&](const char* what, double value, const char* unit) {
      report.figures.push_back(
          {.name = name + ": " + what, .value = value, .unit = unit, .ratio = {}, .against = {}});
    };
    add("syncs for a push", syncs, "");
    add("p50", p50, "µs");
    add("p99", p99, "µs");
  }
  report.notes.emplace_back(
      "bodies of 128 B to 1,000 devices; all in WAL mode, synced is synchronous = FULL; the store "
      "deletes each push after its answer, as if its device had it");
  return report;
}

}  // namespace wakeline::bench
