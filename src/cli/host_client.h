// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "host/control_client.h"

namespace CLI {
class App;
}

namespace wakeline::cli {

/// Where the running host is; the options that `apps` and `log` share.
struct HostAddress {
  std::string runtime_folder;
};
void add_host_address(CLI::App& command, HostAddress& address);

std::expected<host::ControlClient, host::ControlError> connect_to_host(const HostAddress& address);
/// Prints the error with what to do. Returns: the exit code.
int report_host_error(const HostAddress& address, const host::ControlError& error);

}  // namespace wakeline::cli
