// SPDX-License-Identifier: Apache-2.0
// A notification server that others wrote: dunst, on a virtual display.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <tuple>

#include "linux/notifications.h"
#include "linux_desktop.h"
#include "linux_fixture.h"
#include "linux_mock.h"

namespace wakeline::sys {
namespace {

using namespace std::chrono_literals;

constexpr auto kLong = 30s;

/// A program that runs as long as this lives; what it prints can be read.
class Program {
 public:
  Program(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    output_.reset(ends[0]);
    const io::UniqueFd write_end(ends[1]);
    SpawnOptions options;
    options.command = command;
    options.environment = inherit_environment(environment);
    options.output = write_end.get();
    auto process = spawn(options);
    EXPECT_OK(process);
    if (process) process_ = std::move(*process);
  }
  ~Program() {
    if (!process_.pidfd) return;
    std::ignore = send_signal(process_.pidfd.get(), SIGTERM);
    pollfd ended{process_.pidfd.get(), POLLIN, 0};
    if (::poll(&ended, 1, 10'000) <= 0) {
      std::ignore = send_signal(process_.pidfd.get(), SIGKILL);
    }
    ::waitpid(process_.pid, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string line() {
    std::string text;
    for (char byte = 0; text.size() < 100;) {
      pollfd wait{output_.get(), POLLIN, 0};
      if (::poll(&wait, 1, 20'000) <= 0 || ::read(output_.get(), &byte, 1) != 1) break;
      if (byte == '\n') break;
      text += byte;
    }
    return text;
  }

 private:
  io::UniqueFd output_;
  Process process_;
};

TEST(RealNotificationDaemon, ShowsACallAndTellsThatTheUserOpenedIt) {  // C27, C28
  // It chooses a display that is free, and says which when it is ready.
  Program screen({"Xvfb", "-displayfd", "1", "-screen", "0", "640x200x24", "-nolisten", "tcp"}, {});
  std::string display;
  do {
    display = screen.line();  // what it says of those that are taken is passed over
  } while (display.find_first_not_of("0123456789") != std::string::npos);
  ASSERT_FALSE(display.empty()) << "Xvfb did not start";
  const test::BusDaemon bus;
  const Program dunst({"dunst"},
                      {"DISPLAY=:" + display, "DBUS_SESSION_BUS_ADDRESS=" + bus.address()});
  test::run(bus.address(), {"gdbus", "wait", "--session", "--timeout", "30", test::kName});

  io::Loop loop;
  std::vector<std::pair<std::uint64_t, std::string>> actions;
  std::vector<std::uint64_t> closed;
  const auto notifier = make_desktop_notifier(
      loop, {.bus_address = bus.address()},
      {.on_action = [&](std::uint64_t key, const std::string& action,
                        const std::string&) { actions.emplace_back(key, action); },
       .on_closed = [&](std::uint64_t key, CloseCause) { closed.push_back(key); }});
  Notice notice;
  notice.app_name = "Doorbell";
  notice.desktop_entry = "doorbell";
  notice.title = "Someone is at the door";
  notice.body = "Front <door> & gate";
  notice.category = "call.incoming";
  notice.sound = "phone-incoming-call";
  notice.urgency = 2;
  notice.style = NoticeStyle::kAlert;
  notice.actions = {{"default", "Open"}, {"answer", "Answer"}};
  std::optional<base::Result<void>> shown;
  notifier->show(7, notice, [&](base::Result<void> result) { shown = result; });
  ASSERT_TRUE(test::run_until(loop, [&] { return shown.has_value(); }, kLong));
  EXPECT_OK(*shown);
  EXPECT_TRUE(notifier->describe().starts_with("dunst ")) << notifier->describe();

  const auto dunst_does = [&](const std::string& method, const std::vector<std::string>& values) {
    std::vector<std::string> command = {"gdbus", "call",      "--session", "-d",  test::kName,
                                        "-o",    test::kPath, "-m",        method};
    command.insert(command.end(), values.begin(), values.end());
    return test::run(bus.address(), command);
  };
  const auto displayed = [&] {
    return dunst_does("org.freedesktop.DBus.Properties.Get",
                      {"org.dunstproject.cmd0", "displayedLength"});
  };
  EXPECT_TRUE(test::eventually([&] { return displayed() == "(<uint32 1>,)\n"; }));
  // Another one of the same key takes its place.
  shown.reset();
  notice.body = "Back door";
  notifier->show(7, notice, [&](base::Result<void> result) { shown = result; });
  ASSERT_TRUE(test::run_until(loop, [&] { return shown.has_value(); }, kLong));
  EXPECT_EQ(displayed(), "(<uint32 1>,)\n");
  // The user clicks on it.
  dunst_does("org.dunstproject.cmd0.NotificationAction", {"0"});
  ASSERT_TRUE(test::run_until(loop, [&] { return !actions.empty(); }, kLong));
  EXPECT_EQ(actions, (std::vector<std::pair<std::uint64_t, std::string>>{{7, "default"}}));
  dunst_does("org.dunstproject.cmd0.NotificationCloseLast", {});
  ASSERT_TRUE(test::run_until(loop, [&] { return !closed.empty(); }, kLong));
  EXPECT_EQ(closed, std::vector<std::uint64_t>{7});
}

}  // namespace
}  // namespace wakeline::sys
