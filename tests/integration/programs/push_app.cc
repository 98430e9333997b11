// SPDX-License-Identifier: Apache-2.0
// An app with a push client for tests to kill: it appends a line for each push it is given.
//
//   push_app HOST PORT TOKEN CA_FILE|- STATE_FILE LOG_FILE [SENT_FILE COUNT]
//
// PUSH_APP_CLOCK in the environment: by how many seconds its wall clock is off.
// A line: "TITLE SEQUENCE MAYBE_SEEN PID". With SENT_FILE it sends COUNT replies whose body is
// their key, and appends "promised KEY", when it has been told that the message is safe, and the
// outcome: "sent KEY". One write each, so that a kill tears none.
#include <fcntl.h>
#include <unistd.h>
#include <wakeline/app.h>
#include <wakeline/push_client.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "shifted_clock.h"

namespace {

int open_log(const char* path) {
  return ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void append(int log, const std::string& line) {
  if (::write(log, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 9) return 2;
  std::atomic<std::int64_t> offset = 0;
  if (const char* text = std::getenv("PUSH_APP_CLOCK")) offset = std::atoll(text);
  clock_offset = &offset;
  wakeline::PushClient::Options options;
  options.host = argv[1];
  options.port = static_cast<std::uint16_t>(std::atoi(argv[2]));
  options.device = "door";
  options.token = argv[3];
  options.tls = std::string(argv[4]) != "-";
  if (options.tls) options.ca_file = argv[4];
  options.state_file = argv[5];
  const int log = open_log(argv[6]);
  const int sent_log = argc > 7 ? open_log(argv[7]) : -1;
  if (log < 0 || (argc > 7 && sent_log < 0)) return 3;
  auto app = wakeline::App::create({.host_path = "/nowhere"});
  if (!app) return 4;
  auto client = wakeline::PushClient::create(*app, options);
  if (!client) {
    std::fprintf(stderr, "push_app: %s\n", client.error().message.c_str());
    return 5;
  }
  client->on_push([log](const wakeline::Push& push) {
    append(log, push.title + " " + std::to_string(push.sequence) + " " +
                    (push.maybe_seen ? "1" : "0") + " " + std::to_string(::getpid()) + "\n");
  });
  std::thread sender;
  if (sent_log >= 0) {
    client->on_outcome([sent_log](const wakeline::Outcome& outcome) {
      append(sent_log, std::string(wakeline::name(outcome.result)) + " " + outcome.key + "\n");
    });
    sender = std::thread([&client, sent_log, count = std::atoi(argv[8])] {
      for (int i = 0; i < count; ++i) {
        wakeline::Message message;
        message.key = std::to_string(::getpid()) + "-" + std::to_string(i);
        message.body = message.key;
        auto sent = client->send(message);
        while (!sent && sent.error().code == wakeline::ErrorCode::kBusy) {  // 64 wait
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
          sent = client->send(message);
        }
        if (sent) append(sent_log, "promised " + message.key + "\n");
      }
    });
  }
  client->start();
  app->run();
  if (sender.joinable()) sender.join();
  return 0;
}
