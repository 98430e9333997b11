// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "bed.h"
#include "bench.h"
#include "clients.h"
#include "tests/support/fault_proxy.h"
#include "usage.h"

/// `wakeline bench client`: what an idle client with one TLS connection costs, beside the same
/// client with other libraries; and how soon a line that is over is found out.
namespace wakeline::bench {
namespace {

struct Library {
  const char* name;
  const char* program;
  const char* file;     ///< how its shared object is called
  const char* package;  ///< of Debian, with which the program is built
};
constexpr Library kLibraries[] = {
    {"libwakeline", "bench-client", "libwakeline.so", ""},
    {"libmosquitto", "bench-client-mosquitto", "libmosquitto.so", "libmosquitto-dev"},
    {"paho (C, async)", "bench-client-paho", "libpaho-mqtt3as.so", "libpaho-mqtt-dev"},
};

/// KiB of code that a process has mapped: of all files, and of those called like `file`.
struct Code {
  double all = 0;
  double own = 0;
};
Code mapped_code(pid_t pid, const std::string& file) {
  Code code;
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range, rights, offset, device, inode, path;
    words >> range >> rights >> offset >> device >> inode >> path;
    if (!rights.contains('x') || !path.starts_with('/')) continue;
    const auto dash = range.find('-');
    const double kib = static_cast<double>(std::stoull(range.substr(dash + 1), nullptr, 16) -
                                           std::stoull(range.substr(0, dash), nullptr, 16)) /
                       1024;
    code.all += kib;
    if (path.substr(path.rfind('/') + 1).starts_with(file)) code.own += kib;
  }
  return code;
}

std::size_t threads_of(pid_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator tasks(fmt::format("/proc/{}/task", pid), error);
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

/// One client at rest.
struct Row {
  const Library* library;
  std::string name;
  Client client;
  Usage before{};
  Usage after{};
};

/// Every figure of `row`, with its ratio to that of `first` (null for the first itself).
void add_row(Report& report, const Row& row, const Row* first, int seconds) {
  struct Value {
    const char* what;
    const char* unit;
    double value;
  };
  const auto values_of = [seconds](const Row& of) {
    const pid_t pid = of.client.program.pid();
    const Code code = mapped_code(pid, of.library->file);
    const double hours = seconds / 3'600.0;
    return std::vector<Value>{
        {"resident", "KiB", of.after.rss_kib},
        {"PSS", "KiB", of.after.pss_kib},
        {"memory of its own", "KiB", of.after.anonymous_kib},
        {"code of the library, mapped", "KiB", code.own},
        {"code of all libraries, mapped", "KiB", code.all},
        {"threads", "", static_cast<double>(threads_of(pid))},
        {"wake-ups at rest, an hour", "", (of.after.wakeups - of.before.wakeups) / hours},
        {"processor time at rest, an hour", "ms", (of.after.cpu_ms - of.before.cpu_ms) / hours},
    };
  };
  const auto values = values_of(row);
  const auto floor = first == nullptr ? values : values_of(*first);
  for (std::size_t i = 0; i < values.size(); ++i) {
    Figure figure{.name = row.name + ": " + values[i].what,
                  .value = values[i].value,
                  .unit = values[i].unit,
                  .ratio = {},
                  .against = {}};
    if (first != nullptr && floor[i].value > 0) {
      figure.ratio = values[i].value / floor[i].value;
      figure.against = first->name;
    }
    report.figures.push_back(std::move(figure));
  }
}

/// All libraries side by side on `broker`, each in a process of its own, at rest for `seconds`;
/// and ours once more on our server.
Outcome<void> measure_rest(const Folder& folder, const Broker& broker, const Broker& ours,
                           int seconds, Report& report) {
  // What any process is: no library, no connection.
  auto nothing = cli::Program::start({"/bin/sleep", "86400"}, "/dev/null");
  if (!nothing) return std::unexpected(nothing.error());
  std::vector<Row> rows;
  for (const Library& library : kLibraries) {
    if (!std::filesystem::exists(beside(library.program))) {
      report.missing.push_back(fmt::format("{} was not built: {} was not installed then",
                                           library.program, library.package));
      continue;
    }
    auto client = Client::start(library.program, folder, library.program, broker, broker.tls,
                                static_cast<int>(rows.size()));
    if (!client) return std::unexpected(client.error());
    rows.push_back({&library, library.name, std::move(*client)});
  }
  auto at_ours = Client::start(kLibraries[0].program, folder, "at-ours", ours, ours.tls, 0);
  if (!at_ours) return std::unexpected(at_ours.error());
  rows.push_back({&kLibraries[0], "libwakeline at our server", std::move(*at_ours)});

  ::poll(nullptr, 0, 3'000);  // what belongs to the connecting
  for (Row& row : rows) row.before = usage(row.client.program.pid());
  ::poll(nullptr, 0, seconds * 1'000);
  for (Row& row : rows) row.after = usage(row.client.program.pid());
  report.figures.push_back(
      {"a process that only sleeps: PSS", usage(nothing->pid()).pss_kib, "KiB", {}, ""});
  for (const Row& row : rows)
    add_row(report, row, &row == &rows.front() ? nullptr : &rows.front(), seconds);
  return {};
}

enum class Fault : std::uint8_t { kReset, kEnd, kForgotten };
struct FaultName {
  Fault fault;
  const char* text;
};
constexpr FaultName kFaults[] = {
    {Fault::kReset, "a reset"},
    {Fault::kEnd, "an orderly end"},
    {Fault::kForgotten, "a NAT that forgot the line, at a wake"},
};

struct FaultTimes {
  Samples detected;  ///< from the fault, or from the wake after it
  Samples back;      ///< from there until pushes come again
};

/// A new client for each fault: one that has just come back would be held back.
Outcome<FaultTimes> measure_fault(const Folder& folder, const Broker& broker,
                                  const FaultName& fault, int times, int& clients) {
  test::FaultProxy proxy(broker.tls);
  FaultTimes found;
  for (int i = 0; i < times; ++i) {
    auto client = Client::start("bench-client", folder, fmt::format("fault-{}", ++clients), broker,
                                proxy.port(), 0);
    if (!client) return std::unexpected(client.error());
    std::int64_t at = monotonic_ns();
    if (fault.fault == Fault::kReset) proxy.reset_all();
    if (fault.fault == Fault::kEnd) proxy.end_all();
    if (fault.fault == Fault::kForgotten) {
      proxy.freeze_all();
      at = monotonic_ns();
      ::kill(client->program.pid(), SIGUSR1);
    }
    const auto gone = client->lines.await_other("ready");
    if (!gone) return std::unexpected(std::string(fault.text) + ": " + gone.error());
    const auto back = client->lines.await("ready");
    if (!back) return std::unexpected(std::string(fault.text) + ": " + back.error());
    found.detected.add(gone->monotonic_ns - at);
    found.back.add(back->monotonic_ns - at);
  }
  return found;
}

}  // namespace

Outcome<Report> run_client(bool quick) {
  const Folder folder;
  auto ours = start_wakeline(folder, {.devices = 1});
  if (!ours) return std::unexpected(ours.error());
  Report report{.benchmark = "client: idle on one TLS connection, beside other libraries",
                .command = quick ? "wakeline bench client --quick" : "wakeline bench client",
                .machine = machine_line(),
                .figures = {},
                .notes = {}};
  const int seconds = quick ? 5 : 120;
  // A broker that none of them was made for.
  const Peer& mosquitto = peers().front();
  if (std::filesystem::exists(mosquitto.path)) {
    const auto broker = mosquitto.start(folder, *ours);
    if (!broker) return std::unexpected(broker.error());
    if (auto rest = measure_rest(folder, *broker, *ours, seconds, report); !rest)
      return std::unexpected(rest.error());
  } else {
    report.missing.push_back("the clients side by side: their broker, Debian's " +
                             mosquitto.package + ", is not installed");
  }
  const int times = quick ? 3 : 40;
  int clients = 0;
  for (const FaultName& fault : kFaults) {
    const auto found = measure_fault(folder, *ours, fault, times, clients);
    if (!found) return std::unexpected(found.error());
    for (const double percent : {50.0, 99.0}) {
      report.figures.push_back({fmt::format("{} is noticed: p{:.0f}", fault.text, percent),
                                found->detected.percentile_us(percent), "µs", std::nullopt, ""});
    }
    report.figures.push_back({fmt::format("{}: back again: p50", fault.text),
                              found->back.percentile_us(50) / 1'000, "ms", std::nullopt, ""});
  }
  report.notes.push_back(fmt::format(
      "One mosquitto, one process for each library, keep-alive 600 s, {} s of rest; wake-ups are "
      "voluntary context switches of all its threads. At our server the client has a second "
      "connection in its first hours, with which it measures the NAT.",
      seconds));
  report.notes.emplace_back(
      "The way back is spread over the server's window on purpose, as none of these lines had "
      "lived "
      "for ten seconds. Wakes, dark time and reconnects behind NATs of a minute to two hours, "
      "detection asleep and storms, beside other clients' rules: wakeline sim gates.");
  return report;
}

}  // namespace wakeline::bench
