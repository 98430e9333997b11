// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/printable.h"
#include "cli/apps_manifests.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/host_client.h"
#include "cli/terminal.h"

namespace wakeline::cli {
namespace {

using wire::host::AppInfo;
using wire::host::Command;

int list(const HostAddress& address, bool json) {
  auto client = connect_to_host(address);
  if (!client) return report_host_error(address, client.error());
  const auto apps = client->list();
  if (!apps) return report_host_error(address, apps.error());
  if (json) {
    boost::json::array rows;
    for (const AppInfo& app : *apps) {
      rows.push_back({{"app", app.app},
                      {"name", app.name},
                      {"state", wire::host::name(app.state)},
                      {"pid", app.pid},
                      {"tags", app.tags},
                      {"wakes", app.wakes},
                      {"cpu_us", app.cpu_us}});
    }
    fmt::print("{}\n", base::printable_json(boost::json::serialize(rows)));
    return kExitOk;
  }
  Table table({{"app"},
               {"state"},
               {"pid", Table::Align::kRight},
               {"tags", Table::Align::kRight},
               {"wakes", Table::Align::kRight},
               {"cpu", Table::Align::kRight},
               {"name"}});
  for (const AppInfo& app : *apps) {
    table.add({app.app, std::string(wire::host::name(app.state)),
               app.pid == 0 ? "" : std::to_string(app.pid), std::to_string(app.tags),
               std::to_string(app.wakes), span_text(static_cast<long long>(app.cpu_us) * 1000),
               app.name});
  }
  table.print();
  return kExitOk;
}

int command(const HostAddress& address, Command command, const std::string& app) {
  auto client = connect_to_host(address);
  if (!client) return report_host_error(address, client.error());
  const auto done = client->command(command, app);
  if (!done)
    return report(app, done.error().code, done.error().message,
                  "What is there: wakeline apps list");
  return kExitOk;
}

}  // namespace

void add_apps(CLI::App& root, int& exit_code) {
  struct Options {
    HostAddress host;
    std::string app;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* apps = root.add_subcommand("apps", "Shows and moves the apps of the running host");
  apps->require_subcommand(1);
  add_host_address(*apps, options->host);

  CLI::App* list_command =
      apps->add_subcommand("list", "Every app: state, process, tagged sockets, wakes, CPU time");
  list_command->add_flag("--json", options->json, "For programs");
  list_command->callback([options, &exit_code] { exit_code = list(options->host, options->json); });

  add_manifest_commands(*apps, options->host.runtime_folder, exit_code);

  struct Row {
    const char* name;
    const char* text;
    Command command;
  };
  constexpr Row kRows[] = {
      {"launch", "Starts an app in the background", Command::kLaunch},
      {"foreground", "Brings an app to the foreground: it is not suspended there",
       Command::kForeground},
      {"background", "Sends an app to the background: it is suspended when it is quiet",
       Command::kBackground},
      {"close", "Ends an app; it is not started again until you do", Command::kClose},
  };
  for (const Row& row : kRows) {
    CLI::App* sub = apps->add_subcommand(row.name, row.text);
    sub->add_option("app", options->app, "The app's id")->required()->type_name("APP");
    sub->callback([options, &exit_code, wanted = row.command] {
      exit_code = command(options->host, wanted, options->app);
    });
  }
  // Where the host is may be said before and after the command.
  for (CLI::App* sub : apps->get_subcommands({})) sub->fallthrough();
}

}  // namespace wakeline::cli
