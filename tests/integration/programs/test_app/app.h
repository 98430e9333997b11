// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>

#include "sockets.h"

namespace wakeline::test_app {

/// An app that does what its test says, by text lines on either of its two TCP connections.
class App {
 public:
  /// Returns only when it cannot connect.
  int run();

 private:
  // The loop and what comes from the host (app.cc).
  void connect_to_host();
  void open_line();
  void loop_once();
  void on_readable(Line& line);
  void take_lines(Line& line);
  void on_local_readable();
  void on_host_readable();
  void on_message(const msg::Welcome& welcome);
  void on_message(const msg::Reply& reply) const;
  void on_message(const msg::StateChanged& changed) const;
  void on_message(const msg::Woken& woken) const;
  void on_message(const msg::RunKeepAlive& run);
  void on_message(const msg::ExpireTask& expire) const;
  void on_message(const msg::NotificationActivated& activated) const;
  void on_message(const msg::CallStateChanged& changed) const;
  void on_message(const msg::NetworkChanged& changed) const;
  template <class Other>
  void on_message(const Other&) const {
    report_.write_line("unexpected message");
  }
  void send_host(const msg::Message& message, int passed = -1);

  // What a test may ask for (commands.cc). Returns: whether the word is one of these.
  void on_command(Line& from, const std::string& text);
  bool on_own_command(const std::string& word, std::istringstream& words, Line& from);
  bool on_host_command(const std::string& word, std::istringstream& words, const std::string& text);
  bool on_hostile_command(const std::string& word, std::istringstream& words);
  void notify(const msg::Notification& notification);

  // Sockets of each kind (tags.cc).
  void tag(int passed, int named) { send_host(msg::Tag{++request_, named}, passed); }
  void tag_kind(const std::string& kind);
  void open_udp();
  void on_datagram() const;
  void read_by_ring();

  // What no good app does (hostile.cc).
  void flood(int count, const std::string& kind);
  void send_halves() const;
  void send_descriptors(std::size_t count) const;
  std::optional<msg::Reply> next_reply() const;
  void tag_many(int count);
  void connect_often(int count);
  void bomb(int count);

  Line report_;
  Line line_;
  int host_ = -1;
  int udp_ = -1;
  bool overrun_ = false;
  bool quiet_ = false;  ///< answers are not reported
  bool mend_ = false;
  int local_ = -1;
  std::int64_t local_bytes_ = 0;
  msg::RequestId request_ = 0;
};

}  // namespace wakeline::test_app
