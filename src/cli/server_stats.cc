// SPDX-License-Identifier: Apache-2.0
#include "cli/server_stats.h"

#include <fmt/format.h>

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/printable.h"
#include "cli/exit_code.h"
#include "cli/http.h"
#include "cli/sender.h"
#include "cli/terminal.h"

namespace wakeline::cli {
namespace {

struct ServerStatsOptions {
  SenderOptions sender;
  bool json = false;
};

int stats(const ServerStatsOptions& options) {
  const auto answer = ask_server(options.sender, "GET", "/v1/stats", {});
  if (!answer) return answer.error();
  if (answer->status != 200) {
    fmt::print(stderr, "{} {}", answer->status, printable_lines(answer->body));
    return exit_code_of_status(answer->status);
  }
  if (options.json) {
    fmt::print("{}", base::printable_json(answer->body));
    return kExitOk;
  }
  boost::json::error_code error;
  const boost::json::value body = boost::json::parse(answer->body, error);
  if (error || !body.is_object())
    return report("server stats", base::ErrorCode::kMalformed, "the answer is no JSON object");
  Table table({{"figure"}, {"value", Table::Align::kRight}});
  for (const auto& [name, value] : body.get_object())
    table.add({std::string(name), boost::json::serialize(value)});
  table.print();
  return kExitOk;
}

}  // namespace

void add_server_stats(CLI::App& server, int& exit_code) {
  auto options = std::make_shared<ServerStatsOptions>();
  CLI::App* command =
      server.add_subcommand("stats", "What the running push server holds, in figures");
  add_sender_options(*command, options->sender);
  command->add_flag("--json", options->json, "As the server says it");
  command->callback([options, &exit_code] { exit_code = stats(*options); });
}

}  // namespace wakeline::cli
