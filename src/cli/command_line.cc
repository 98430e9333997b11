// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

namespace wakeline::cli {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t kShortWord = 3;  // letters; of more than these two may be wrong
constexpr std::size_t kBeginMin = 2;

const CLI::App* subcommand(const CLI::App& app, const std::string& word) {
  const auto found =
      app.get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
  return found.empty() ? nullptr : found.front();
}

/// Nullptr: the command does not know it.
const CLI::Option* option(const CLI::App& app, const std::string& name) {
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    if (const CLI::Option* found = at->get_option_no_throw(name)) return found;
    if (!at->get_fallthrough()) break;
  }
  return nullptr;
}

bool looks_like_option(const std::string& word) { return word.size() > 1 && word.front() == '-'; }

/// Where the word behind the option at `at` and its values stands.
std::size_t behind_option(const CLI::App& app, const Words& words, std::size_t at) {
  const CLI::Option* known = option(app, words[at]);
  ++at;
  if (known == nullptr) return at;  // or it has its value with it, as in --name=value
  const auto least = static_cast<std::size_t>(known->get_items_expected_min());
  const auto most = static_cast<std::size_t>(known->get_items_expected_max());
  for (std::size_t taken = 0; taken < most && at < words.size(); ++taken, ++at) {
    if (taken < least) continue;
    if (looks_like_option(words[at]) || subcommand(app, words[at]) != nullptr) break;
  }
  return at;
}

/// The innermost command, and the first word that is neither an option of it nor a command of its
/// own.
struct CommandPlace {
  const CLI::App* command;
  std::size_t at;
};

CommandPlace walk(const CLI::App& root, const Words& words) {
  CommandPlace place{&root, 0};
  while (place.at < words.size() && words[place.at] != "--") {
    if (const CLI::App* sub = subcommand(*place.command, words[place.at])) {
      place.command = sub;
      ++place.at;
    } else if (looks_like_option(words[place.at])) {
      place.at = behind_option(*place.command, words, place.at);
    } else {
      break;
    }
  }
  return place;
}

/// How many letters to leave out, put in, change, or swap with their neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  // Rows of the table for a without its last two, one and none.
  std::vector<std::size_t> before;
  std::vector<std::size_t> last(b.size() + 1);
  for (std::size_t j = 0; j < last.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::vector<std::size_t> row(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, std::move(row));
  }
  return last[b.size()];
}

/// "apps" for the command `wakeline apps`; empty for the program itself.
std::string path_of(const CLI::App& command) {
  std::string path;
  for (const CLI::App* at = &command; at->get_parent() != nullptr; at = at->get_parent())
    path = at->get_name() + (path.empty() ? "" : " ") + path;
  return path;
}

}  // namespace

CommandLine split_command_line(const CLI::App& root, Words words) {
  const CommandPlace place = walk(root, words);
  std::size_t program = place.at;
  if (program < words.size() && words[program] == "--") ++program;
  if (!place.command->get_positionals_at_end() || program >= words.size())
    return {std::move(words), {}};
  const auto at = [&](std::size_t index) {
    return words.begin() + static_cast<std::ptrdiff_t>(index);
  };
  CommandLine line;
  line.words.assign(at(0), at(place.at));
  line.words.insert(line.words.end(), {"--", words[program]});
  line.arguments.assign(at(program + 1), words.end());
  return line;
}

std::optional<UnknownCommand> unknown_command(const CLI::App& root, const Words& words) {
  const CommandPlace place = walk(root, words);
  const auto commands =
      place.command->get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
  if (place.at >= words.size() || words[place.at] == "--" || commands.empty()) return std::nullopt;
  std::string path = path_of(*place.command);
  if (!path.empty()) path += ' ';
  Words names;
  for (const CLI::App* sub : commands) names.push_back(sub->get_name());
  const std::string_view near = nearest(words[place.at], names);
  return UnknownCommand{path + words[place.at], near.empty() ? "" : path + std::string(near)};
}

std::string_view nearest(std::string_view word, const Words& known) {
  std::string_view best;
  std::size_t least = word.size() > kShortWord ? 2 : 1;
  for (const std::string& one : known) {
    if (const std::size_t wrong = distance(word, one); wrong < least + (best.empty() ? 1 : 0)) {
      best = one;
      least = wrong;
    }
  }
  if (!best.empty() || word.size() < kBeginMin) return best;
  const auto begun =
      std::ranges::find_if(known, [&](const std::string& one) { return one.starts_with(word); });
  return begun == known.end() ? std::string_view() : std::string_view(*begun);
}

}  // namespace wakeline::cli
