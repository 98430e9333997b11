// SPDX-License-Identifier: Apache-2.0
// A push client of ours for `wakeline bench`: says each change of its line ("ready online") and
// each push ("push TITLE"). SIGUSR1 is a kick.
#include <poll.h>
#include <sys/signalfd.h>
#include <wakeline/app.h>
#include <wakeline/push_client.h>

#include <csignal>
#include <cstdio>

#include "client_line.h"

int main(int argc, char** argv) {
  const auto arguments = client_line::read(argc, argv);
  client_line::open(arguments.out);
  sigset_t kicks;  // before there is another thread
  sigemptyset(&kicks);
  sigaddset(&kicks, SIGUSR1);
  sigprocmask(SIG_BLOCK, &kicks, nullptr);
  const int kicked = ::signalfd(-1, &kicks, SFD_CLOEXEC);
  auto app = wakeline::App::create();
  if (!app) return std::fprintf(stderr, "bench-client: %s\n", app.error().message.c_str()), 1;
  wakeline::PushClient::Options options;
  options.host = arguments.host;
  options.port = static_cast<std::uint16_t>(arguments.port);
  options.device = arguments.device;
  options.token = arguments.token;
  options.ca_file = arguments.ca_file;
  options.state_file = arguments.state_file;
  auto client = wakeline::PushClient::create(*app, options);
  if (!client) return std::fprintf(stderr, "bench-client: %s\n", client.error().message.c_str()), 1;
  client->on_push([](const wakeline::Push& push) { client_line::say("push " + push.title); });
  client->on_state([](const wakeline::LinkStatus& status) {
    client_line::say(std::string(wakeline::name(status.state)) + ' ' + status.why);
  });
  client->start();
  pollfd wanted[] = {{app->fd(), POLLIN, 0}, {kicked, POLLIN, 0}};
  for (;;) {
    ::poll(wanted, 2, -1);
    if (wanted[0].revents != 0) app->dispatch();
    signalfd_siginfo signal{};
    if (wanted[1].revents != 0 && ::read(kicked, &signal, sizeof signal) == sizeof signal)
      client->kick();
  }
}
