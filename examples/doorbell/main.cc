// SPDX-License-Identifier: Apache-2.0
//
// A doorbell: suspended all day, it rings when its server pushes.
//
//   doorbell [CREDENTIALS]     the file that `wakeline server add-device NAME --output FILE` wrote;
//                              without it, the environment's DOORBELL_CREDENTIALS
//
// With DOORBELL_WEB_PUSH, an address of the server as "https://push.example.org:8443", and
// DOORBELL_SUBSCRIPTION, a file, it gets itself a Web Push endpoint and writes it there for the app
// server (subscribe.cc).
//
// Exit codes: 0 it was asked to end (SIGINT, SIGTERM); 2 no credentials were named; 3 the
// credentials, or what they name, cannot be used; 4 the system gave no thread or descriptor.
#include <wakeline/app.h>
#include <wakeline/push_client.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

#include "subscribe.h"

namespace {

wakeline::App* running_app = nullptr;

void on_signal(int /*number*/) {
  if (running_app != nullptr) running_app->stop();
}

void say(const std::string& line) { std::cout << "doorbell: " << line << '\n' << std::flush; }

int fail(int code, const wakeline::Error& error) {
  std::cerr << "doorbell: " << error.message << '\n';
  return code;
}

void ring(wakeline::App& app, const wakeline::Push& push) {
  wakeline::Notification notification;
  notification.title = push.title.empty() ? "Someone is at the door" : push.title;
  notification.body = push.body;
  notification.category = "call.incoming";
  notification.urgency = wakeline::NotificationUrgency::kCritical;
  notification.payload = push.data;
  say("ring " + std::to_string(push.sequence) + ": " + notification.title);
  const auto shown = app.notify(notification);
  if (!shown) say("not shown: " + shown.error().message);
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = argc == 2 ? argv[1] : std::getenv("DOORBELL_CREDENTIALS");
  if (argc > 2 || path == nullptr) {
    std::cerr << "usage: doorbell CREDENTIALS (or DOORBELL_CREDENTIALS in the environment)\n";
    return 2;
  }
  const auto options = wakeline::PushClient::Options::from_file(path);
  if (!options) return fail(3, options.error());

  auto app = wakeline::App::create();
  if (!app) return fail(4, app.error());
  auto client = wakeline::PushClient::create(*app, *options);
  if (!client) return fail(3, client.error());

  running_app = &*app;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads our lines may go

  const auto host = app->host();
  say("launched (" + std::string(name(app->launch_reason())) + "), in the " +
      std::string(name(app->state())) + (host ? "" : "; " + host.error().message));
  app->on_woken([](wakeline::WakeCause cause) { say("woken by " + std::string(name(cause))); });
  client->on_state([](const wakeline::LinkStatus& status) {
    say("line " + std::string(name(status.state)) + " (" + status.why + ")");
  });
  client->on_push([&](const wakeline::Push& push) { ring(*app, push); });
  const char* service = std::getenv("DOORBELL_WEB_PUSH");
  const char* file = std::getenv("DOORBELL_SUBSCRIPTION");
  if (service != nullptr && file != nullptr) {
    // Its connection would not wake us.
    const auto awake = app->begin_background_task("subscribe", [] {});
    const std::string failure = subscribe(*options, client->sealing_keys(), service, file);
    say(failure.empty() ? "Web Push subscription in " + std::string(file) : failure);
  }
  client->start();
  app->run();

  say("ends");
  client->stop();
  running_app = nullptr;
  return 0;
}
