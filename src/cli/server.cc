// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/ready_file.h"
#include "cli/terminal.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

using server::Endpoint;

struct Options {
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
  // Of the commands on devices.
  std::string device;
  std::string host = "localhost";
  std::uint16_t port = 8883;
  std::string output;
};

int report_failure(const server::Failure& failure) {
  using enum base::ErrorCode;
  std::string_view hint;
  if (failure.error.code == kAddressInUse)
    hint = "Another port: --mqtts, --https; or end the program that holds it.";
  if (failure.error.code == kPermission && failure.what.find(':') != std::string::npos &&
      std::string_view(failure.error.where).starts_with("plain"))
    hint = "Tokens would go in clear. Use --mqtts and --https, or say --plain-off-loopback.";
  return report("server", failure.error.code, server::to_string(failure), hint);
}

/// "off" is none. Returns: false when the text is no endpoint; it has been reported.
bool endpoint(const char* option, const std::string& text, std::optional<Endpoint>& out) {
  out.reset();
  if (text == "off") return true;
  const auto parsed = server::parse_endpoint(text);
  if (!parsed) {
    report(option, parsed.error().code, fmt::format("'{}' is not ADDRESS:PORT or off", text));
    return false;
  }
  out = *parsed;
  return true;
}

void say_first_start(const Options& options, const server::FirstStart& first) {
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
  std::error_code error;
  std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  constexpr std::string_view kReplaced = " (deleted)";
  if (program.ends_with(kReplaced)) program.resize(program.size() - kReplaced.size());
  const auto line = io::read_file("/proc/self/cmdline", 65'536);
  if (error || !line) return {};
  std::vector<std::string> words;
  for (std::size_t at = 0; at < line->size();) {
    const std::size_t end = std::min(line->find('\0', at), line->size());
    words.push_back(line->substr(at, end - at));
    at = end + 1;
  }
  if (words.empty()) return {};
  words.front() = program;
  if (std::ranges::find(words, "--upgrade") == words.end()) words.emplace_back("--upgrade");
  return words;
}

int run_server(const Options& options) {
  server::ServerOptions wanted;
  wanted.data_folder = options.folder;
  wanted.names = options.names;
  wanted.plain_off_loopback = options.plain_off_loopback;
  wanted.limits.queue_max = options.queue_max;
  if (!endpoint("--mqtt", options.mqtt, wanted.mqtt) ||
      !endpoint("--mqtts", options.mqtts, wanted.mqtts) ||
      !endpoint("--http", options.http, wanted.http) ||
      !endpoint("--https", options.https, wanted.https)) {
    return kExitUsage;
  }
  wanted.take_over = options.upgrade;
  wanted.successor = successor_command();
  wanted.on_ready = [file = options.ready_file](const server::Ports& ports) {
    write_ready_file(file, fmt::format(R"({{"mqtt":{},"mqtts":{},"http":{},"https":{}}})"
                                       "\n",
                                       ports.mqtt, ports.mqtts, ports.http, ports.https));
  };
  auto started = server::Server::create(std::move(wanted));
  if (!started) return report_failure(started.error());
  say_first_start(options, (*started)->first_start());
  std::fflush(stdout);
  (*started)->run();
  return kExitOk;
}

int add_device(const Options& options) {
  const auto added = server::add_device(options.folder, options.device, options.host, options.port);
  if (!added) return report_failure(added.error());
  if (options.output.empty()) {
    fmt::print("{}", server::to_text(*added));
    return kExitOk;
  }
  if (const auto written = server::write_credentials(options.output, *added); !written) {
    // The token would be lost with its device in place: nobody could ever use it.
    static_cast<void>(server::remove_device(options.folder, options.device));
    return report_failure(written.error());
  }
  fmt::print("Wrote the credentials of {} to {}. The token is nowhere else.\n", options.device,
             options.output);
  return kExitOk;
}

int list_devices(const Options& options) {
  const auto devices = server::list_devices(options.folder);
  if (!devices) return report_failure(devices.error());
  Table table({{"device"}, {"waiting", Table::Align::kRight}});
  for (const server::DeviceInfo& device : *devices)
    table.add({device.name, std::to_string(device.waiting)});
  table.print();
  return kExitOk;
}

int remove_device(const Options& options) {
  const auto removed = server::remove_device(options.folder, options.device);
  return removed ? kExitOk : report_failure(removed.error());
}

}  // namespace

void add_server(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("server", "Runs the push server, or manages its devices");
  command->require_subcommand(0, 1);
  // Options of the server may stand behind the subcommand too: server add-device NAME --data-folder
  // D.
  command->fallthrough();
  options->folder = io::default_state_folder() + "/server";
  command
      ->add_option("--data-folder", options->folder, "Where its store, certificate and token are")
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
      ->capture_default_str();
  command->add_option("--ready-file", options->ready_file,
                      "Written with the ports, as JSON, when they are open");
  command->add_flag("--upgrade", options->upgrade,
                    "Take over from the server that runs on the data folder: its ports, and its "
                    "devices on plain lines, which do not notice; SIGHUP makes a server start its "
                    "own successor so");
  command->footer("SIGTERM ends the server: devices are told when to come back.");

  CLI::App* add = command->add_subcommand("add-device", "Makes a device and its token");
  add->add_option("device", options->device, "Its name: letters, digits, dots, dashes, underscores")
      ->required();
  add->add_option("--host", options->host, "The server's name or address, as the device reaches it")
      ->capture_default_str();
  add->add_option("--port", options->port, "Its port of MQTT over TLS")->capture_default_str();
  add->add_option("--output", options->output,
                  "Write the credentials to this file (0600), not to stdout");
  add->callback([options, &exit_code] { exit_code = add_device(*options); });

  CLI::App* list =
      command->add_subcommand("list-devices", "The devices, and how many pushes wait for each");
  list->callback([options, &exit_code] { exit_code = list_devices(*options); });

  CLI::App* remove =
      command->add_subcommand("remove-device", "Removes a device with all that waits for it");
  remove->add_option("device", options->device, "Its name")->required();
  remove->callback([options, &exit_code] { exit_code = remove_device(*options); });

  command->callback([command, options, &exit_code] {
    if (command->get_subcommands().empty()) exit_code = run_server(*options);
  });
}

}  // namespace wakeline::cli
