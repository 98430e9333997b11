// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/random.h"
#include "bench.h"
#include "core/doze/doze.h"

// How often the machine wakes for the keep-alive handlers of many apps: the host's own policy
// machine over a day of virtual time.
namespace wakeline::bench {
namespace {

using namespace std::chrono_literals;
using base::Duration;
using base::Instant;

constexpr int kApps = 50;
constexpr Duration kDay = 24h;
constexpr Duration kHandlerTime = 1s;

/// When a handler might have run, and was run.
struct Window {
  Instant earliest;
  Instant latest;
};

/// One device: the policy machine and apps that sleep, are woken, and answer at once.
class Device {
 public:
  Device(doze::Profile profile, std::uint64_t seed, Duration data_every)
      : doze_(std::move(profile)), random_(seed), data_every_(data_every) {
    for (int i = 0; i < kApps; ++i) {
      const auto app = doze_.add_app({.name = fmt::format("app{}", i), .voip = true});
      WL_CHECK(app.has_value());
      timeouts_[*app] = random_.between(600s, 1'800s);
      // Apps begin at different times: nothing is in step by itself.
      begins_.emplace(start_ + random_.between(0s, 1'800s), *app);
    }
  }

  void run() {
    const Instant end = start_ + kDay;
    for (;;) {
      Instant next = std::min(doze_.next_deadline(), end);
      if (!begins_.empty()) next = std::min(next, begins_.begin()->first);
      if (!done_.empty()) next = std::min(next, done_.begin()->first);
      if (!data_.empty()) next = std::min(next, data_.begin()->first);
      now_ = std::max(now_, next);
      if (now_ >= end) return;
      step();
    }
  }

  /// Instants at which the machine woke for handlers and nothing else.
  std::size_t wakeups() const { return alarms_.size(); }
  std::size_t runs() const { return windows_.size(); }
  std::size_t late() const { return late_; }
  Duration shortest() const {
    return std::ranges::min_element(timeouts_, {}, [](const auto& t) { return t.second; })->second;
  }
  /// The fewest instants that meet every window in which a handler ran: interval stabbing with the
  /// whole day known, the optimum for these windows.
  std::size_t stabs() const {
    std::vector<Window> windows = windows_;
    std::ranges::sort(windows, {}, &Window::latest);
    std::size_t count = 0;
    Instant last{};
    for (const Window& window : windows) {
      if (count > 0 && window.earliest <= last) continue;
      last = window.latest;
      ++count;
    }
    return count;
  }

 private:
  void step() {
    if (!begins_.empty() && begins_.begin()->first <= now_) {
      const doze::AppId app = begins_.begin()->second;
      begins_.erase(begins_.begin());
      return act([&] {
        doze_.on_launch_wanted(now_, app, doze::LaunchReason::kBoot, out_);
        doze_.on_launched(now_, app, out_);
        tags_[app] = doze_.tag(now_, app, out_).value();
        due_[app] = now_ + timeouts_[app];
        WL_CHECK(doze_.set_keep_alive(now_, app, timeouts_[app], out_).has_value());
        plan_data(app);
      });
    }
    if (!done_.empty() && done_.begin()->first <= now_) {
      const doze::AppId app = done_.begin()->second;
      done_.erase(done_.begin());
      return act([&] { doze_.on_keep_alive_done(now_, app, out_); });
    }
    if (!data_.empty() && data_.begin()->first <= now_) {
      const doze::AppId app = data_.begin()->second;
      data_.erase(data_.begin());
      plan_data(app);
      bytes_[app] += 10;
      return act(
          [&] { doze_.on_socket_event(now_, app, tags_[app], doze::SocketEvent::kData, out_); });
    }
    by_alarm_ = true;
    act([&] { doze_.on_deadline(now_, out_); });
    by_alarm_ = false;
  }

  void plan_data(doze::AppId app) {
    if (data_every_ > Duration::zero())
      data_.emplace(now_ + random_.between(0s, 2 * data_every_), app);
  }

  template <class Event>
  void act(const Event& event) {
    event();
    while (!out_.empty()) {
      const doze::Actions actions = std::exchange(out_, {});
      for (const doze::Action& action : actions) carry_out(action);
    }
  }

  doze::Reading reading(doze::AppId app) const {
    const auto bytes = bytes_.find(app);
    return {.tags = {{tags_.at(app), bytes == bytes_.end() ? 0 : bytes->second}}};
  }

  void carry_out(const doze::Action& action) {
    if (const auto* sample = std::get_if<doze::Sample>(&action)) {
      doze_.on_sample(now_, sample->app, reading(sample->app), out_);
    } else if (const auto* suspend = std::get_if<doze::Suspend>(&action)) {
      doze_.on_suspended(now_, suspend->app, reading(suspend->app), out_);
    } else if (const auto* run = std::get_if<doze::RunKeepAlive>(&action)) {
      const Duration timeout = timeouts_[run->app];
      const Instant due = std::exchange(due_[run->app], now_ + timeout);
      late_ += now_ > due ? 1 : 0;
      const int early = doze_.profile().keep_alive_early_percent;
      windows_.push_back({due - timeout / 100 * early, due});
      if (by_alarm_) alarms_.insert(now_);
      done_.emplace(now_ + kHandlerTime, run->app);
    }
  }

  doze::Doze doze_;
  base::Random random_;
  Duration data_every_;
  Instant start_{1h};
  Instant now_ = start_;
  doze::Actions out_;
  bool by_alarm_ = false;
  std::map<doze::AppId, Duration> timeouts_;
  std::map<doze::AppId, doze::TagId> tags_;
  std::map<doze::AppId, std::uint64_t> bytes_;
  std::map<doze::AppId, Instant> due_;
  std::multimap<Instant, doze::AppId> begins_, done_, data_;
  std::set<Instant> alarms_;
  std::vector<Window> windows_;
  std::size_t late_ = 0;
};

/// Means over the seeds.
struct Tally {
  double wakeups = 0, optimum = 0, shortest = 0, runs = 0;
  double worst = 0;  ///< the largest wakeups / optimum of a seed
  std::size_t late = 0;
};

Tally tally(const doze::Profile& profile, int seeds, Duration data_every) {
  Tally sum;
  for (int seed = 1; seed <= seeds; ++seed) {
    Device device(profile, static_cast<std::uint64_t>(seed), data_every);
    device.run();
    const auto wakeups = static_cast<double>(device.wakeups());
    const auto optimum = static_cast<double>(device.stabs());
    sum.wakeups += wakeups / seeds;
    sum.optimum += optimum / seeds;
    sum.shortest += static_cast<double>(kDay / device.shortest()) / seeds;
    sum.runs += static_cast<double>(device.runs()) / kApps / 24 / seeds;
    sum.worst = std::max(sum.worst, wakeups / optimum);
    sum.late += device.late();
  }
  return sum;
}

}  // namespace

cli::Outcome<Report> run_coalesce(bool quick) {
  const int seeds = quick ? 3 : 20;
  const auto merged = doze::Profile::linux_default();
  auto alone = merged;
  alone.keep_alive_early_percent = 0;
  alone.alarm_ride = Duration::zero();
  const Tally without = tally(alone, seeds, Duration::zero());
  const Tally with = tally(merged, seeds, Duration::zero());
  const Tally riding = tally(merged, seeds, 20min);
  if (without.late + with.late + riding.late > 0)
    return std::unexpected(
        fmt::format("{} handlers ran late", without.late + with.late + riding.late));

  Report report{
      fmt::format("coalesce: {} apps, keep-alive of 600 to 1,800 s each, 24 h of virtual time, "
                  "means of {} seeds",
                  kApps, seeds),
      quick ? "wakeline bench coalesce --quick" : "wakeline bench coalesce",
      machine_line(),
      {},
      {}};
  report.figures = {
      {"wake-ups a day without merging", without.wakeups, "", std::nullopt, ""},
      {"wake-ups a day", with.wakeups, "", with.wakeups / without.wakeups, "without merging"},
      {"the optimum: fewest instants that meet every window", with.optimum, "", std::nullopt, ""},
      {"wake-ups against the optimum", with.wakeups, "", with.wakeups / with.optimum,
       "the optimum"},
      {"the same, of the worst seed", with.worst * 100, "%", std::nullopt, ""},
      {"needed by the shortest handler alone", with.shortest, "", std::nullopt, ""},
      {"wake-ups against those", with.wakeups, "", with.wakeups / with.shortest,
       "the shortest handler alone"},
      {"handler runs an app and hour without merging", without.runs, "1/h", std::nullopt, ""},
      {"handler runs an app and hour", with.runs, "1/h", with.runs / without.runs,
       "without merging"},
      {"wake-ups of their own a day, with data for each app every 20 min", riding.wakeups, "",
       riding.wakeups / with.wakeups, "without data"},
  };
  report.notes.push_back("The host's policy machine itself, in virtual time; no handler ran late.");
  return report;
}

}  // namespace wakeline::bench
