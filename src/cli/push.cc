// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/http.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

struct Options {
  std::string device;
  std::string title;
  std::string body;
  std::string data;
  std::string urgency = "normal";
  std::string topic;
  std::uint32_t ttl_s = 2'419'200;
  std::string url;
  std::string data_folder;
  std::string token_file;
  std::string ca_file;
};

constexpr std::size_t kTokenFileMax = 4'096;

int push(const Options& options) {
  auto url = parse_url(options.url);
  if (!url) return report("--url", url.error());
  url->target = "/v1/push";
  std::string token_file = options.token_file;
  std::string ca_file = options.ca_file;
  if (token_file.empty()) token_file = options.data_folder + "/admin-token";
  if (ca_file.empty() && url->tls) ca_file = options.data_folder + "/certificate.pem";
  auto token = io::read_file(token_file, kTokenFileMax);
  if (!token) {
    return report(token_file, token.error(),
                  "The server writes it at its first start; name another with --token-file.");
  }
  while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();

  boost::json::object body{
      {"device", options.device}, {"ttl_s", options.ttl_s}, {"urgency", options.urgency}};
  if (!options.title.empty()) body["title"] = options.title;
  if (!options.body.empty()) body["body"] = options.body;
  if (!options.data.empty()) body["data"] = options.data;
  if (!options.topic.empty()) body["topic"] = options.topic;
  const auto answer = post_json(*url, *token, ca_file, boost::json::serialize(body));
  if (!answer)
    return report(options.url, answer.error(), "Is the server running? wakeline server --help");
  fmt::print("{} {}\n", answer->status, answer->body);
  if (answer->status >= 200 && answer->status < 300) return kExitOk;
  return answer->status == 401 ? kExitUnauthorized : kExitFailed;
}

}  // namespace

void add_push(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      root.add_subcommand("push", "Sends one push to a device, as an app server would");
  command->add_option("device", options->device, "The device's name")->required();
  command->add_option("title", options->title, "What the notification says")->required();
  command->add_option("body", options->body, "Its second line");
  command->add_option("--data", options->data, "The app's own text");
  command->add_option("--urgency", options->urgency, "RFC 8030")
      ->check(CLI::IsMember({"very-low", "low", "normal", "high"}))
      ->capture_default_str();
  command->add_option("--topic", options->topic,
                      "A later push with the same topic replaces this one while it waits");
  command->add_option("--ttl", options->ttl_s, "Seconds that the push may wait")
      ->capture_default_str();
  options->url = "https://127.0.0.1:8443";
  options->data_folder = io::default_state_folder() + "/server";
  command->add_option("--url", options->url, "The server's HTTP address")->capture_default_str();
  command
      ->add_option("--data-folder", options->data_folder,
                   "The server's folder: its token and certificate")
      ->capture_default_str();
  command->add_option("--token-file", options->token_file, "A file with the app server's token");
  command->add_option("--ca", options->ca_file, "PEM file of the certificates to trust");
  command->callback([options, &exit_code] { exit_code = push(*options); });
}

}  // namespace wakeline::cli
