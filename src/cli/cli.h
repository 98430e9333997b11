// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace wakeline::cli {

/// Parses the command line and runs the subcommand. Returns: the exit code, see `exit_code.h`.
int run(int argc, char** argv);

// A subcommand adds itself to `root`; when it is chosen, it stores what it returned in `exit_code`.
void add_host(CLI::App& root, int& exit_code);
void add_server(CLI::App& root, int& exit_code);
/// `arguments`: those of the program that it runs, known when the subcommand is chosen.
void add_run(CLI::App& root, const std::vector<std::string>& arguments, int& exit_code);
void add_apps(CLI::App& root, int& exit_code);
void add_log(CLI::App& root, int& exit_code);
void add_top(CLI::App& root, int& exit_code);
void add_stats(CLI::App& root, int& exit_code);
void add_push(CLI::App& root, int& exit_code);
void add_devices(CLI::App& root, int& exit_code);
void add_tokens(CLI::App& root, int& exit_code);
void add_demo(CLI::App& root, int& exit_code);
void add_doctor(CLI::App& root, int& exit_code);
void add_sim(CLI::App& root, int& exit_code);
void add_bench(CLI::App& root, int& exit_code);

}  // namespace wakeline::cli
