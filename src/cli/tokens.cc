// SPDX-License-Identifier: Apache-2.0
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <memory>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/server_folder.h"
#include "cli/terminal.h"
#include "io/file.h"
#include "server/admin_access.h"

namespace wakeline::cli {
namespace {

struct TokensOptions {
  std::string folder = default_server_folder();
  std::string name;
  std::vector<std::string> scopes = {"push"};
  std::uint32_t days = 0;
  std::string output;
};

constexpr const char* kScopes =
    "Scopes: push, push:device/NAME, push:user/NAME, push:group/NAME (NAME may end in *),\n"
    "subscriptions, reports, stats. A running server heeds a change at once.";

int report_token_failure(const server::Failure& failure) {
  using enum base::ErrorCode;
  return report("tokens", failure.error.code, server::to_string(failure),
                failure.error.code == kMalformed ? kScopes : hint_of(failure));
}

int add(const TokensOptions& options) {
  std::string scopes;
  for (const std::string& scope : options.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  std::optional<base::Duration> life;
  if (options.days > 0) life = std::chrono::hours(24) * options.days;
  const auto token = server::add_token(options.folder, options.name, scopes, life);
  if (!token) return report_token_failure(token.error());
  if (options.output.empty()) {
    fmt::print("{}\n", *token);
  } else if (const auto written =
                 io::write_output(options.output, *token + "\n", io::OutputMode::kSecret);
             !written) {
    static_cast<void>(server::remove_token(options.folder, options.name));
    return report(options.output, written.error());
  } else if (!io::names_stdout(options.output)) {
    fmt::print("Wrote the token of {} to {}. It is nowhere else.\n", options.name, options.output);
  }
  const auto noted = server::audit_token(options.folder, options.name, scopes);
  return noted ? kExitOk : report_token_failure(noted.error());
}

std::string day(base::WallTime at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

int list(const TokensOptions& options) {
  const auto tokens = server::list_tokens(options.folder);
  if (!tokens) return report_token_failure(tokens.error());
  Table table({{"token"}, {"made"}, {"until"}, {"scopes"}});
  for (const store::Sender& token : *tokens) {
    table.add(
        {token.name, day(token.created), token.expires ? day(*token.expires) : "-", token.scopes});
  }
  table.print();
  return kExitOk;
}

}  // namespace

void add_tokens(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<TokensOptions>();
  CLI::App* command = root.add_subcommand("tokens", "The tokens of app servers");
  command->require_subcommand(1);
  command->fallthrough();
  command->add_option("--data-folder", options->folder, "The server's folder")
      ->type_name("FOLDER")
      ->capture_default_str();
  command->footer(kScopes);

  CLI::App* adds = command->add_subcommand("add", "Makes a token and prints it, this once");
  adds->add_option("name", options->name, "Whose it is: letters, digits, dots, dashes, underscores")
      ->required();
  adds->add_option("--scope", options->scopes, "What it may do; may be given again")
      ->capture_default_str();
  adds->add_option("--days", options->days, "How long it is good; 0: until it is removed")
      ->check(CLI::Range(0, 36'500))
      ->capture_default_str();
  adds->add_option("--output", options->output, "Write it to this file (0600), not to stdout (-)")
      ->type_name("FILE");
  adds->callback([options, &exit_code] { exit_code = add(*options); });

  CLI::App* lists = command->add_subcommand("list", "The tokens' names and scopes");
  lists->callback([options, &exit_code] { exit_code = list(*options); });

  CLI::App* removes = command->add_subcommand("remove", "Makes a token worthless at once");
  removes->add_option("name", options->name, "Whose it is")->required()->type_name("TOKEN");
  removes->callback([options, &exit_code] {
    const auto removed = server::remove_token(options->folder, options->name);
    exit_code = removed ? kExitOk : report_token_failure(removed.error());
  });
}

}  // namespace wakeline::cli
