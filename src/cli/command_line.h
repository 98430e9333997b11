// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

/// What the parser of options does not see: the words of another program, and commands that are
/// none.
namespace wakeline::cli {

/// A command line without the name of our program.
struct CommandLine {
  std::vector<std::string> words;      ///< for the parser
  std::vector<std::string> arguments;  ///< of the program that the command starts, as they came
};

/// Takes off the arguments of another program. They follow its name, which is the first word behind
/// a command with `positionals_at_end` that is none of its options, or follows "--".
CommandLine split_command_line(const CLI::App& root, std::vector<std::string> words);

struct UnknownCommand {
  std::string path;  ///< "apps lunch"
  std::string near;  ///< "apps launch"; empty where no command is like it
};
/// The first word that stands where only a command can, and is none.
std::optional<UnknownCommand> unknown_command(const CLI::App& root,
                                              const std::vector<std::string>& words);

/// The one that a person may have meant: with a letter or two wrong, or begun. Empty: none.
std::string_view nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace wakeline::cli
