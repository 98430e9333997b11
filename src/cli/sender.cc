// SPDX-License-Identifier: Apache-2.0
#include "cli/sender.h"

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"
#include "cli/server_folder.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

constexpr std::size_t kTokenFileMax = 4'096;

}  // namespace

int exit_code_of_status(unsigned status) {
  switch (status) {
    case 200:
    case 201:
      return kExitOk;
    case 401:
    case 403:
      return kExitUnauthorized;
    case 507:
      return kExitStorage;
    default:
      return kExitFailed;
  }
}

void add_sender_options(CLI::App& command, SenderOptions& options) {
  options.data_folder = default_server_folder();
  command.add_option("--url", options.url, "The server's HTTP address")->capture_default_str();
  command
      .add_option("--data-folder", options.data_folder,
                  "The server's folder: its token and certificate")
      ->type_name("FOLDER")
      ->capture_default_str();
  command.add_option("--token-file", options.token_file, "A file with the app server's token")
      ->type_name("FILE");
  command.add_option("--ca", options.ca_file, "PEM file of the certificates to trust")
      ->type_name("FILE");
}

std::expected<HttpAnswer, int> ask_server(const SenderOptions& options, const std::string& method,
                                          const std::string& target, const std::string& body) {
  auto url = parse_url(options.url);
  if (!url) return std::unexpected(report("--url", url.error()));
  url->target = target;
  std::string token_file = options.token_file;
  std::string ca_file = options.ca_file;
  if (token_file.empty()) token_file = options.data_folder + "/admin-token";
  if (ca_file.empty() && url->tls) ca_file = options.data_folder + "/certificate.pem";
  auto token = io::read_file(token_file, kTokenFileMax);
  if (!token) {
    return std::unexpected(report(
        token_file, token.error(),
        "The server writes it at its first start. Where its folder is another one, name that: "
        "--data-folder FOLDER; or a file of your own: --token-file FILE."));
  }
  while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
  auto answer = send_request(*url, method, *token, ca_file, body);
  if (!answer) {
    return std::unexpected(
        report(options.url, answer.error(), "Is the server running? wakeline server --help"));
  }
  return std::move(*answer);
}

}  // namespace wakeline::cli
