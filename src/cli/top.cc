// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/printable.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/host_client.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "host/ledger.h"
#include "io/clock.h"
#include "io/unique_fd.h"

namespace wakeline::cli {
namespace {

using wire::host::AppInfo;
using wire::host::AppState;

constexpr std::int64_t kHourNs = 3'600'000'000'000;

struct TopOptions {
  HostAddress host;
  bool once = false;
  bool json = false;
  int interval_s = 2;
};

struct Row {
  AppInfo info;
  std::uint64_t wakes_hour = 0;
  std::uint64_t awake_hour_us = 0;
};

/// The host and its ledger, asked again and again over one connection.
class Source {
 public:
  Source(host::ControlClient client, std::string state_folder)
      : client_(std::move(client)), state_folder_(std::move(state_folder)) {}

  std::expected<std::vector<Row>, host::ControlError> read() {
    const auto apps = client_.list();
    if (!apps) return std::unexpected(apps.error());
    std::map<std::string, host::AppTotals> totals;
    // Without a ledger that can be read, the rest is shown all the same.
    if (auto reader = host::LedgerReader::open(state_folder_)) {
      const auto now = io::wall_now().time_since_epoch().count();
      if (auto hour = reader->totals(now - kHourNs)) totals = std::move(*hour);
    }
    std::vector<Row> rows;
    for (const AppInfo& app : *apps) {
      const host::AppTotals& hour = totals[app.app];
      rows.push_back({app, hour.wakes,
                      std::min<std::uint64_t>(hour.awake_us + app.awake_us, kHourNs / 1'000)});
    }
    return rows;
  }

 private:
  host::ControlClient client_;
  std::string state_folder_;
};

std::string memory_text(std::uint64_t kib) {
  if (kib == 0) return "";
  if (kib < 10'240) return fmt::format("{} K", kib);
  return fmt::format("{} M", kib / 1'024);
}

std::string rest_text(std::uint64_t ms) {
  if (ms == 0) return "";
  if (ms < 60'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1e3);
  if (ms < 3'600'000) return fmt::format("{} min", ms / 60'000);
  return fmt::format("{} h", ms / 3'600'000);
}

Table table_of(const std::vector<Row>& rows) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"app"},
               {"state"},
               {"wakes/h", kRight},
               {"awake/h", kRight},
               {"limit", kRight},
               {"next", kRight},
               {"cpu", kRight},
               {"memory", kRight},
               {"sockets", kRight},
               {"wakes", kRight}});
  const auto span = [](std::uint64_t us) { return span_text(static_cast<long long>(us) * 1000); };
  for (const Row& row : rows) {
    const AppInfo& app = row.info;
    const bool near = app.limit > 0 && app.limiter * 4 >= app.limit * 3;
    const Colour colour = near                                 ? Colour::kYellow
                          : app.state == AppState::kSuspended  ? Colour::kDim
                          : app.state == AppState::kForeground ? Colour::kGreen
                                                               : Colour::kNone;
    table.add({app.app, std::string(name(app.state)), std::to_string(row.wakes_hour),
               span(row.awake_hour_us),
               app.limit == 0 ? "" : fmt::format("{}/{}", app.limiter, app.limit),
               rest_text(app.deadline_ms), span(app.cpu_us), memory_text(app.memory_kib),
               std::to_string(app.tags), std::to_string(app.wakes)},
              colour);
  }
  return table;
}

void print_json(const std::vector<Row>& rows) {
  boost::json::array list;
  for (const Row& row : rows) {
    const AppInfo& app = row.info;
    list.push_back({{"app", app.app},
                    {"state", name(app.state)},
                    {"pid", app.pid},
                    {"wakes_last_hour", row.wakes_hour},
                    {"awake_last_hour_us", row.awake_hour_us},
                    {"limiter", app.limiter},
                    {"limit", app.limit},
                    {"deadline_ms", app.deadline_ms},
                    {"cpu_us", app.cpu_us},
                    {"memory_kib", app.memory_kib},
                    {"tags", app.tags},
                    {"wakes", app.wakes}});
  }
  fmt::print("{}\n", base::printable_json(boost::json::serialize(list)));
}

/// The whole terminal for us, and as it was when we leave.
class Screen {
 public:
  Screen() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fmt::print("\x1b[?1049h\x1b[?25l");
  }
  ~Screen() {
    fmt::print("\x1b[?25h\x1b[?1049l");
    std::fflush(stdout);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void draw(const std::vector<Row>& rows) const {
    winsize size{};
    ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    const std::size_t columns = size.ws_col == 0 ? 80 : size.ws_col;
    const std::size_t lines = size.ws_row == 0 ? 24 : size.ws_row;
    const auto asleep = std::ranges::count(rows, AppState::kSuspended,
                                           [](const Row& row) { return row.info.state; });
    std::vector<std::string> text = {
        fmt::format("wakeline: {} apps, {} suspended   q: quit", rows.size(), asleep), ""};
    for (std::string& line : table_of(rows).lines(columns)) text.push_back(std::move(line));
    fmt::print("\x1b[H");
    for (std::size_t i = 0; i < std::min(text.size(), lines - 1); ++i) {
      fmt::print("{}\x1b[K\r\n", text[i]);
    }
    fmt::print("\x1b[J");
    std::fflush(stdout);
  }

 private:
  termios before_{};
};

/// Signals end the loop, so that the terminal is put back.
io::UniqueFd take_screen_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) ::sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return io::UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

/// Waits for the next turn. False: it is over.
bool wait_turn(int signals, int interval_s) {
  std::array<pollfd, 2> waits = {pollfd{signals, POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
  if (::poll(waits.data(), waits.size(), interval_s * 1'000) <= 0) return true;
  if (waits[0].revents != 0) {
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) != sizeof info) return true;
    return info.ssi_signo == static_cast<std::uint32_t>(SIGWINCH);
  }
  char key = 'q';  // also where stdin has ended
  const ssize_t got = ::read(STDIN_FILENO, &key, 1);
  return got == 1 && key != 'q' && key != 'Q';
}

int watch(const TopOptions& options, Source& source) {
  const io::UniqueFd signals = take_screen_signals();
  std::expected<std::vector<Row>, host::ControlError> rows;
  {
    const Screen screen;
    do {
      rows = source.read();
      if (!rows) break;
      screen.draw(*rows);
    } while (!output_lost() && wait_turn(signals.get(), options.interval_s));
  }
  return rows ? kExitOk : report_host_error(options.host, rows.error());
}

int top(const TopOptions& options) {
  auto client = connect_to_host(options.host);
  if (!client) return report_host_error(options.host, client.error());
  const std::string state_folder = client->welcome().state_folder;
  Source source(std::move(*client), state_folder);
  const bool live =
      !options.once && !options.json && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  if (live) return watch(options, source);
  const auto rows = source.read();
  if (!rows) return report_host_error(options.host, rows.error());
  if (options.json) {
    print_json(*rows);
  } else {
    table_of(*rows).print();
  }
  return kExitOk;
}

}  // namespace

void add_top(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<TopOptions>();
  CLI::App* command = root.add_subcommand(
      "top", "Shows every app live: state, wakes and time awake in the last hour, next deadline");
  add_host_address(*command, options->host);
  command->add_flag("--once", options->once,
                    "Print one table and end; so it is without a terminal");
  command->add_flag("--json", options->json, "One look, for programs");
  command->add_option("--interval", options->interval_s, "Seconds between two looks")
      ->check(CLI::Range(1, 3'600))
      ->capture_default_str();
  command->footer(
      "limit: wakes in the limiter's span and how many it allows. next: the next deadline of the "
      "app\n(its window, task or keep-alive). memory: what its processes have resident.");
  command->callback([options, &exit_code] { exit_code = top(*options); });
}

}  // namespace wakeline::cli
