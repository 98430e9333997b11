// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <xcb/xcb.h>

#include <algorithm>
#include <cstdlib>

#include "bed.h"
#include "io/clock.h"
#include "io/file.h"
#include "loopback.h"
#include "peers/subject.h"

namespace wakeline::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kWindowPatience = 30s;
constexpr int kWindowAgainMs = 20;
constexpr std::size_t kLogMax = 65'536;

/// A line of digits alone: what -displayfd writes.
std::string display_in(const std::string& log) {
  for (std::size_t at = 0, end; (end = log.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string line = log.substr(at, end - at);
    if (!line.empty() && line.find_first_not_of("0123456789") == std::string::npos) return line;
  }
  return {};
}

/// A clock that ticks each second, on an Xvfb: a program with a window, and no server that could
/// ring it.
class Xclock final : public Subject {
 public:
  const char* name() const override { return "xclock"; }
  std::vector<Need> needs() const override { return {{"xclock", "x11-apps"}, {"Xvfb", "xvfb"}}; }
  Outcome<void> start_server(const std::string& folder) override {
    const std::string log = folder + "/xvfb.log";
    auto server =
        cli::Program::start(ends_with_us({find_program("Xvfb"), "-displayfd", "1", "-screen", "0",
                                          "400x200x24", "-nolisten", "tcp"}),
                            log);
    if (!server) return std::unexpected(server.error());
    server_ = std::move(*server);
    const base::Instant end = io::now() + kWindowPatience;
    while (io::now() < end && server_.alive()) {
      const auto text = io::read_file(log, kLogMax);
      const std::string number = text ? display_in(*text) : "";
      if (!number.empty()) {
        display_ = ":" + number;
        return {};
      }
      ::poll(nullptr, 0, kWindowAgainMs);
    }
    return std::unexpected("Xvfb does not start");
  }
  std::uint16_t port() const override { return 0; }
  Outcome<std::string> command(Side side, const std::string& /*folder*/) override {
    return fmt::format("exec {} -display {} -update 1 -geometry 160x160+{}+20",
                       find_program("xclock"), display_, side == kUsual ? 20 : 200);
  }
  Outcome<void> on_started(Side /*side*/, Screen& /*screen*/) override {
    ++windows_;
    xcb_connection_t* connection = ::xcb_connect(display_.c_str(), nullptr);
    const base::Instant end = io::now() + kWindowPatience;
    int seen = -1;
    while (::xcb_connection_has_error(connection) == 0 && io::now() < end) {
      const xcb_window_t root = ::xcb_setup_roots_iterator(::xcb_get_setup(connection)).data->root;
      xcb_query_tree_reply_t* tree =
          ::xcb_query_tree_reply(connection, ::xcb_query_tree(connection, root), nullptr);
      seen = tree == nullptr ? -1 : ::xcb_query_tree_children_length(tree);
      std::free(tree);
      if (seen >= windows_) break;
      ::poll(nullptr, 0, kWindowAgainMs);
    }
    ::xcb_disconnect(connection);
    if (seen < windows_) return std::unexpected("xclock opens no window");
    return {};
  }
  const char* reaction() const override { return ""; }
  Outcome<std::int64_t> ring(Side /*side*/, Screen& /*screen*/) override {
    return std::unexpected("nothing rings it");
  }

 private:
  cli::Program server_;
  std::string display_;
  int windows_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_xclock() { return std::make_unique<Xclock>(); }

std::vector<std::unique_ptr<Subject>> make_subjects(const std::vector<std::string>& only) {
  std::vector<std::unique_ptr<Subject>> subjects;
  for (const auto make :
       {make_baresip, make_profanity, make_mosquitto_sub, make_asyncio, make_xclock}) {
    auto subject = make();
    if (only.empty() || std::ranges::find(only, subject->name()) != only.end())
      subjects.push_back(std::move(subject));
  }
  return subjects;
}

}  // namespace wakeline::bench
