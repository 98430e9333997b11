// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bed.h"
#include "bench.h"
#include "brokers.h"
#include "disk_floor.h"
#include "fleet.h"
#include "io/clock.h"
#include "io/tls.h"
#include "pushing.h"

/// `wakeline bench server`: what the push server and its peers cost and reach in the same run.
namespace wakeline::bench {
namespace {

using cli::Outcome;

constexpr const char* kDiskNote =
    "floor: fdatasync is 4 KiB written and synced by one thread in the same folder, with nothing "
    "else under way: of a durable push, the part of the disk";

struct Plan {
  std::size_t devices;
  std::size_t tls_devices;
  std::size_t pings;
  std::size_t paced;      ///< pushes at 1,000/s
  std::size_t sustained;  ///< pushes as fast as they go
};

Plan plan_of(bool quick) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (quick) return {2'000, 500, 20'000, 1'000, 5'000};
  const auto room = static_cast<std::size_t>(limit.rlim_cur) - 600;  // ours, and the server's
  return {std::min<std::size_t>(room, 19'400), std::min<std::size_t>(room, 5'000), 200'000, 10'000,
          100'000};
}

/// What one broker reached; nothing where it was not measured.
struct Found {
  std::optional<double> plain_bytes, plain_rate, tls_bytes, tls_rate, ping_cpu_s, push_p50_us,
      push_p99_us, pushes, pushes_cpu, batched, batched_cpu, storm_s;
};

FleetTarget target_of(const Broker& broker, std::shared_ptr<io::TlsContext> tls) {
  return {.port = tls ? broker.tls : broker.plain,
          .tls = std::move(tls),
          .prefix = kDevicePrefix,
          .token = kDeviceToken,
          .version = broker.version,
          .greeting = broker.greeting};
}

Outcome<void> measure_tls(Broker& broker, const Plan& plan, Found& found) {
  auto tls = io::TlsContext::client(broker.ca_file);
  if (!tls) return std::unexpected("tls: " + base::to_string(tls.error()));
  auto fleet = Fleet::make(target_of(broker, *tls));
  if (!fleet) return std::unexpected(fleet.error());
  const std::size_t few = plan.tls_devices / 5;
  if (auto grown = (*fleet)->grow(few); !grown) return std::unexpected(grown.error());
  const double before = anonymous_bytes(broker.program.pid());
  const auto took = (*fleet)->grow(plan.tls_devices);
  if (!took) return std::unexpected(took.error());
  const auto more = static_cast<double>(plan.tls_devices - few);
  found.tls_bytes = (anonymous_bytes(broker.program.pid()) - before) / more;
  found.tls_rate = more / *took;
  return {};
}

/// Pushes at a pace.
Outcome<void> measure_latency(Broker& broker, Fleet& fleet, const Plan& plan, Found& found) {
  Samples samples;
  if (auto pushed = push_through(broker, fleet, {.count = plan.paced, .a_second = 1'000}, &samples);
      !pushed)
    return std::unexpected(pushed.error());
  found.push_p50_us = samples.percentile_us(50);
  found.push_p99_us = samples.percentile_us(99);
  return {};
}

/// Pushes at a pace, then as fast as they go, which is no measure of the floor.
Outcome<void> measure_pushes(Broker& broker, Fleet& fleet, const Plan& plan, Found& found) {
  if (auto done = measure_latency(broker, fleet, plan, found); !done) return done;
  if (broker.name == "floor") return {};
  const auto fast = [&](std::size_t batch, std::optional<double>& rate,
                        std::optional<double>& of_cpu) -> Outcome<void> {
    const Pushing how{.count = plan.sustained, .batch = batch};
    const auto count = static_cast<double>(broker.http != 0 ? how.whole() : how.count);
    const double cpu = processor_ms(broker.program.pid());
    const auto lasted = push_through(broker, fleet, how, nullptr);
    if (!lasted) return std::unexpected(lasted.error());
    rate = count / *lasted;
    of_cpu = count * 1e3 / (processor_ms(broker.program.pid()) - cpu);
    return {};
  };
  if (auto done = fast(1, found.pushes, found.pushes_cpu); !done) return done;
  return broker.http == 0 ? Outcome<void>() : fast(100, found.batched, found.batched_cpu);
}

/// The pushes alone.
Outcome<Found> measure_pushes_of(Broker& broker, const Plan& plan) {
  Found found;
  auto fleet = Fleet::make(target_of(broker, nullptr));
  if (!fleet) return std::unexpected(fleet.error());
  if (auto grown = (*fleet)->grow(plan.devices); !grown) return std::unexpected(grown.error());
  if (auto done = measure_pushes(broker, **fleet, plan, found); !done)
    return std::unexpected(done.error());
  return found;
}

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

Outcome<Found> measure(Broker& broker, const Plan& plan) {
  Found found;
  auto fleet = Fleet::make(target_of(broker, nullptr));
  if (!fleet) return std::unexpected(fleet.error());
  // The slope: what a server needs for itself is in the first fifth.
  const std::size_t few = plan.devices / 5;
  if (auto grown = (*fleet)->grow(few); !grown) return std::unexpected(grown.error());
  const double before = anonymous_bytes(broker.program.pid());
  const auto took = (*fleet)->grow(plan.devices);
  if (!took) return std::unexpected(took.error());
  const auto more = static_cast<double>(plan.devices - few);
  found.plain_bytes = (anonymous_bytes(broker.program.pid()) - before) / more;
  found.plain_rate = more / *took;

  double cpu = processor_ms(broker.program.pid());
  if (!broker.greeting) {
    if (auto pinged = (*fleet)->ping(plan.pings); !pinged) return std::unexpected(pinged.error());
    found.ping_cpu_s =
        (processor_ms(broker.program.pid()) - cpu) / 1e3 * 1e5 / static_cast<double>(plan.pings);
  }
  if (broker.name == "floor") {
    if (auto done = measure_pushes(broker, **fleet, plan, found); !done)
      return std::unexpected(done.error());
    return found;
  }
  if (!broker.delivers) {
    const auto back = (*fleet)->storm(90);
    if (!back) return std::unexpected(back.error());
    found.storm_s = *back;
    return found;
  }

  if (auto done = measure_pushes(broker, **fleet, plan, found); !done)
    return std::unexpected(done.error());
  const auto back = (*fleet)->storm(90);  // mosquitto's listen backlog is 100
  if (!back) return std::unexpected(back.error());
  found.storm_s = *back;
  fleet->reset();
  if (broker.tls == 0) return found;
  if (auto measured = measure_tls(broker, plan, found); !measured)
    return std::unexpected(measured.error());
  return found;
}

void add_figures(Report& report, const std::string& name, const Found& found, const Found* against,
                 const std::string& against_name) {
  const struct {
    const char* what;
    const char* unit;
    std::optional<double> Found::* member;
  } rows[] = {{"user memory of an idle device, plain", "B", &Found::plain_bytes},
              {"connect + subscribe, plain", "1/s", &Found::plain_rate},
              {"user memory of an idle device, TLS", "B", &Found::tls_bytes},
              {"connect + subscribe, TLS", "1/s", &Found::tls_rate},
              {"processor time of 100,000 pings", "s", &Found::ping_cpu_s},
              {"push to a device at 1,000/s: p50", "µs", &Found::push_p50_us},
              {"push to a device at 1,000/s: p99", "µs", &Found::push_p99_us},
              {"pushes, as fast as they go", "1/s", &Found::pushes},
              {"pushes for a second of its processor time", "1/s", &Found::pushes_cpu},
              {"pushes in batches of 100", "1/s", &Found::batched},
              {"pushes in batches, for a second of processor time", "1/s", &Found::batched_cpu},
              {"all devices come back", "s", &Found::storm_s}};
  for (const auto& row : rows) {
    const auto& value = found.*row.member;
    if (!value) continue;
    Figure figure{.name = name + ": " + row.what,
                  .value = *value,
                  .unit = row.unit,
                  .ratio = {},
                  .against = {}};
    if (against != nullptr && (against->*row.member) && *(against->*row.member) > 0) {
      figure.ratio = *value / *(against->*row.member);
      figure.against = against_name;
    }
    report.figures.push_back(std::move(figure));
  }
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

}  // namespace

Outcome<Report> run_pushes(bool quick) {
  const Plan plan = plan_of(quick);
  Report report{.benchmark = "pushes",
                .command = quick ? "wakeline bench server --pushes --quick"
                                 : "wakeline bench server --pushes",
                .machine = machine_line(),
                .figures = {},
                .notes = {kDiskNote}};
  const std::array<Folder, 2> folders;
  if (auto disk = add_disk(folders[0], quick, report); !disk) return std::unexpected(disk.error());
  auto holder = start_floor(folders[0]);
  if (!holder) return std::unexpected(holder.error());
  const auto floor = measure_pushes_of(*holder, plan);
  holder->program.stop();
  if (!floor) return std::unexpected("floor: " + floor.error());
  add_figures(report, "floor", *floor, nullptr, "");
  std::vector<Found> ours;
  std::optional<Broker> broker;
  for (const Folder& folder : folders) {
    const bool durable = ours.empty();
    auto started = start_wakeline(folder, {.devices = plan.devices, .durable = durable});
    if (!started) return std::unexpected(started.error());
    broker = std::move(*started);
    const auto found = measure_pushes_of(*broker, plan);
    if (!found) return std::unexpected("wakeline: " + found.error());
    broker->program.stop();
    ours.push_back(*found);
  }
  std::optional<Found> mosquitto;
  for (const Peer& peer : peers()) {
    if (peer.name != "mosquitto" || ::access(peer.path.c_str(), R_OK) != 0) continue;
    auto beside = peer.start(folders.back(), *broker);
    if (!beside) return std::unexpected("mosquitto: " + beside.error());
    const auto found = measure_pushes_of(*beside, plan);
    beside->program.stop();
    if (!found) return std::unexpected("mosquitto: " + found.error());
    mosquitto = *found;
    add_figures(report, peer.name, *mosquitto, nullptr, "");
  }
  if (!mosquitto)
    report.notes.emplace_back("mosquitto is not in this run: it is not there (package mosquitto)");
  const Found* peer = mosquitto ? &*mosquitto : nullptr;
  add_figures(report, "wakeline", ours[0], peer, "mosquitto");
  add_figures(report, "wakeline, push.durable = false", ours[1], peer, "mosquitto");
  return report;
}

Outcome<Report> run_server(bool quick) {
  const Plan plan = plan_of(quick);
  const Folder folder;
  Report report{.benchmark = "server",
                .command = quick ? "wakeline bench server --quick" : "wakeline bench server",
                .machine = machine_line(),
                .figures = {},
                .notes = {}};
  auto holder = start_floor(folder);
  if (!holder) return std::unexpected(holder.error());
  const auto floor = measure(*holder, plan);
  if (!floor) return std::unexpected("floor: " + floor.error());
  holder->program.stop();
  add_figures(report, "floor", *floor, nullptr, "");
  if (auto disk = add_disk(folder, quick, report); !disk) return std::unexpected(disk.error());
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
  report.notes.emplace_back(
      "nats speaks MQTT 3.1.1; redis and nchan hold subscribers of their own protocols: only what "
      "a sleeping one costs is measured of these");
  return report;
}

}  // namespace wakeline::bench
