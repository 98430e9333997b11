// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>

#include "bench.h"
#include "folder.h"
#include "io/clock.h"
#include "loopback.h"
#include "peers/pair.h"

// Programs that nobody here wrote: what they cost as usual, and asleep.
namespace wakeline::bench {
namespace {

using namespace std::chrono_literals;
using cli::Table;

/// Of rest: the keep-alive of 600 s, which the guides advise, is due once in it.
constexpr int kSeconds = 600;
constexpr int kSecondsQuick = 10;
/// Each wakes the sleeper once; more than 15 wakes in five minutes would be delayed.
constexpr int kRings = 10;
constexpr int kRingsQuick = 3;
/// After the last start, before the measurement.
constexpr int kSettleMs = 5'000;
constexpr int kSettleQuickMs = 1'000;
/// A host that was asked something sleeps again after that.
constexpr int kAskedMs = 500;
constexpr int kTellSeconds = 60;

struct Measured {
  std::unique_ptr<Pair> pair;
  PairUsage before{};
  PairUsage after{};
  std::uint64_t wakes_before = 0;
  std::uint64_t wakes = 0;  ///< by the host, at rest
};

void tell(const std::string& text) { fmt::print(stderr, "  {}\n", text); }

/// What has to be installed first; empty: nothing.
std::string not_installed(const Subject& subject) {
  std::string packages;
  for (const Need& need : subject.needs()) {
    if (find_program(need.program).empty() && packages.find(need.package) == std::string::npos)
      packages += std::string(" ") + need.package;
  }
  return packages.empty() ? "" : "not installed: apt-get install" + packages;
}

/// The programs of a run; who fails in one step has no part in the next, and is named in `missing`.
class Field {
 public:
  explicit Field(Report& report) : report_(report) {}

  void start(const PeersOptions& options, const Folder& folder) {
    for (auto& subject : make_subjects(options.only)) {
      const std::string name = subject->name();
      if (const std::string why = not_installed(*subject); !why.empty()) {
        miss(name, why);
        continue;
      }
      tell(name + " starts, as usual and under a host");
      auto pair = Pair::start(std::move(subject), folder.file(name));
      if (pair) {
        all_.push_back({std::move(*pair)});
      } else {
        miss(name, pair.error());
      }
    }
  }
  /// Runs `step` for each; nothing of it may take long for one that others wait for.
  template <class Step>
  void each(Step step) {
    std::erase_if(all_, [&](Measured& one) {
      const Outcome<void> done = step(one);
      if (!done) miss(one.pair->subject().name(), done.error());
      return !done;
    });
  }
  bool empty() const { return all_.empty(); }
  std::vector<Measured>& all() { return all_; }

 private:
  void miss(const std::string& name, const std::string& why) {
    tell(fmt::format("{}: {}", name, why));
    report_.missing.push_back(name + ": " + why);
  }

  Report& report_;
  std::vector<Measured> all_;
};

void rest(int seconds) {
  for (int gone = 0; gone < seconds; ++gone) {
    if (gone % kTellSeconds == 0) tell(fmt::format("at rest: {} of {} s", gone, seconds));
    ::poll(nullptr, 0, 1'000);
  }
}

/// Returns: how long it was, in seconds.
double measure_rest(Field& field, int seconds) {
  field.each([](Measured& one) { return one.pair->await_asleep(); });
  field.each([](Measured& one) -> Outcome<void> {
    const auto wakes = one.pair->wakes();
    if (!wakes) return std::unexpected(wakes.error());
    one.wakes_before = *wakes;
    return {};
  });
  ::poll(nullptr, 0, kAskedMs);
  const base::Instant start = io::now();
  for (Measured& one : field.all()) one.before = one.pair->usage();
  if (!field.empty()) rest(seconds);
  for (Measured& one : field.all()) one.after = one.pair->usage();
  const double took = std::chrono::duration<double>(io::now() - start).count();
  field.each([](Measured& one) -> Outcome<void> {
    const auto wakes = one.pair->wakes();
    if (!wakes) return std::unexpected(wakes.error());
    one.wakes = *wakes - one.wakes_before;
    return {};
  });
  return took;
}

/// An hour of what was used between the two readings.
struct Hour {
  double cpu_s = 0;
  double wakeups = 0;
  double preempted = 0;
};

Hour hour_of(const Usage& before, const Usage& after, double seconds) {
  const double factor = 3'600 / seconds;
  return {(after.cpu_ms - before.cpu_ms) / 1'000 * factor,
          (after.wakeups - before.wakeups) * factor, (after.preempted - before.preempted) * factor};
}

std::string few(double value) {
  return value == 0 ? "0" : fmt::format("{:.{}f}", value, value < 10 ? 3 : 1);
}
std::string mib(double kib) { return fmt::format("{:.1f}", kib / 1'024); }
std::string ms(double us) { return fmt::format("{:.2f}", us / 1'000); }

/// Adds the row of one side to the table, and its figures to the list.
class Writer {
 public:
  Writer(Report& report, double seconds) : report_(report), seconds_(seconds) {
    report_.table.emplace(std::vector<Table::Column>{{"program"},
                                                     {"how"},
                                                     {"CPU s/h", Table::Align::kRight},
                                                     {"wake-ups/h", Table::Align::kRight},
                                                     {"preempted/h", Table::Align::kRight},
                                                     {"RSS MiB", Table::Align::kRight},
                                                     {"PSS MiB", Table::Align::kRight},
                                                     {"ring p50 ms", Table::Align::kRight},
                                                     {"longest ms", Table::Align::kRight}});
  }

  void add(const Measured& one) {
    const std::string name = one.pair->subject().name();
    const Hour usual = hour_of(one.before.usual, one.after.usual, seconds_);
    const Hour asleep = hour_of(one.before.suspended, one.after.suspended, seconds_);
    const Hour host = hour_of(one.before.host, one.after.host, seconds_);
    add_side(name, "as usual", usual, one.after.usual, one.pair->rings(kUsual), nullptr);
    add_side(name, "suspended", asleep, one.after.suspended, one.pair->rings(kSuspended), &usual);
    add_side(name, "its host", host, one.after.host, Samples(), &usual);
    figure(name + ", suspended: wakes by the host at rest", static_cast<double>(one.wakes), "");
    if (one.pair->rings(kUsual).size() == 0) return;
    for (const double percent : {50.0, 100.0}) {
      const std::string which = percent == 50 ? "p50" : "longest";
      const double plain = one.pair->rings(kUsual).percentile_us(percent);
      const double woken = one.pair->rings(kSuspended).percentile_us(percent);
      figure(fmt::format("{}, as usual: ring, {}", name, which), plain, "µs");
      figure(fmt::format("{}, suspended: ring, {}", name, which), woken, "µs", plain);
      figure(fmt::format("{}: added by the sleep, {}", name, which), woken - plain, "µs");
    }
  }

 private:
  void add_side(const std::string& name, const std::string& side, const Hour& hour,
                const Usage& now, const Samples& rings, const Hour* usual) {
    const bool rung = rings.size() > 0;
    report_.table->add(
        {side == "as usual" ? name : "", side, few(hour.cpu_s), fmt::format("{:.0f}", hour.wakeups),
         fmt::format("{:.0f}", hour.preempted), mib(now.rss_kib), mib(now.pss_kib),
         rung ? ms(rings.percentile_us(50)) : "–", rung ? ms(rings.percentile_us(100)) : "–"});
    const std::string front = name + ", " + side + ": ";
    const auto against = [&](double Hour::* value) { return usual == nullptr ? 0 : usual->*value; };
    figure(front + "CPU time an hour", hour.cpu_s, "s", against(&Hour::cpu_s));
    figure(front + "wake-ups an hour", hour.wakeups, "", against(&Hour::wakeups));
    figure(front + "preemptions an hour", hour.preempted, "");
    figure(front + "resident memory", now.rss_kib, "KiB");
    figure(front + "proportional memory", now.pss_kib, "KiB");
  }
  /// `usual` 0: there is nothing to compare it with.
  void figure(const std::string& name, double value, const char* unit, double usual = 0) {
    Figure one{name, value, unit, std::nullopt, ""};
    if (usual > 0) {
      one.ratio = value / usual;
      one.against = "as usual";
    }
    report_.figures.push_back(std::move(one));
  }

  Report& report_;
  double seconds_;
};

void add_notes(Report& report, Field& field, double seconds, int rings) {
  report.notes.push_back(fmt::format(
      "Measured over {:.0f} s of rest, all of them at the same time, and reckoned to the hour. "
      "Wake-ups are the voluntary context switches of all threads of the program: each is a thread "
      "that had gone to sleep and ran again. Preemptions are the involuntary ones. Memory is that "
      "at the end of the rest.",
      seconds));
  report.notes.emplace_back(
      "Suspended: under a host of its own, with X-Wakeline-KeepAlive=600. \"Its host\" is the "
      "host's process and its guardian's, which serve all apps of a machine.");
  std::string wakes = "Wakes by the host at rest:";
  for (const Measured& one : field.all()) {
    wakes += fmt::format(" {} {},", one.pair->subject().name(), one.wakes);
    if (one.pair->by_signals())
      report.notes.push_back(
          fmt::format("{}: by SIGSTOP, for want of a cgroup.", one.pair->subject().name()));
  }
  wakes.back() = '.';
  report.notes.push_back(wakes);
  std::string ring = fmt::format("A ring, {} of each in turn:", rings);
  std::string none;
  bool rung = false;
  for (const Measured& one : field.all()) {
    const std::string what = one.pair->subject().reaction();
    const char* name = one.pair->subject().name();
    if (what.empty()) {
      none += fmt::format(" {} has no connection: nothing rings it.", name);
    } else {
      ring += fmt::format(" {}: {};", name, what);
      rung = true;
    }
  }
  ring.back() = '.';
  report.notes.push_back(rung ? ring + none : none.substr(1));
}

}  // namespace

Outcome<Report> run_peers(const PeersOptions& options) {
  const int usual_seconds = options.quick ? kSecondsQuick : kSeconds;
  const int seconds = options.seconds > 0 ? options.seconds : usual_seconds;
  const int rings = options.quick ? kRingsQuick : kRings;
  Report report{"peers: programs as they come, as usual in the background and suspended",
                "wakeline bench peers",
                machine_line(),
                {},
                {}};
  if (options.quick) report.command += " --quick";
  if (options.seconds > 0) report.command += fmt::format(" --seconds {}", seconds);
  for (const std::string& name : options.only) report.command += " --only " + name;

  const Folder folder;
  Field field(report);
  field.start(options, folder);
  ::poll(nullptr, 0, options.quick ? kSettleQuickMs : kSettleMs);
  const double took = measure_rest(field, seconds);
  field.each([rings](Measured& one) -> Outcome<void> {
    if (one.pair->subject().port() == 0) return {};
    tell(fmt::format("{} is rung", one.pair->subject().name()));
    for (int i = 0; i < rings; ++i) {
      if (auto rung = one.pair->ring(); !rung) return rung;
    }
    return {};
  });

  Writer writer(report, took);
  for (const Measured& one : field.all()) writer.add(one);
  if (!field.empty()) add_notes(report, field, took, rings);
  return report;
}

}  // namespace wakeline::bench
