// SPDX-License-Identifier: Apache-2.0
// An app with a push client for tests to kill: it appends a line for each push it is given.
//
//   push_app HOST PORT TOKEN CA_FILE|- STATE_FILE LOG_FILE
//
// A line: "TITLE SEQUENCE MAYBE_SEEN PID". One write each, so that a kill tears none.
#include <fcntl.h>
#include <unistd.h>
#include <wakeline/app.h>
#include <wakeline/push_client.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  wakeline::PushClient::Options options;
  options.host = argv[1];
  options.port = static_cast<std::uint16_t>(std::atoi(argv[2]));
  options.device = "door";
  options.token = argv[3];
  options.tls = std::string(argv[4]) != "-";
  if (options.tls) options.ca_file = argv[4];
  options.state_file = argv[5];
  const int log = ::open(argv[6], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return 3;
  auto app = wakeline::App::create({.host_path = "/nowhere"});
  if (!app) return 4;
  auto client = wakeline::PushClient::create(*app, options);
  if (!client) {
    std::fprintf(stderr, "push_app: %s\n", client.error().message.c_str());
    return 5;
  }
  client->on_push([log](const wakeline::Push& push) {
    const std::string line = push.title + " " + std::to_string(push.sequence) + " " +
                             (push.maybe_seen ? "1" : "0") + " " + std::to_string(::getpid()) +
                             "\n";
    if (::write(log, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  });
  client->start();
  app->run();
  return 0;
}
