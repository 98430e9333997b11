// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "server/options.h"

/// Which server's folder a command works on, and what helps where that fails.
namespace wakeline::cli {

/// The folder of the service, as its unit names it.
inline constexpr const char* kServiceFolder = "/var/lib/wakeline-server";

/// Where `wakeline server` keeps its data when it is not told otherwise.
std::string own_server_folder();
/// What a command beside a server works on when it is not told otherwise: for root the service's
/// folder, where the service has been started; else as above.
std::string default_server_folder();
/// `service`, where it is the folder of a server that has been started; else `own`.
std::string server_folder(const std::string& service, const std::string& own);

/// What to do about it; empty where the failure says all.
std::string_view hint_of(const server::Failure& failure);

}  // namespace wakeline::cli
