// SPDX-License-Identifier: Apache-2.0
// The app of the whole-path tests: writes each push down, durably, before it accepts it.
//   recorder CREDENTIALS
// Lines of $XDG_STATE_HOME/received: "first TITLE", or "again TITLE" where an earlier run may have
// seen it.
#include <fcntl.h>
#include <unistd.h>
#include <wakeline/app.h>
#include <wakeline/push_client.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (argc != 2 || state == nullptr)
    return std::fprintf(stderr, "usage: recorder CREDENTIALS\n"), 2;
  auto app = wakeline::App::create();
  if (!app) return std::fprintf(stderr, "recorder: %s\n", app.error().message.c_str()), 1;
  auto options = wakeline::PushClient::Options::from_file(argv[1]);
  if (!options) return std::fprintf(stderr, "recorder: %s\n", options.error().message.c_str()), 1;
  auto client = wakeline::PushClient::create(*app, *options);
  if (!client) return std::fprintf(stderr, "recorder: %s\n", client.error().message.c_str()), 1;

  const std::string path = std::string(state) + "/received";
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return std::perror(path.c_str()), 1;
  client->on_push([file](const wakeline::Push& push) {
    const std::string line = (push.maybe_seen ? "again " : "first ") + push.title + "\n";
    if (::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
        ::fsync(file) != 0)
      std::abort();
  });
  client->start();
  app->run();
  return 0;
}
