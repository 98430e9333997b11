// SPDX-License-Identifier: Apache-2.0
#include "cli/host_client.h"

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"
#include "host/options.h"
#include "io/file.h"

namespace wakeline::cli {

void add_host_address(CLI::App& command, HostAddress& address) {
  address.runtime_folder = io::default_runtime_folder();
  command
      .add_option("--runtime-folder", address.runtime_folder, "The folder with the host's socket")
      ->type_name("FOLDER")
      ->capture_default_str();
}

std::expected<host::ControlClient, host::ControlError> connect_to_host(const HostAddress& address) {
  return host::ControlClient::connect(host::socket_path(address.runtime_folder));
}

int report_host_error(const HostAddress& address, const host::ControlError& error) {
  const bool absent =
      error.code == base::ErrorCode::kNotFound || error.code == base::ErrorCode::kUnreachable;
  if (absent) {
    return report(host::socket_path(address.runtime_folder), base::ErrorCode::kUnreachable,
                  "no host runs there", "Start it: wakeline host; or name its --runtime-folder");
  }
  return report(
      "host", error.code,
      error.message.empty() ? base::describe(error.code) : std::string_view(error.message));
}

}  // namespace wakeline::cli
