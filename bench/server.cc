// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "bed.h"
#include "bench.h"
#include "brokers.h"
#include "disk_floor.h"
#include "io/clock.h"
#include "server_measure.h"

/// `wakeline bench server`: what the push server and its peers cost and reach in the same run.
namespace wakeline::bench {
namespace {

using cli::Outcome;

constexpr const char* kDiskNote =
    "floor: fdatasync is 4 KiB written and synced by one thread in the same folder, with nothing "
    "else under way: of a durable push, the part of the disk";

constexpr const char* kFleetNote =
    "the devices are one thread: where their processor time for a connect with TLS is longer than "
    "the server's, the connects a second are theirs";

/// What is measured of one broker.
using Part = std::function<Outcome<Found>(Broker&)>;

/// Beside the durable push, the part of it that is the disk's.
Outcome<void> add_disk(const Folder& folder, bool quick, Report& report) {
  const auto disk = measure_disk(folder, quick ? 200 : 2'000);
  if (!disk) return std::unexpected("disk: " + disk.error());
  const struct {
    const char* what;
    const Samples& samples;
  } rows[] = {{"a page appended to a file", disk->append},
              {"a page of a file overwritten", disk->overwrite},
              {"the same, a page due each millisecond", disk->paced}};
  for (const auto& row : rows) {
    for (const int percent : {50, 99})
      report.figures.push_back({.name = fmt::format("floor: fdatasync, {}: p{}", row.what, percent),
                                .value = row.samples.percentile_us(percent),
                                .unit = "µs",
                                .ratio = {},
                                .against = {}});
  }
  return {};
}

/// A fleet in a process of its own, as one file table holds no more.
class FleetProgram {
 public:
  static Outcome<FleetProgram> start(const Folder& folder, const Broker& broker, std::size_t first,
                                     std::size_t count) {
    FleetProgram made;
    made.log_ = folder.file(fmt::format("fleet-{}.log", first));
    std::error_code ignored;
    std::filesystem::remove(made.log_, ignored);
    // Its standard input is ours, on which nothing comes.
    auto program =
        cli::Program::start({beside("bench-fleet"), std::to_string(broker.plain), kDevicePrefix,
                             std::to_string(first), std::to_string(count), kDeviceToken},
                            made.log_);
    if (!program) return std::unexpected(program.error());
    made.program_ = std::move(*program);
    return made;
  }
  /// Waits until all its devices are in.
  Outcome<void> await_ready() {
    for (int i = 0; i < 6'000; ++i) {
      std::ifstream file(log_);
      std::string line;
      if (std::getline(file, line) && !file.eof()) {
        if (line.starts_with("ready ")) return {};
        return std::unexpected(line);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return std::unexpected("a fleet did not get in within five minutes");
  }

 private:
  cli::Program program_;
  std::string log_;
};

/// Many devices of one server whose shards have a file table each: memory by number, and the slope.
Outcome<void> measure_many(const Folder& folder, bool quick, Report& report) {
  const std::size_t step = quick ? 2'000 : 12'500;
  const std::size_t steps = quick ? 4 : 8;
  const auto shards = static_cast<unsigned>(quick ? 2 : 8);
  auto broker =
      start_wakeline(folder, {.devices = step * steps, .shards = shards, .file_tables = true});
  if (!broker) return std::unexpected(broker.error());
  std::vector<FleetProgram> fleets;
  double at_first = 0;
  const std::int64_t start = monotonic_ns();
  for (std::size_t i = 0; i < steps; ++i) {
    auto fleet = FleetProgram::start(folder, *broker, i * step, step);
    if (!fleet) return std::unexpected(fleet.error());
    fleets.push_back(std::move(*fleet));
    if (auto ready = fleets.back().await_ready(); !ready) return ready;
    if (i == 0) at_first = anonymous_bytes(broker->program.pid());
  }
  const double seconds = static_cast<double>(monotonic_ns() - start) / 1e9;
  const double bytes = anonymous_bytes(broker->program.pid());
  const auto count = static_cast<double>(step * steps);
  const double slope = (bytes - at_first) / (count - static_cast<double>(step));
  const auto add = [&](std::string name, double value, const char* unit) {
    report.figures.push_back(
        {.name = std::move(name), .value = value, .unit = unit, .ratio = {}, .against = {}});
  };
  add(fmt::format("wakeline: {} devices held, {} shards", step * steps, shards), bytes / 1e6, "MB");
  add("wakeline: user memory of one more", slope, "B");
  add("wakeline: a million, by that slope", (bytes + slope * (1e6 - count)) / 1e6, "MB");
  add(fmt::format("wakeline: time until {} are in", step * steps), seconds, "s");
  // What it still writes down of the last that came belongs to their coming.
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const double cpu = processor_ms(broker->program.pid());
  std::this_thread::sleep_for(std::chrono::seconds(quick ? 2 : 20));
  add("wakeline: processor time while they sleep",
      (processor_ms(broker->program.pid()) - cpu) / (quick ? 2 : 20), "ms/s");
  broker->program.stop();
  return {};
}

/// The least that a durable push takes: a bare loop that syncs what is published, and sends it on.
Outcome<void> add_synced_floor(const Plan& plan, Report& report) {
  const Folder folder;
  auto holder = start_floor(folder, true);
  if (!holder) return std::unexpected(holder.error());
  const auto found = measure_pushes_of(*holder, plan);
  holder->program.stop();
  if (!found) return std::unexpected("floor, synced: " + found.error());
  add_figures(report, "floor, synced", *found, nullptr, "");
  return {};
}

/// Mosquitto beside a part of the measurements; nothing where it is not installed.
Outcome<std::optional<Found>> measure_mosquitto(const Folder& folder, const Broker& ours,
                                                const Part& part, Report& report) {
  for (const Peer& peer : peers()) {
    if (peer.name != "mosquitto" || ::access(peer.path.c_str(), R_OK) != 0) continue;
    auto beside = peer.start(folder, ours);
    if (!beside) return std::unexpected("mosquitto: " + beside.error());
    const auto found = part(*beside);
    beside->program.stop();
    if (!found) return std::unexpected("mosquitto: " + found.error());
    add_figures(report, peer.name, *found, nullptr, "");
    return *found;
  }
  report.notes.emplace_back("mosquitto is not in this run: it is not there (package mosquitto)");
  return std::nullopt;
}

/// A part of the measurements: the floor, ours with each of `durable`, and mosquitto.
Outcome<void> run_part(const Plan& plan, const std::vector<bool>& durable, const Part& part,
                       Report& report) {
  const std::vector<Folder> folders(durable.size());
  auto holder = start_floor(folders.front());
  if (!holder) return std::unexpected(holder.error());
  const auto floor = part(*holder);
  holder->program.stop();
  if (!floor) return std::unexpected("floor: " + floor.error());
  add_figures(report, "floor", *floor, nullptr, "");
  std::vector<Found> ours;
  std::optional<Broker> broker;
  for (std::size_t i = 0; i < durable.size(); ++i) {
    auto started = start_wakeline(folders[i], {.devices = plan.devices, .durable = durable[i]});
    if (!started) return std::unexpected(started.error());
    broker = std::move(*started);
    const auto found = part(*broker);
    if (!found) return std::unexpected("wakeline: " + found.error());
    broker->program.stop();
    ours.push_back(*found);
  }
  const auto mosquitto = measure_mosquitto(folders.back(), *broker, part, report);
  if (!mosquitto) return std::unexpected(mosquitto.error());
  for (std::size_t i = 0; i < durable.size(); ++i)
    add_figures(report, durable[i] ? "wakeline" : "wakeline, push.durable = false", ours[i],
                *mosquitto ? &**mosquitto : nullptr, "mosquitto");
  return {};
}

Report report_of(const char* benchmark, const std::string& command, bool quick) {
  return {.benchmark = benchmark,
          .command = command + (quick ? " --quick" : ""),
          .machine = machine_line(),
          .figures = {},
          .notes = {}};
}

}  // namespace

Outcome<Report> run_pushes(bool quick) {
  const Plan plan = plan_of(quick);
  Report report = report_of("pushes", "wakeline bench server --pushes", quick);
  report.notes.emplace_back(kDiskNote);
  const Folder folder;
  if (auto disk = add_disk(folder, quick, report); !disk) return std::unexpected(disk.error());
  if (auto added = add_synced_floor(plan, report); !added) return std::unexpected(added.error());
  const Part part = [&](Broker& broker) { return measure_pushes_of(broker, plan); };
  if (auto done = run_part(plan, {true, false}, part, report); !done)
    return std::unexpected(done.error());
  return report;
}

Outcome<Report> run_tls(bool quick) {
  const Plan plan = plan_of(quick);
  Report report = report_of("tls", "wakeline bench server --tls", quick);
  report.notes.emplace_back(kFleetNote);
  const Part part = [&](Broker& broker) { return measure_tls_of(broker, plan); };
  if (auto done = run_part(plan, {true}, part, report); !done) return std::unexpected(done.error());
  return report;
}

Outcome<Report> run_server(bool quick) {
  const Plan plan = plan_of(quick);
  const Folder folder;
  Report report = report_of("server", "wakeline bench server", quick);
  auto holder = start_floor(folder);
  if (!holder) return std::unexpected(holder.error());
  const auto floor = measure(*holder, plan);
  if (!floor) return std::unexpected("floor: " + floor.error());
  holder->program.stop();
  add_figures(report, "floor", *floor, nullptr, "");
  if (auto disk = add_disk(folder, quick, report); !disk) return std::unexpected(disk.error());
  if (auto added = add_synced_floor(plan, report); !added) return std::unexpected(added.error());
  auto ours = start_wakeline(folder, {.devices = plan.devices});
  if (!ours) return std::unexpected(ours.error());
  const auto found = measure(*ours, plan);
  if (!found) return std::unexpected("wakeline: " + found.error());
  ours->program.stop();
  const Folder relaxed_folder;
  auto relaxed = start_wakeline(relaxed_folder, {.devices = plan.devices, .durable = false});
  if (!relaxed) return std::unexpected(relaxed.error());
  const auto undurable = measure_pushes_of(*relaxed, plan);
  if (!undurable) return std::unexpected("wakeline, not synced: " + undurable.error());
  relaxed->program.stop();
  std::optional<Found> mosquitto;
  for (const Peer& peer : peers()) {
    if (::access(peer.path.c_str(), R_OK) != 0) {
      report.notes.push_back(fmt::format("{} is not in this run: {} is not there (package {})",
                                         peer.name, peer.path, peer.package));
      continue;
    }
    auto broker = peer.start(folder, *ours);
    if (!broker) {
      report.notes.push_back(
          fmt::format("{} is not in this run: it did not start: {}", peer.name, broker.error()));
      continue;
    }
    const auto measured = measure(*broker, plan);
    broker->program.stop();
    if (!measured) {
      report.notes.push_back(fmt::format("{} is not in this run: {}", peer.name, measured.error()));
      continue;
    }
    add_figures(report, peer.name, *measured, &*floor, "floor");
    if (peer.name == "mosquitto") mosquitto = *measured;
  }
  add_figures(report, "wakeline", *found, mosquitto ? &*mosquitto : &*floor,
              mosquitto ? "mosquitto" : "floor");
  add_figures(report, "wakeline, push.durable = false", *undurable,
              mosquitto ? &*mosquitto : nullptr, "mosquitto");
  const Folder other;
  if (auto many = measure_many(other, quick, report); !many)
    return std::unexpected("many devices: " + many.error());
  report.notes.push_back(fmt::format(
      "{} devices plain, {} with TLS; memory is the slope of anonymous pages between a fifth and "
      "all of them",
      plan.devices, plan.tls_devices));
  report.notes.emplace_back(
      "wakeline's pushes come over HTTP and are synced to the disk before they are answered and "
      "sent, or written and not synced with push.durable = false; the peers' come over MQTT with "
      "QoS 1 and are kept in memory");
  report.notes.emplace_back(kDiskNote);
  report.notes.emplace_back(kFleetNote);
  report.notes.emplace_back(
      "nats speaks MQTT 3.1.1; redis and nchan hold subscribers of their own protocols: only what "
      "a sleeping one costs is measured of these");
  return report;
}

}  // namespace wakeline::bench
