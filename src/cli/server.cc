// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <memory>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "base/log_format.h"
#include "base/printable.h"
#include "cli/cli.h"
#include "cli/devices.h"
#include "cli/exit_code.h"
#include "cli/own_command.h"
#include "cli/ready_file.h"
#include "cli/server_folder.h"
#include "cli/server_stats.h"
#include "cli/terminal.h"
#include "io/file.h"
#include "server/admin_access.h"
#include "server/config.h"
#include "server/start_check.h"

namespace wakeline::cli {
namespace {

using server::Endpoint;

struct RunServerOptions {
  std::string folder;
  std::vector<std::string> names;
  std::string mqtt = "off";
  std::string mqtts = "0.0.0.0:8883";
  std::string http = "off";
  std::string https = "0.0.0.0:8443";
  bool plain_off_loopback = false;
  std::uint32_t queue_max = server::Limits{}.queue_max;
  std::string ready_file;
  bool upgrade = false;
  std::string config;
  bool print_config = false;
  bool check_config = false;
  NewDevice device;  ///< of the commands on devices
  std::string backup_file;
};

int report_failure(const server::Failure& failure) {
  using enum base::ErrorCode;
  std::string_view hint;
  if (hint_of(failure) != "") hint = hint_of(failure);
  if (failure.error.code == kAddressInUse)
    hint = "Another port: --mqtts, --https; or end the program that holds it.";
  if (failure.error.code == kPermission && failure.what.find(':') != std::string::npos &&
      std::string_view(failure.error.where).starts_with("plain"))
    hint = "Tokens would go in clear. Use --mqtts and --https, or say --plain-off-loopback.";
  return report("server", failure.error.code, server::to_string(failure), hint);
}

/// What is wrong with what the user said, and the exit code of that.
struct Wrong {
  std::string text;
  int code = kExitConfiguration;
};

/// "off" is none. Returns: what is wrong; empty when the text is an endpoint.
std::string endpoint(const char* option, const std::string& text, std::optional<Endpoint>& out) {
  out.reset();
  if (text == "off") return {};
  const auto parsed = server::parse_endpoint(text);
  if (!parsed) return fmt::format("{}: '{}' is not ADDRESS:PORT or off", option, text);
  out = *parsed;
  return {};
}

void say_first_start(const RunServerOptions& options, const server::FirstStart& first) {
  if (first.certificate) {
    fmt::print(
        "Made {0}/certificate.pem, self-signed: devices and app servers trust it by this file.\n",
        options.folder);
  }
  if (!first.admin_token.empty()) {
    fmt::print(
        "Made the first app server's token: {}\nIt is in {}/admin-token too, and shown this "
        "once.\n",
        first.admin_token, options.folder);
  }
}

/// Our own command line, with --upgrade; the program is the one that lies there by then.
std::vector<std::string> successor_command() {
  std::vector<std::string> words = own_command();
  if (!words.empty() && std::ranges::find(words, "--upgrade") == words.end())
    words.emplace_back("--upgrade");
  return words;
}

/// What the configuration file says, and over it what the command line does. Or what is wrong.
std::expected<server::ServerOptions, Wrong> read_options(const CLI::App& command,
                                                         const RunServerOptions& options) {
  server::ServerOptions wanted;
  if (!options.config.empty()) {
    const auto text = io::read_file(options.config, server::kConfigMax);
    if (!text) {
      return std::unexpected(Wrong{options.config + ": " + base::to_string(text.error()),
                                   exit_code_of(text.error().code)});
    }
    auto read = server::read_config(*text, std::move(wanted));
    if (!read) return std::unexpected(Wrong{server::to_string(read.error(), options.config)});
    wanted = std::move(*read);
  }
  wanted.data_folder = options.folder;
  const auto given = [&](const char* name) { return command.count(name) > 0; };
  if (given("--name")) wanted.names = options.names;
  if (given("--plain-off-loopback")) wanted.plain_off_loopback = options.plain_off_loopback;
  if (given("--queue-max")) wanted.limits.queue_max = options.queue_max;
  const CLI::App& root = *command.get_parent();
  if (root.count("--log-level") > 0)
    wanted.log_level = root.get_option("--log-level")->as<std::string>();
  const struct {
    const char* option;
    const std::string& text;
    std::optional<Endpoint>& out;
  } rows[] = {{"--mqtt", options.mqtt, wanted.mqtt},
              {"--mqtts", options.mqtts, wanted.mqtts},
              {"--http", options.http, wanted.http},
              {"--https", options.https, wanted.https}};
  for (const auto& row : rows) {
    if (!given(row.option)) continue;
    std::string wrong = endpoint(row.option, row.text, row.out);
    if (!wrong.empty()) return std::unexpected(Wrong{std::move(wrong), kExitUsage});
  }
  return wanted;
}

int run_server(const CLI::App& command, const RunServerOptions& options) {
  if (options.print_config) {
    fmt::print("{}", server::config_text());
    return kExitOk;
  }
  auto configured = read_options(command, options);
  if (!configured) {
    fmt::print(stderr, "wakeline: {}\n", base::printable(configured.error().text));
    return configured.error().code;
  }
  if (options.check_config) {
    const auto checked = server::check_start(*configured);
    return checked ? kExitOk : report_failure(checked.error());
  }
  server::ServerOptions wanted = std::move(*configured);
  base::set_log_level(wanted.log_level);
  base::set_log_format(wanted.log_format);
  wanted.reload = [&command, &options]() -> std::expected<server::ServerOptions, std::string> {
    auto again = read_options(command, options);
    if (!again) return std::unexpected(std::move(again.error().text));
    return std::move(*again);
  };
  wanted.take_over = options.upgrade;
  wanted.successor = successor_command();
  wanted.on_ready = [file = options.ready_file](const server::Ports& ports) {
    write_ready_file(
        file, fmt::format(R"({{"mqtt":{},"mqtts":{},"http":{},"https":{},"operators":{}}})"
                          "\n",
                          ports.mqtt, ports.mqtts, ports.http, ports.https, ports.operators));
    ::sd_notify(0, "READY=1");
  };
  // We are the service's main process until the next one is: systemd believes us, not it.
  wanted.on_handed_over = [](pid_t heir) { ::sd_notifyf(0, "MAINPID=%d", static_cast<int>(heir)); };
  auto started = server::Server::create(std::move(wanted));
  if (!started) return report_failure(started.error());
  say_first_start(options, (*started)->first_start());
  std::fflush(stdout);
  const auto ran = (*started)->run();
  return ran ? kExitOk : report_failure(ran.error());
}

/// Of the commands beside a server, which find the service's folder by themselves.
std::string folder_of(const CLI::App& command, const RunServerOptions& options) {
  return command.count("--data-folder") > 0 ? options.folder : default_server_folder();
}

int back_up(const std::string& folder, const RunServerOptions& options) {
  const auto done = server::backup_store(folder, options.backup_file);
  if (!done) return report_failure(done.error());
  fmt::print("Wrote {}. Put back as store.db it starts the devices' numbers anew.\n",
             options.backup_file);
  return kExitOk;
}

}  // namespace

void add_server(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<RunServerOptions>();
  CLI::App* command = root.add_subcommand("server", "Runs the push server");
  command->require_subcommand(0, 1);
  // Options of the server may stand behind the subcommand too: server add-device NAME --data-folder
  // D.
  command->fallthrough();
  options->folder = own_server_folder();
  command
      ->add_option("--data-folder", options->folder, "Where its store, certificate and token are")
      ->type_name("FOLDER")
      ->capture_default_str();
  command->add_option("--name", options->names,
                      "A name or address for the self-signed certificate, beside localhost");
  command->add_option("--mqtts", options->mqtts, "Devices by MQTT over TLS: ADDRESS:PORT or off")
      ->capture_default_str();
  command->add_option("--https", options->https, "App servers by HTTPS: ADDRESS:PORT or off")
      ->capture_default_str();
  command->add_option("--mqtt", options->mqtt, "Devices by plain MQTT: ADDRESS:PORT or off")
      ->capture_default_str();
  command->add_option("--http", options->http, "App servers by plain HTTP: ADDRESS:PORT or off")
      ->capture_default_str();
  command->add_flag(
      "--plain-off-loopback", options->plain_off_loopback,
      "Permit plain MQTT and HTTP, which show their tokens, on addresses that others reach");
  command
      ->add_option("--queue-max", options->queue_max,
                   "Pushes that wait for one device; more are refused with 429")
      ->check(CLI::Range(1U, std::numeric_limits<std::uint32_t>::max()))
      ->capture_default_str();
  command
      ->add_option("--ready-file", options->ready_file,
                   "Written with the ports, as JSON, when they are open")
      ->type_name("FILE");
  command->add_flag("--upgrade", options->upgrade,
                    "Take over from the server that runs on the data folder: its ports, and its "
                    "devices on plain lines, which do not notice; SIGHUP makes a server start its "
                    "own successor so");
  command
      ->add_option("--config", options->config,
                   "A TOML file; options of the command line count before it")
      ->type_name("FILE");
  command->add_flag("--print-config", options->print_config,
                    "Print a file with every key, its meaning and its default, and end");
  command->add_flag("--check-config", options->check_config,
                    "Check what a start would, but for its ports, say what is wrong, and end");
  command->footer(
      "SIGTERM ends the server: devices are told when to come back.\n"
      "SIGHUP makes it hand over to a new process of its own program.\n"
      "SIGUSR1 reads the configuration and the certificates anew; no connection is dropped.\n"
      "See also: wakeline devices, tokens, push.");

  add_server_stats(*command, exit_code);
  CLI::App* back =
      command->add_subcommand("backup", "Writes a copy of the store, also while the server runs");
  back->add_option("file", options->backup_file, "Where to; it must not be there yet")
      ->required()
      ->type_name("FILE");
  back->callback([command, options, &exit_code] {
    exit_code = back_up(folder_of(*command, *options), *options);
  });

  // What `wakeline devices` does, under the names that it had before; not shown in the help.
  CLI::App* add = command->add_subcommand("add-device", "As: wakeline devices add")->group("");
  add_new_device_options(*add, options->device);
  add->callback([command, options, &exit_code] {
    exit_code = add_device(folder_of(*command, *options), options->device);
  });
  CLI::App* list = command->add_subcommand("list-devices", "As: wakeline devices list")->group("");
  list->callback(
      [command, options, &exit_code] { exit_code = list_devices(folder_of(*command, *options)); });
  CLI::App* remove =
      command->add_subcommand("remove-device", "As: wakeline devices remove")->group("");
  remove->add_option("device", options->device.name, "Its name")->required()->type_name("DEVICE");
  remove->callback([command, options, &exit_code] {
    exit_code = remove_device(folder_of(*command, *options), options->device.name);
  });

  command->callback([command, options, &exit_code] {
    if (command->get_subcommands().empty()) exit_code = run_server(*command, *options);
  });
}

}  // namespace wakeline::cli
