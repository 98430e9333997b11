// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/sender.h"
#include "cli/terminal.h"

namespace wakeline::cli {
namespace {

struct PushOptions {
  std::string target;
  std::string title;
  std::string body;
  std::string data;
  std::string urgency = "normal";
  std::string topic;
  std::string key;
  std::uint32_t ttl_s = 2'419'200;
  bool user = false;
  bool group = false;
  SenderOptions sender;
};

int push(const PushOptions& options) {
  const char* kind = options.user ? "user" : options.group ? "group" : "device";
  boost::json::object body{
      {kind, options.target}, {"ttl_s", options.ttl_s}, {"urgency", options.urgency}};
  if (!options.title.empty()) body["title"] = options.title;
  if (!options.body.empty()) body["body"] = options.body;
  if (!options.data.empty()) body["data"] = options.data;
  if (!options.topic.empty()) body["topic"] = options.topic;
  if (!options.key.empty()) body["idempotency_key"] = options.key;
  const auto answer = ask_server(options.sender, "POST", "/v1/push", boost::json::serialize(body));
  if (!answer) return answer.error();
  fmt::print("{} {}\n", answer->status, printable_lines(answer->body));
  return exit_code_of_status(answer->status);
}

}  // namespace

void add_push(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<PushOptions>();
  CLI::App* command =
      root.add_subcommand("push", "Sends one push to a device, as an app server would");
  command->add_option("device", options->target, "The device's name")
      ->required()
      ->type_name("DEVICE");
  command->add_option("title", options->title, "What the notification says")->required();
  command->add_option("body", options->body, "Its second line");
  command->add_option("--data", options->data, "The app's own text");
  CLI::Option* user =
      command->add_flag("--user", options->user, "The name is a user's: to all of their devices");
  command->add_flag("--group", options->group, "The name is a group's: to all of its devices")
      ->excludes(user);
  command->add_option("--urgency", options->urgency, "RFC 8030")
      ->check(CLI::IsMember({"very-low", "low", "normal", "high"}))
      ->capture_default_str();
  command->add_option("--topic", options->topic,
                      "A later push with the same topic replaces this one while it waits");
  command->add_option("--key", options->key,
                      "Idempotency key: the same push, when it is sent again with it");
  command->add_option("--ttl", options->ttl_s, "Seconds that the push may wait")
      ->capture_default_str();
  add_sender_options(*command, options->sender);
  command->callback([options, &exit_code] { exit_code = push(*options); });
}

}  // namespace wakeline::cli
