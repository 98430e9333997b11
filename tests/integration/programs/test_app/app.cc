// SPDX-License-Identifier: Apache-2.0
#include "app.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <variant>

namespace wakeline::test_app {

int App::run() {
  report_.fd = connect_tcp();
  if (report_.fd < 0) return 3;
  report_.write_line("report " + std::to_string(getpid()));
  connect_to_host();
  open_line();
  for (;;) loop_once();
}

void App::connect_to_host() {
  host_ = test_app::connect_host();
  if (host_ < 0) return;
  send_host(msg::Hello{++request_, msg::kProtocolVersion, "app"});
}

void App::open_line() {
  line_.fd = connect_tcp(std::getenv("WAKELINE_TEST_FROM"));
  line_.reading = true;
  line_.buffer.clear();
  if (line_.fd < 0) {
    report_.write_line("no line");
    return;
  }
  line_.write_line("line " + std::to_string(getpid()));
}

void App::loop_once() {
  // Without a host it looks for one now and then, as the library does.
  std::array<pollfd, 5> polls = {
      pollfd{report_.fd, POLLIN, 0}, pollfd{line_.reading ? line_.fd : -1, POLLIN, 0},
      pollfd{host_, POLLIN, 0}, pollfd{udp_, POLLIN, 0}, pollfd{local_, POLLIN, 0}};
  const int ready = poll(polls.data(), polls.size(), host_ < 0 ? 20 : -1);
  if (ready < 0 && errno != EINTR) std::exit(4);
  if (host_ < 0) connect_to_host();
  if (ready <= 0) return;
  if (polls[4].revents != 0) on_local_readable();
  if (polls[2].revents != 0) on_host_readable();
  if (polls[3].revents != 0) on_datagram();
  if (polls[1].revents != 0) on_readable(line_);
  if (polls[0].revents != 0) on_readable(report_);
}

void App::on_readable(Line& line) {
  std::array<char, 4096> bytes;
  const auto size = recv(line.fd, bytes.data(), bytes.size(), 0);
  if (size <= 0) {
    if (&line == &report_) std::exit(0);  // the test is over
    report_.write_line(size == 0 ? "line ended" : "line error");
    close(line.fd);
    line.fd = -1;
    return;
  }
  line.buffer.append(bytes.data(), static_cast<std::size_t>(size));
  take_lines(line);
}

void App::take_lines(Line& line) {
  for (std::size_t end; (end = line.buffer.find('\n')) != std::string::npos;) {
    const std::string text = line.buffer.substr(0, end);
    line.buffer.erase(0, end + 1);
    on_command(line, text);
    if (line.fd < 0) return;
  }
}

/// A display's or a bus's socket: all of it is read, and how much has come so far is told.
void App::on_local_readable() {
  std::array<char, 65'536> bytes;
  const auto size = recv(local_, bytes.data(), bytes.size(), 0);
  if (size <= 0) {
    close(local_);
    local_ = -1;
    report_.write_line("local ended");
    return;
  }
  local_bytes_ += size;
  report_.write_line("local " + std::to_string(local_bytes_));
}

void App::send_host(const msg::Message& message, int passed) {
  const auto text = msg::encode(message);
  const bool sent =
      text && host_ >= 0 &&
      send_datagram(host_, *text, passed < 0 ? std::vector<int>{} : std::vector<int>{passed});
  if (!sent) report_.write_line("cannot send");
}

void App::on_host_readable() {
  std::array<char, msg::kMessageMax> bytes;
  const auto size = recv(host_, bytes.data(), bytes.size(), 0);
  if (size <= 0) {
    report_.write_line("host gone");
    close(host_);
    host_ = -1;
    return;
  }
  const auto message = msg::decode({bytes.data(), static_cast<std::size_t>(size)});
  if (!message) {
    report_.write_line("undecodable");
    return;
  }
  std::visit([this](const auto& value) { on_message(value); }, *message);
}

void App::on_message(const msg::Welcome& welcome) {
  report_.write_line("welcome " + welcome.app + " " +
                     std::string(msg::name(welcome.launch_reason)) + " " +
                     std::string(msg::name(welcome.state)));
  // What an app does after every (re)connect to its host: it tags again.
  if (line_.fd >= 0) tag(line_.fd, line_.fd);
}

void App::on_message(const msg::Reply& reply) const {
  if (quiet_) return;
  report_.write_line("reply " + std::string(base::name(reply.error)) + " " +
                     std::to_string(reply.value) + " " + reply.message);
}

void App::on_message(const msg::StateChanged& changed) const {
  report_.write_line("state " + std::string(msg::name(changed.state)));
}

void App::on_message(const msg::Woken& woken) const {
  report_.write_line("woken " + std::string(msg::name(woken.cause)) + " " +
                     std::to_string(woken.tag) + " " + std::to_string(woken.window_ms));
}

void App::on_message(const msg::RunKeepAlive& run) {
  report_.write_line("keepalive " + std::to_string(run.budget_ms));
  if (overrun_) return;  // it takes longer than it may
  if (mend_) {           // what an app does that finds its line dead (C19)
    close(line_.fd);
    open_line();
    tag(line_.fd, line_.fd);
  }
  send_host(msg::KeepAliveDone{++request_});
}

void App::on_message(const msg::ExpireTask& expire) const {
  report_.write_line("expire " + std::to_string(expire.task));
}

void App::on_message(const msg::NotificationActivated& activated) const {
  report_.write_line("activated " + activated.action + " " + activated.payload +
                     (activated.activation_token.empty() ? "" : " ") + activated.activation_token);
}

void App::on_message(const msg::CallStateChanged& changed) const {
  report_.write_line("call " + std::string(msg::name(changed.state)));
}

void App::on_message(const msg::NetworkChanged& changed) const {
  std::string line = "network";
  for (const auto& address : changed.addresses) line += " " + address.address;
  for (const auto& route : changed.routes) line += " by " + route.gateway;
  report_.write_line(line);
}

}  // namespace wakeline::test_app
