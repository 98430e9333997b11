// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>

#include "app.h"

namespace wakeline::test_app {
namespace {

template <class Value>
Value next(std::istringstream& words) {
  Value value{};
  words >> value;
  return value;
}

}  // namespace

void App::on_command(Line& from, const std::string& text) {
  std::istringstream words(text);
  const auto word = next<std::string>(words);
  if (on_own_command(word, words, from) || on_host_command(word, words, text) ||
      on_hostile_command(word, words)) {
    return;
  }
  report_.write_line("unknown command: " + text);
}

/// What the app does with itself and its sockets.
bool App::on_own_command(const std::string& word, std::istringstream& words, Line& from) {
  if (word == "ping") {
    from.write_line("pong " + next<std::string>(words));
  } else if (word == "hold") {
    line_.reading = false;
    from.write_line("holding");
  } else if (word == "read") {
    line_.reading = true;
  } else if (word == "close") {
    close(line_.fd);
    line_.fd = -1;
  } else if (word == "open") {
    open_line();
    tag(line_.fd, line_.fd);
  } else if (word == "ring") {
    report_.write_line("ring");
    read_by_ring();
  } else if (word == "udp") {
    open_udp();
  } else if (word == "local") {
    local_ = connect_local(next<std::string>(words));
    report_.write_line(local_ < 0 ? "no local" : "local");
  } else if (word == "stubborn") {
    std::signal(SIGTERM, SIG_IGN);
    report_.write_line("stubborn");
  } else if (word == "exit") {
    _exit(next<int>(words));
  } else if (word == "crash") {
    std::abort();
  } else if (word == "spin") {
    for (;;) clock();
  } else if (word == "overrun") {
    overrun_ = true;
    report_.write_line("overrun");
  } else if (word == "mend") {
    mend_ = true;
    report_.write_line("mend");
  } else if (word == "undumpable" || word == "dumpable") {
    prctl(PR_SET_DUMPABLE, word == "dumpable" ? 1 : 0);
    from.write_line(word);
  } else {
    return false;
  }
  return true;
}

/// What it asks of the host, which answers.
bool App::on_host_command(const std::string& word, std::istringstream& words,
                          const std::string& text) {
  if (word == "tag") {
    tag_kind(next<std::string>(words));
  } else if (word == "untag") {
    send_host(msg::Untag{++request_, next<std::uint64_t>(words)});
  } else if (word == "query") {
    send_host(msg::QueryTag{++request_, next<std::uint64_t>(words)});
  } else if (word == "later") {
    const auto us = next<long>(words);
    const timespec span{us / 1'000'000, us % 1'000'000 * 1'000};
    nanosleep(&span, nullptr);
    send_host(msg::QueryTag{++request_, 1});
  } else if (word == "task") {
    send_host(msg::BeginTask{++request_, "test"});
  } else if (word == "endtask") {
    send_host(msg::EndTask{++request_, next<std::uint64_t>(words)});
  } else if (word == "keepalive") {
    send_host(msg::SetKeepAlive{++request_, next<std::uint32_t>(words)});
  } else if (word == "notify") {
    msg::Notification notification;
    notification.title = next<std::string>(words);
    notification.payload = "payload of " + notification.title;
    notification.actions = {{"answer", "Answer"}};
    notify(notification);
  } else if (word == "sound") {
    msg::Notification notification;
    notification.title = "Sound";
    notification.sound = next<std::string>(words);
    notify(notification);
  } else if (word == "raw") {
    const std::string raw = text.substr(text.find(' ') + 1);
    send(host_, raw.data(), raw.size(), MSG_NOSIGNAL);
  } else {
    return false;
  }
  return true;
}

bool App::on_hostile_command(const std::string& word, std::istringstream& words) {
  if (word == "flood") {
    const auto count = next<int>(words);
    flood(count, next<std::string>(words));
  } else if (word == "garbage") {
    send_halves();
  } else if (word == "descriptors") {
    send_descriptors(next<std::size_t>(words));
  } else if (word == "tags") {
    tag_many(next<int>(words));
  } else if (word == "connections") {
    connect_often(next<int>(words));
  } else if (word == "bomb") {
    bomb(next<int>(words));
  } else {
    return false;
  }
  return true;
}

void App::notify(const msg::Notification& notification) {
  send_host(msg::Notify{++request_, notification});
}

}  // namespace wakeline::test_app
