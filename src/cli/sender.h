// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>

#include "cli/http.h"

namespace CLI {
class App;
}

namespace wakeline::cli {

/// How a command reaches the server as an app server does.
struct SenderOptions {
  std::string url = "https://127.0.0.1:8443";
  std::string data_folder;
  std::string token_file;  ///< empty: that of the data folder
  std::string ca_file;     ///< empty: the data folder's certificate
};
void add_sender_options(CLI::App& command, SenderOptions& options);

/// What a command ends with after an answer of that status.
int exit_code_of_status(unsigned status);

/// One request with its token. Or the exit code: what went wrong has been reported.
std::expected<HttpAnswer, int> ask_server(const SenderOptions& options, const std::string& method,
                                          const std::string& target, const std::string& body);

}  // namespace wakeline::cli
