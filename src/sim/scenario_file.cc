// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario_file.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/check.h"
#include "wire/toml_text.h"

namespace wakeline::sim {
namespace {

using Bad = std::unexpected<ScenarioError>;

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr Unit kUnits[] = {{"ms", 1'000'000},
                           {"s", 1'000'000'000},
                           {"min", 60'000'000'000},
                           {"h", 3'600'000'000'000},
                           {"d", 86'400'000'000'000}};

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const bool minus = text.starts_with('-');
  if (minus) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  std::int64_t sum = 0;
  constexpr std::int64_t kMost = std::int64_t{366} * 86'400'000'000'000;
  while (!text.empty()) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::size_t letters = std::min(text.find_first_of("0123456789-"), text.size());
    const auto unit = std::ranges::find(kUnits, text.substr(0, letters), &Unit::name);
    if (unit == std::end(kUnits) || value > kMost / unit->ns) return std::nullopt;
    text.remove_prefix(letters);
    sum += value * unit->ns;
    if (sum > kMost) return std::nullopt;
  }
  return Duration(minus ? -sum : sum);
}

namespace {

/// What is being read; keeps the first error.
struct Context {
  std::optional<ScenarioError> error;
  void fail(const toml::node& at, std::string what) {
    if (!error) error = {at.source().begin.line, std::move(what)};
  }
};

/// One table of the file. Whoever reads a key makes it known; close() finds the others.
class Table {
 public:
  Table(Context& context, const toml::table& table, std::string path)
      : context_(context), table_(table), path_(std::move(path)) {}

  void text(const char* key, std::string& out) {
    if (const auto* node = take(key)) {
      if (const auto value = node->value_exact<std::string>())
        out = *value;
      else
        fail(*node, key, "a text in quotes");
    }
  }
  void flag(const char* key, bool& out) {
    if (const auto* node = take(key)) {
      if (const auto value = node->value_exact<bool>())
        out = *value;
      else
        fail(*node, key, "true or false");
    }
  }
  template <class Int>
  void number(const char* key, Int& out, std::int64_t least, std::int64_t most) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::int64_t>();
    if (value && *value >= least && *value <= most)
      out = static_cast<Int>(*value);
    else
      fail(*node, key, fmt::format("a whole number from {} to {}", least, most));
  }
  void duration(const char* key, Duration& out, bool negative = false) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::string>();
    const auto span = value ? parse_duration(*value) : std::nullopt;
    if (span && (negative || *span >= Duration::zero()))
      out = *span;
    else
      fail(*node, key, "a time such as \"250ms\", \"90s\" or \"7h30min\"");
  }
  void range(const char* key, Duration& low, Duration& high) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto* pair = node->as_array();
    if (pair != nullptr && pair->size() == 2) {
      const auto a = (*pair)[0].value_exact<std::string>();
      const auto b = (*pair)[1].value_exact<std::string>();
      const auto from = a ? parse_duration(*a) : std::nullopt;
      const auto to = b ? parse_duration(*b) : std::nullopt;
      if (from && to && *from >= Duration::zero() && *from <= *to) {
        low = *from;
        high = *to;
        return;
      }
    }
    fail(*node, key, "two times, the lesser first, as in [\"5ms\", \"80ms\"]");
  }
  /// `find` says whether it knows the word, and takes it.
  template <class Find>
  void word(const char* key, const char* words, Find find) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::string>();
    if (!value || !find(*value)) fail(*node, key, fmt::format("one of: {}", words));
  }
  /// [[key]]: `read` for each table.
  template <class Read>
  void each(const char* key, Read read) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    const std::string below = path_.empty() ? key : path_ + "." + key;
    if (array == nullptr || array->empty())
      return fail(*node, key, fmt::format("a list of tables: [[{}]]", below));
    for (const toml::node& item : *array) {
      if (const auto* table = item.as_table())
        read(Table(context_, *table, below));
      else
        fail(item, key, fmt::format("a list of tables: [[{}]]", below));
    }
  }
  template <class Read>
  void one(const char* key, Read read) {
    const auto* node = take(key);
    if (node == nullptr) return;
    if (const auto* table = node->as_table())
      read(Table(context_, *table, path_.empty() ? key : path_ + "." + key));
    else
      fail(*node, key, fmt::format("a table: [{}]", key));
  }
  bool has(const char* key) const { return table_.contains(key); }
  /// About a value that is good by itself; where the key is not there, at the table's line.
  void complain(const char* key, std::string_view what) {
    const toml::node* node = table_.get(key);
    context_.fail(node == nullptr ? table_ : *node, fmt::format("{}: {}", named(key), what));
  }
  const std::string& path() const { return path_; }
  const toml::table& raw() const { return table_; }

  /// Keys that nobody took.
  void close() {
    std::string known;
    for (const std::string& key : known_) known += (known.empty() ? "" : ", ") + key;
    for (const auto& [key, node] : table_)
      if (std::ranges::find(known_, key.str()) == known_.end())
        context_.fail(node,
                      fmt::format("there is no key '{}' {}; there are: {}", key.str(),
                                  path_.empty() ? "at the top" : "in [" + path_ + "]", known));
  }

 private:
  const toml::node* take(const char* key) {
    if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
    return table_.get(key);
  }
  void fail(const toml::node& at, const char* key, std::string_view wanted) {
    context_.fail(at, fmt::format("{} must be {}", named(key), wanted));
  }
  std::string named(const char* key) const {
    return fmt::format("'{}'{}", key, path_.empty() ? "" : " in [" + path_ + "]");
  }

  Context& context_;
  const toml::table& table_;
  std::string path_;
  std::vector<std::string> known_;
};

constexpr const char* kEventWords =
    "cut, reset, forget, offline, server_stop, app_crash, foreground, host_restart, "
    "device_restart, clock_jump, server_upgrade";

std::optional<Fault::Kind> kind_of(std::string_view word) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Fault::Kind::kMove); ++i)
    if (name(static_cast<Fault::Kind>(i)) == word) return static_cast<Fault::Kind>(i);
  return std::nullopt;
}

void read_network(Table t, Scenario& s) {
  NetworkModel n;
  t.text("name", n.name);
  t.word("radio", "lte, wifi, wired", [&](std::string_view word) {
    for (const RadioModel& radio : {kLte, kWifi, kWired})
      if (radio.name == word) n.radio = radio;
    return word == n.radio.name;
  });
  t.range("delay", n.delay_min, n.delay_max);
  t.number("loss_permille", n.loss_permille, 0, 500);
  t.duration("retransmit", n.retransmit_max);
  t.duration("nat", n.nat);
  t.word("nat_answers", "silence, reset", [&](std::string_view word) {
    n.nat_resets = word == "reset";
    return word == "reset" || word == "silence";
  });
  t.flag("captive", n.captive);
  if (n.name == "none" || s.network(n.name) != nullptr)
    t.complain("name", fmt::format("the name '{}' is taken", n.name));
  t.close();
  s.networks.push_back(std::move(n));
}

void read_app(Table t, DeviceModel& d) {
  AppModel a;
  t.text("name", a.name);
  t.number("count", a.count, 1, 100);
  t.duration("keep_alive", a.keep_alive);
  t.duration("work", a.work_max);
  t.duration("crashes_after", a.crashes_after);
  t.number("crashes", a.crashes, 0, 1'000);
  if (a.keep_alive < std::chrono::seconds(600)) t.complain("keep_alive", "600 s at the least");
  t.close();
  d.apps.push_back(std::move(a));
}

void read_device(Table t, Scenario& s) {
  DeviceModel d;
  d.apps.clear();
  t.text("name", d.name);
  t.number("count", d.count, 1, static_cast<std::int64_t>(kDevicesMax));
  t.text("network", d.network);
  t.word("profile", "linux, ios, ios-classic", [&](std::string_view word) {
    d.profile = word;
    return word == "linux" || word == "ios" || word == "ios-classic";
  });
  t.duration("sleeps_after", d.sleep.after);
  t.duration("resume_takes", d.sleep.resume);
  t.flag("wakes_on_packet", d.sleep.wakes_on_packet);
  t.flag("wakes_on_alarm", d.sleep.wakes_on_alarm);
  t.each("app", [&](Table app) { read_app(std::move(app), d); });
  t.each("move", [&](Table move) {
    Move m;
    move.duration("at", m.at);
    move.text("to", m.to);
    move.duration("sign_in", m.sign_in);
    move.duration("overlap", m.overlap);
    move.close();
    if (m.to != "none" && s.network(m.to) == nullptr)
      move.complain("to", fmt::format("there is no [[network]] '{}' above this", m.to));
    if (m.at >= s.lasts) move.complain("at", "after the end of the scenario");
    if (m.to == "none" && m.overlap > Duration::zero())
      move.complain("overlap", "it is with another network, and 'to' is none");
    d.moves.push_back(std::move(m));
  });
  if (d.apps.empty()) d.apps.emplace_back();
  if (d.network.empty() && !s.networks.empty()) d.network = s.networks.front().name;
  if (s.network(d.network) == nullptr)
    t.complain("network", fmt::format("there is no [[network]] '{}' above this", d.network));
  t.close();
  s.devices.push_back(std::move(d));
}

bool knows_device(const Scenario& s, std::string_view wanted) {
  return wanted.empty() ||
         std::ranges::find(s.devices, wanted, &DeviceModel::name) != s.devices.end();
}
bool knows_app(const Scenario& s, std::string_view wanted) {
  return wanted.empty() || std::ranges::any_of(s.devices, [&](const DeviceModel& d) {
           return std::ranges::find(d.apps, wanted, &AppModel::name) != d.apps.end();
         });
}

void read_push(Table t, Scenario& s) {
  PushModel p;
  t.text("to", p.to);
  t.text("app", p.app);
  t.number("count", p.count, 1, 100'000);
  t.duration("every", p.every);
  t.duration("from", p.from);
  t.duration("until", p.until);
  t.flag("bursts", p.bursts);
  t.number("short_lived_percent", p.short_lived_percent, 0, 100);
  t.number("fault_after_percent", p.fault_after_percent, 0, 100);
  if ((p.count > 0) == (p.every > Duration::zero()))
    t.complain(t.has("every") ? "every" : "count", "[[push]] has either 'count' or 'every'");
  else if (p.every > Duration::zero() &&
           s.lasts / p.every > static_cast<std::int64_t>(kPushesPlannedMax))
    t.complain("every", "too many pushes");
  if (p.from >= s.lasts)
    t.complain("from", "it is not before the end of the scenario, so nothing would be pushed");
  else if (p.from >= p.until)
    t.complain(t.has("from") ? "from" : "until",
               "'from' is not before 'until', so nothing would be pushed");
  if (!knows_device(s, p.to)) t.complain("to", fmt::format("there is no [[device]] '{}'", p.to));
  if (!knows_app(s, p.app)) t.complain("app", fmt::format("there is no app '{}'", p.app));
  t.close();
  s.pushes.push_back(std::move(p));
}

void read_event(Table t, Scenario& s) {
  TimedEvent e;
  t.duration("at", e.at);
  bool known = false;
  t.word("what", kEventWords, [&](std::string_view word) {
    const auto kind = kind_of(word);
    if (kind) e.kind = *kind;
    known = kind.has_value();
    return known;
  });
  t.text("target", e.target);
  t.duration("lasts", e.lasts);
  t.duration("by", e.by, true);
  t.word("how", "graceful, killed, power", [&](std::string_view word) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(Stop::kCount); ++i)
      if (name(static_cast<Stop>(i)) == word) e.how = static_cast<Stop>(i);
    return e.how.has_value();
  });
  if (!known) t.complain("what", "[[event]] needs it");
  if (e.at >= s.lasts) t.complain("at", "after the end of the scenario");
  const bool meant = target_of(e.kind) == FaultTarget::kApp       ? knows_app(s, e.target)
                     : target_of(e.kind) == FaultTarget::kMachine ? knows_device(s, e.target)
                                                                  : e.target.empty();
  if (known && !meant) t.complain("target", fmt::format("there is no target '{}'", e.target));
  t.close();
  s.events.push_back(std::move(e));
}

void read_faults(Table t, Scenario& s) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Fault::Kind::kMove); ++i) {
    const auto kind = static_cast<Fault::Kind>(i);
    const std::string key = fmt::format("{}_every", name(kind));
    t.duration(key.c_str(), s.faults[kind]);
    if (s.faults[kind] > Duration::zero() && s.faults[kind] < std::chrono::seconds(1))
      t.complain(key.c_str(), "1 s at the least");
  }
  t.close();
}

void read_storm(Table t, Scenario& s) {
  StormModel storm;
  t.number("clients", storm.clients, 1, static_cast<std::int64_t>(kStormClientsMax));
  t.number("admits_per_s", storm.admits_per_s, 1, 10'000'000);
  t.duration("outage", storm.outage);
  t.flag("announced", storm.announced);
  t.flag("busy_slots", storm.busy_slots);
  if (storm.clients == 0) t.complain("clients", "[storm] needs it");
  t.close();
  s.storm = storm;
}

void read_all(Table t, Scenario& s) {
  t.text("title", s.title);
  t.text("about", s.about);
  t.duration("lasts", s.lasts);
  if (s.lasts <= Duration::zero() || s.lasts > kLastsMax)
    t.complain("lasts", "a time of up to 31 days");
  t.each("network", [&](Table network) { read_network(std::move(network), s); });
  t.each("device", [&](Table device) { read_device(std::move(device), s); });
  t.one("server", [&](Table server) {
    Duration spread{};
    server.duration("spread", spread);
    if (server.has("spread")) s.server.spread = spread;
    server.number("admits_per_s", s.server.admits_per_s, 0, 10'000'000);
    server.close();
  });
  t.one("faults", [&](Table faults) { read_faults(std::move(faults), s); });
  t.each("push", [&](Table push) { read_push(std::move(push), s); });
  t.each("event", [&](Table event) { read_event(std::move(event), s); });
  t.one("storm", [&](Table storm) { read_storm(std::move(storm), s); });
  t.flag("any_names", s.any_names);
  t.close();
  if (s.storm.has_value() == !s.devices.empty())
    t.complain(t.has("storm") ? "storm" : "device", "a scenario has either [[device]] or [storm]");
  std::size_t devices = 0;
  std::size_t apps = 0;
  for (const DeviceModel& d : s.devices) {
    devices += d.count;
    for (const AppModel& a : d.apps) apps += d.count * a.count;
  }
  if (devices > kDevicesMax || apps > kAppsMax)
    t.complain("device", fmt::format("at most {} devices and {} apps", kDevicesMax, kAppsMax));
  std::size_t pushes = 0;
  for (const PushModel& p : s.pushes)
    pushes +=
        apps *
        (p.count + (p.every > Duration::zero() ? static_cast<std::size_t>(s.lasts / p.every) : 0));
  if (pushes > kPushesPlannedMax) t.complain("push", "too many pushes");
}

}  // namespace

std::string to_string(const ScenarioError& error, std::string_view file) {
  if (error.line == 0) return fmt::format("{}: {}", file, error.what);
  return fmt::format("{}:{}: {}", file, error.line, error.what);
}

std::expected<Scenario, ScenarioError> read_scenario(std::string_view text, std::string_view name) {
  if (text.size() > kScenarioBytesMax)
    return Bad({0, fmt::format("over {} bytes", kScenarioBytesMax)});
  const auto ascii = wire::ascii_toml(text);
  if (!ascii) return Bad({ascii.error().line, std::string(ascii.error().what)});
  const toml::parse_result parsed = toml::parse(*ascii);
  if (!parsed)
    return Bad({parsed.error().source().begin.line, std::string(parsed.error().description())});
  Scenario scenario;
  scenario.name = name;
  Context context;
  read_all(Table(context, parsed.table(), ""), scenario);
  if (context.error) return Bad(*context.error);
  return scenario;
}

const Scenario* find_scenario(std::string_view wanted) {
  static const std::map<std::string_view, Scenario> kAll = [] {
    std::map<std::string_view, Scenario> all;
    for (const auto& [name, text] : scenario_texts()) {
      auto scenario = read_scenario(text, name);
      WL_CHECK_MSG(scenario.has_value(), "{}", to_string(scenario.error(), name));
      all.emplace(name, std::move(*scenario));
    }
    return all;
  }();
  const auto it = kAll.find(wanted);
  return it == kAll.end() ? nullptr : &it->second;
}

}  // namespace wakeline::sim
