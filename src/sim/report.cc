// SPDX-License-Identifier: Apache-2.0
#include "sim/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "sim/lean/clients.h"
#include "sim/report_page.h"

namespace wakeline::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// Devices that are drawn; the others are in the table.
constexpr std::size_t kDrawnMax = 12;
/// Stretches of a lane that are drawn by themselves; shorter ones are joined.
constexpr double kWidth = 1'000;
constexpr double kLeast = 0.6;  ///< of a stretch, in units of the width

double in_seconds(Duration span) { return std::chrono::duration<double>(span).count(); }

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

/// "350 ms", "12.3 s", "4 min 5 s", "7 h 30 min".
std::string words(Duration span) {
  const double s = in_seconds(span);
  if (s < 1) return fmt::format("{:.0f} ms", s * 1'000);
  if (s < 100) return s == std::floor(s) ? fmt::format("{:.0f} s", s) : fmt::format("{:.1f} s", s);
  const auto whole = static_cast<std::int64_t>(s);
  if (s < 5'400)
    return whole % 60 == 0 ? fmt::format("{} min", whole / 60)
                           : fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3'600, whole / 60 % 60);
}

std::string joules(std::int64_t microjoule) {
  return fmt::format("{:.1f} J", static_cast<double>(microjoule) / 1e6);
}

class Page {
 public:
  Page(const Scenario& scenario, const Report& report) : s_(scenario), r_(report) {}

  std::string make() {
    put("{}", kPageHead);
    put("<title>{0} – seed {1}</title></head><body>\n<a class=skip href=#main>To the content</a>\n"
        "<header><p class=kicker>wakeline sim run {2} --seed "
        "{1}</p><h1>{0}</h1><p>{3}</p></header>\n"
        "<main id=main tabindex=-1>\n",
        escape(s_.title.empty() ? s_.name : s_.title), r_.seed, escape(s_.name), escape(s_.about));
    summary();
    timelines();
    wakes();
    detections();
    trade_off();
    put("</main>\n<footer>Made by <code>wakeline sim</code>. The same scenario, seed and program "
        "make the same page. Energy is the radio's over an idle one, with the figures of LTE and "
        "Wi-Fi from Huang et al., MobiSys 2012.</footer>\n</body></html>\n");
    return std::move(out_);
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  double x(Instant at) const {
    return std::clamp(in_seconds(at.time_since_epoch()) / in_seconds(s_.lasts), 0.0, 1.0) * kWidth;
  }

  void card(const char* label, const std::string& value, const char* note) {
    put("<div class=card><dt>{}</dt><dd>{}<small>{}</small></dd></div>\n", label, value, note);
  }

  void summary() {
    put("<section aria-labelledby=s><h2 id=s>In short</h2>\n<p class={}>{}</p>\n<dl class=cards>\n",
        r_.ok() ? "good" : "bad",
        r_.ok() ? r_.ended ? "No promise was broken." : "Every promise was kept."
                : fmt::format("{} promises were broken.", r_.violations.size()));
    if (r_.ended)
      put("<p>The run was ended after {}: what was on the way then is not judged.</p>\n",
          words(r_.span));
    std::int64_t energy = 0;
    Duration radio{};
    for (const DeviceStory& d : r_.devices) {
      energy += d.energy_uj;
      radio += d.radio_active;
    }
    const auto devices = static_cast<std::int64_t>(std::max<std::size_t>(1, r_.devices.size()));
    const auto latency = [&](int percent) {
      return r_.latencies.empty() ? "–" : words(percentile(r_.latencies, percent));
    };
    card("Time", words(r_.span), "of virtual time");
    card("Devices", std::to_string(r_.devices.size()), "");
    card("Pushes", fmt::format("{} of {}", r_.delivered, r_.accepted), " delivered");
    if (r_.ended) card("Not judged", std::to_string(r_.not_judged), " on the way at the end");
    card("Push to app, p50", latency(50), "");
    card("Push to app, p99", latency(99), "offline time included");
    card("Wakes", std::to_string(r_.wakes), "");
    card("Radio up", words(radio / devices), " a device");
    card("Radio energy", joules(energy / devices), " a device");
    put("</dl>\n");
    if (!r_.ok()) {
      put("<ul class=bad>\n");
      for (const std::string& what : r_.violations) put("<li>{}</li>\n", escape(what));
      put("</ul>\n");
    }
    put("</section>\n");
  }

  /// One lane; stretches that are too short to see are joined with their neighbours.
  void lane(const std::vector<Span>& spans, std::uint8_t what, const char* css, int y, int height) {
    double from = -1;
    double to = -1;
    std::string path;
    const auto flush = [&] {
      if (from >= 0)
        fmt::format_to(std::back_inserter(path), "M{:.2f} {}h{:.2f}v{}h-{:.2f}z", from, y,
                       to - from, height, to - from);
    };
    for (const Span& span : spans) {
      if (span.what != what || x(span.from) >= kWidth) continue;
      const double a = x(span.from);
      const double b = std::max(x(span.to), a + kLeast);
      if (from >= 0 && a <= to + kLeast) {
        to = std::max(to, b);
        continue;
      }
      flush();
      from = a;
      to = b;
    }
    flush();
    if (!path.empty()) put("<path class={} d=\"{}\"/>\n", css, path);
  }

  void axis(int height) {
    const double s = in_seconds(s_.lasts);
    double step = 60;
    for (const double candidate : {300., 600., 1'800., 3'600., 7'200., 14'400., 86'400.})
      if (s / step > 12) step = candidate;
    for (double t = 0; t <= s; t += step) {
      const double at = t / s * kWidth;
      put("<path class=grid d=\"M{:.1f} 0v{}\"/>", at, height);
      const auto m = static_cast<std::int64_t>(t) / 60;
      put("<text class=tick x=\"{:.1f}\" y=\"{}\"{}>{}:{:02}</text>\n", at, height + 14,
          t + step > s ? " text-anchor=end"
          : t == 0     ? ""
                       : " text-anchor=middle",
          m / 60, m % 60);
    }
  }

  void timelines() {
    put("<section aria-labelledby=t><h2 id=t>What each device did</h2>\n<ul class=legend>"
        "<li><i class=awake></i>awake</li><li><i class=foreground></i>in use</li>"
        "<li><i class=suspended></i>suspended</li><li><i class=dark></i>dark: no push comes "
        "through</li>"
        "<li><i class=radio></i>radio up</li><li><i class=asleep></i>whole device asleep</li>"
        "<li><i class=off></i>switched off</li></ul>\n");
    if (r_.devices.size() > kDrawnMax)
      put("<p>The first {} of {} devices.</p>\n", kDrawnMax, r_.devices.size());
    for (std::size_t i = 0; i < std::min(kDrawnMax, r_.devices.size()); ++i) device(r_.devices[i]);
    put("</section>\n");
  }

  void device(const DeviceStory& d) {
    const int height = static_cast<int>(d.apps.size()) * 44 + 40;
    std::string label =
        fmt::format("Timeline of {}: radio up for {}", d.name, words(d.radio_active));
    for (const AppStory& app : d.apps)
      label += fmt::format("; {} awake for {}, dark for {}", app.name, words(awake(app)),
                           words(dark(app)));
    put("<figure><figcaption>{}</figcaption>\n<div class=scroll tabindex=0 role=group "
        "aria-label=\"{}\">"
        "<svg viewBox=\"0 0 1000 {}\" role=img aria-label=\"{}\">\n",
        escape(d.name), "Timeline, can be scrolled", height + 20, escape(label));
    axis(height);
    int y = 4;
    for (const AppStory& app : d.apps) {
      put("<text class=label x=4 y={}>{}</text>\n", y + 11, escape(app.name));
      const auto& life = app.life.spans();
      lane(life, static_cast<std::uint8_t>(AppLane::kSuspended), "suspended", y + 16, 10);
      lane(life, static_cast<std::uint8_t>(AppLane::kAwake), "awake", y + 16, 10);
      lane(life, static_cast<std::uint8_t>(AppLane::kForeground), "foreground", y + 16, 10);
      lane(app.line.spans(), static_cast<std::uint8_t>(LineLane::kDark), "dark", y + 28, 8);
      y += 44;
    }
    put("<text class=label x=4 y={}>device</text>\n", y + 9);
    lane(d.system.spans(), static_cast<std::uint8_t>(SystemLane::kAsleep), "asleep", y + 14, 8);
    lane(d.system.spans(), static_cast<std::uint8_t>(SystemLane::kOff), "off", y + 14, 8);
    lane(d.radio, 1, "radio", y + 24, 8);
    put("</svg></div></figure>\n");
  }

  static Duration awake(const AppStory& app) {
    return app.life.total(static_cast<std::uint8_t>(AppLane::kAwake)) +
           app.life.total(static_cast<std::uint8_t>(AppLane::kForeground));
  }
  static Duration dark(const AppStory& app) {
    return app.line.total(static_cast<std::uint8_t>(LineLane::kDark));
  }

  void wakes() {
    std::map<std::string, bool> causes;
    for (const DeviceStory& d : r_.devices)
      for (const AppStory& app : d.apps)
        for (const auto& [cause, count] : app.wakes) causes[cause] = true;
    put("<section aria-labelledby=w><h2 id=w>Wakes by cause, time and energy</h2>\n"
        "<div class=scroll tabindex=0 role=group aria-label=\"Table, can be "
        "scrolled\"><table><thead><tr>"
        "<th scope=col>device</th><th scope=col class=text>app</th><th scope=col>awake</th><th "
        "scope=col>dark</th>");
    for (const auto& [cause, seen] : causes) put("<th scope=col>{}</th>", escape(spaced(cause)));
    put("<th scope=col>radio up</th><th scope=col>promotions</th><th scope=col>radio "
        "energy</th></tr></thead><tbody>\n");
    for (const DeviceStory& d : r_.devices) {
      bool first = true;
      for (const AppStory& app : d.apps) {
        put("<tr><th scope=row>{}</th><td class=text>{}</td><td>{}</td><td>{}</td>", escape(d.name),
            escape(app.name), words(awake(app)), words(dark(app)));
        for (const auto& [cause, seen] : causes) {
          const auto it = app.wakes.find(cause);
          put("<td>{}</td>", it == app.wakes.end() ? 0 : it->second);
        }
        if (std::exchange(first, false))
          put("<td>{}</td><td>{}</td><td>{}</td></tr>\n", words(d.radio_active), d.radio_promotions,
              joules(d.energy_uj));
        else
          put("<td colspan=3 class=same>as above</td></tr>\n");
      }
    }
    put("</tbody></table></div></section>\n");
  }

  static std::string spaced(std::string text) {
    std::ranges::replace(text, '_', ' ');
    return text;
  }

  void detections() {
    put("<section aria-labelledby=d><h2 id=d>How long until a dead line was noticed</h2>\n");
    if (r_.detections.empty()) {
      put("<p>No line died without a word.</p></section>\n");
      return;
    }
    put("<p>Only lines that died in silence; an end or a reset is heard at once.</p>\n"
        "<div class=scroll tabindex=0 role=group aria-label=\"Table, can be "
        "scrolled\"><table><thead><tr><th scope=col>it died of</th><th scope=col>lines</th><th "
        "scope=col>p50</th>"
        "<th scope=col>p99</th><th scope=col>longest</th></tr></thead><tbody>\n");
    for (std::size_t c = 0; c < static_cast<std::size_t>(DeathCause::kCount); ++c) {
      std::vector<Duration> all;
      for (const Detection& d : r_.detections)
        if (d.cause == static_cast<DeathCause>(c)) all.push_back(d.took);
      if (all.empty()) continue;
      std::ranges::sort(all);
      put("<tr><th scope=row>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
          name(static_cast<DeathCause>(c)), all.size(), words(percentile(all, 50)),
          words(percentile(all, 99)), words(all.back()));
    }
    put("</tbody></table></div></section>\n");
  }

  // --- interval against battery, and against the time to notice

  struct Point {
    Duration interval;
    double joules_a_day;
    Duration noticed;
    Duration dark_a_day;
  };

  static lean::LaneWorld lane_of(const NetworkModel& network) {
    lean::LaneWorld world;
    world.stretches = {{.nat = network.nat}};
    world.radio = network.radio;
    world.one_way = (network.delay_min + network.delay_max) / 2;
    world.loss_permille = network.loss_permille;
    world.nat_resets = network.nat_resets;
    return world;
  }

  static Point measure(const NetworkModel& network, Duration interval) {
    lean::LaneWorld world = lane_of(network);
    world.measured_from = minutes(1);  // without the first login
    world.lasts = hours(24);
    lean::OurWay way;
    way.policy = {.floor = interval, .cap = interval, .prior = interval};
    const lean::LaneFigures day = lean::run_ours(world, way, 1);
    // The death is as long unnoticed as it comes soon after a sign of life: the worst of four.
    Duration noticed{};
    world.outage = seconds(10);
    for (int quarter = 0; quarter < 4; ++quarter) {
      world.outage_from = Instant(hours(6) + interval * quarter / 4);
      const lean::LaneFigures death = lean::run_ours(world, way, 1);
      if (!death.detections.empty()) noticed = std::max(noticed, death.detections.back());
    }
    return {interval, static_cast<double>(day.energy_uj) / 1e6, noticed, day.dark};
  }

  /// What the machine finds by itself: its second day there, and the interval that it ends with.
  static Point found(const NetworkModel& network) {
    const lean::LaneFigures day = lean::run_ours(lane_of(network), {}, 1);
    const Duration interval = day.gaps.empty() ? Duration::zero() : day.gaps.back().second;
    Point point = measure(network, std::max<Duration>(interval, seconds(1)));
    point.joules_a_day = static_cast<double>(day.energy_uj) / 1e6;
    point.dark_a_day = day.dark;
    return point;
  }

  /// The answer in a sentence.
  void advise(const std::vector<Point>& points, const Point& own) {
    const auto lit = std::ranges::find_if(points.rbegin(), points.rend(), [](const Point& p) {
      return p.dark_a_day == Duration::zero();
    });
    if (lit == points.rend())
      put("<p>None of these intervals keeps the line lit.");
    else
      put("<p>The longest of these without dark time: <strong>{}</strong>, for {:.1f} J a day; a "
          "dead line is noticed after {} at the worst.",
          words(lit->interval), lit->joules_a_day, words(lit->noticed));
    put(" Left to itself, the machine finds {} and takes {:.1f} J.</p>\n", words(own.interval),
        own.joules_a_day);
  }

  void trade_off() {
    put("<section aria-labelledby=c><h2 id=c>Which keep-alive interval?</h2>\n"
        "<p>An idle day of one device at a fixed interval, on each network of this scenario: what "
        "the radio "
        "takes, and how long a line that died stays unnoticed, at the worst of four moments. A "
        "shorter "
        "interval finds a dead line "
        "sooner, a longer one saves the battery; where it is longer than the NAT waits, the device "
        "is dark.</p>\n");
    constexpr int kIntervals[] = {30, 60, 120, 240, 480, 600, 900, 1'200, 1'680};
    for (const NetworkModel& network : s_.networks) {
      std::vector<Point> points;
      for (const int s : kIntervals) points.push_back(measure(network, seconds(s)));
      curve(network, points, found(network));
    }
    put("</section>\n");
  }

  void curve(const NetworkModel& network, const std::vector<Point>& points, const Point& own) {
    double most_j = 1e-9;
    double most_s = 1e-9;
    for (const Point& p : points) {
      most_j = std::max(most_j, p.joules_a_day);
      most_s = std::max(most_s, in_seconds(p.noticed));
    }
    const auto at = [&](const Point& p) {
      return 60 + std::log(in_seconds(p.interval) / 30) / std::log(56.0) * 880;
    };
    const auto line = [&](const char* css, auto value) {
      std::string path;
      for (const Point& p : points)
        fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at(p),
                       190 - value(p) * 160);
      put("<path class={} d=\"{}\"/>\n", css, path);
      for (const Point& p : points)
        put("<circle class={} cx=\"{:.1f}\" cy=\"{:.1f}\" r=4 />\n", css, at(p),
            190 - value(p) * 160);
    };
    put("<figure><figcaption>{} ({}{})</figcaption>\n"
        "<div class=scroll tabindex=0 role=group aria-label=\"Chart, can be scrolled\">"
        "<svg viewBox=\"0 0 1000 230\" role=img aria-label=\"Interval against radio energy and "
        "time to notice on "
        "the network {}; the table below has the numbers\">\n",
        escape(network.name), network.radio.name,
        network.nat > Duration::zero() ? ", NAT forgets after " + words(network.nat) : ", no NAT",
        escape(network.name));
    put("<path class=grid d=\"M60 190H940M60 110H940M60 30H940\"/>\n");
    if (network.nat > Duration::zero() && network.nat <= seconds(1'680)) {
      const double nat = 60 + std::log(in_seconds(network.nat) / 30) / std::log(56.0) * 880;
      put("<rect class=darkzone x=\"{0:.1f}\" y=30 width=\"{1:.1f}\" height=160 />"
          "<text class=tick x=\"{2:.1f}\" y=26 text-anchor=end>dark from here on</text>\n",
          nat, 940 - nat, 940.0);
    }
    line("energy", [&](const Point& p) { return p.joules_a_day / most_j; });
    line("notice", [&](const Point& p) { return in_seconds(p.noticed) / most_s; });
    for (const Point& p : points)
      put("<text class=tick x=\"{:.1f}\" y=208 text-anchor=middle>{}</text>\n", at(p),
          words(p.interval));
    put("<text class=tick x=500 y=226 text-anchor=middle>keep-alive interval</text>"
        "<text class=\"tick energy\" x=52 y=34 text-anchor=end>{:.0f} J</text>"
        "<text class=\"tick notice\" x=948 y=34>{:.0f} s</text>\n</svg></div>\n"
        "<ul class=legend><li><i class=energy></i>radio energy a day (left)</li>"
        "<li><i class=notice></i>until a dead line is noticed (right)</li></ul>\n",
        most_j, most_s);
    advise(points, own);
    put("<details><summary>The numbers</summary><div class=scroll tabindex=0 role=group "
        "aria-label=\"Table, can be scrolled\"><table><thead><tr><th scope=col>interval</th>"
        "<th scope=col>radio energy a day</th><th scope=col>until noticed</th><th scope=col>dark a "
        "day</th></tr></thead><tbody>\n");
    for (const Point& p : points)
      put("<tr><th scope=row>{}</th><td>{:.1f} J</td><td>{}</td><td>{}</td></tr>\n",
          words(p.interval), p.joules_a_day, words(p.noticed), words(p.dark_a_day));
    put("<tr><th scope=row>{}, found by the machine</th><td>{:.1f} J</td><td>{}</td><td>{}</td>"
        "</tr>\n",
        words(own.interval), own.joules_a_day, words(own.noticed), words(own.dark_a_day));
    put("</tbody></table></div></details></figure>\n");
  }

  const Scenario& s_;
  const Report& r_;
  std::string out_;
};

}  // namespace

std::string to_html(const Scenario& scenario, const Report& report) {
  return Page(scenario, report).make();
}

}  // namespace wakeline::sim
