// SPDX-License-Identifier: Apache-2.0
// Foreground and background by the active window, under a real X server and window manager.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/xcb.h>

#include <csignal>
#include <cstdlib>
#include <utility>

#include "host_fixture.h"
#include "io/clock.h"
#include "linux/process.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;

/// A program that is ended with the test.
class Helper {
 public:
  explicit Helper(std::vector<std::string> command) {
    sys::SpawnOptions options;
    options.command = std::move(command);
    options.environment = sys::inherit_environment({});
    auto process = sys::spawn(options);
    EXPECT_TRUE(process) << base::to_string(process.error());
    if (process) process_ = std::move(*process);
  }
  ~Helper() {
    if (process_.pid <= 0) return;
    ::kill(process_.pid, SIGTERM);
    ::waitpid(process_.pid, nullptr, 0);
  }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

 private:
  sys::Process process_;
};

/// A window manager's part, played through the properties that it would set.
class Desktop {
 public:
  explicit Desktop(const std::string& display) {
    connection_ = ::xcb_connect(display.c_str(), nullptr);
    EXPECT_EQ(::xcb_connection_has_error(connection_), 0);
    screen_ = ::xcb_setup_roots_iterator(::xcb_get_setup(connection_)).data;
  }
  ~Desktop() { ::xcb_disconnect(connection_); }

  /// A window that says that it belongs to the process.
  xcb_window_t open_window(pid_t pid) {
    const xcb_window_t window = ::xcb_generate_id(connection_);
    ::xcb_create_window(connection_, XCB_COPY_FROM_PARENT, window, screen_->root, 0, 0, 10, 10, 0,
                        XCB_WINDOW_CLASS_INPUT_OUTPUT, screen_->root_visual, 0, nullptr);
    if (pid > 0) set(window, "_NET_WM_PID", XCB_ATOM_CARDINAL, static_cast<std::uint32_t>(pid));
    return window;
  }
  void map(xcb_window_t window) {
    ::xcb_map_window(connection_, window);
    ::xcb_flush(connection_);
  }
  /// A window manager names itself on the root window when it is ready.
  void wait_for_manager() {
    const base::Instant end = io::now() + kPatience;
    while (io::now() < end) {
      const auto asked =
          ::xcb_get_property(connection_, 0, screen_->root, atom("_NET_SUPPORTING_WM_CHECK"),
                             XCB_GET_PROPERTY_TYPE_ANY, 0, 1);
      auto* reply = ::xcb_get_property_reply(connection_, asked, nullptr);
      const bool there = reply != nullptr && ::xcb_get_property_value_length(reply) > 0;
      std::free(reply);
      if (there) return;
      ::poll(nullptr, 0, 5);
    }
    ADD_FAILURE() << "no window manager";
  }
  void activate(xcb_window_t window) {
    set(screen_->root, "_NET_ACTIVE_WINDOW", XCB_ATOM_WINDOW, window);
  }

 private:
  xcb_atom_t atom(const std::string& name) {
    const auto cookie =
        ::xcb_intern_atom(connection_, 0, static_cast<std::uint16_t>(name.size()), name.c_str());
    auto* reply = ::xcb_intern_atom_reply(connection_, cookie, nullptr);
    const xcb_atom_t number = reply == nullptr ? xcb_atom_t{XCB_ATOM_NONE} : reply->atom;
    std::free(reply);
    return number;
  }
  void set(xcb_window_t window, const std::string& name, xcb_atom_t type, std::uint32_t value) {
    ::xcb_change_property(connection_, XCB_PROP_MODE_REPLACE, window, atom(name), type, 32, 1,
                          &value);
    ::xcb_flush(connection_);
  }

  xcb_connection_t* connection_ = nullptr;
  xcb_screen_t* screen_ = nullptr;
};

class Window : public HostTest {
 protected:
  /// An X server on a display of its own choice, which DISPLAY names from now on.
  void start_x() {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close(ends[0]);
      const std::string fd = std::to_string(ends[1]);
      ::execl("/usr/bin/Xvfb", "Xvfb", "-displayfd", fd.c_str(), "-screen", "0", "640x480x24",
              "-nolisten", "tcp", "-noreset", nullptr);
      ::_exit(127);
    }
    server_ = pid;
    ::close(ends[1]);
    std::string number;
    char byte = 0;
    while (::read(ends[0], &byte, 1) == 1 && byte != '\n') number += byte;
    ::close(ends[0]);
    ASSERT_FALSE(number.empty()) << "Xvfb did not start";
    display = ":" + number;
    ::setenv("DISPLAY", display.c_str(), 1);
  }
  void stop_x() {
    if (server_ <= 0) return;
    ::kill(server_, SIGTERM);
    ::waitpid(server_, nullptr, 0);
    server_ = 0;
  }
  ~Window() override {
    stop_x();
    ::unsetenv("DISPLAY");
  }
  std::string display;

 private:
  pid_t server_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Freezer, Window, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(Window, BringsItsAppToTheForegroundAndBack) {
  start_x();
  Desktop desktop(display);
  write_manifest("shown");
  start_host({"follow_window=true"});
  TestApp app = accept_app();
  wait_ledger("shown", "suspend");
  EXPECT_TRUE(wait_frozen(app.pid, true));
  const auto window = desktop.open_window(app.pid);
  const auto other = desktop.open_window(0);
  desktop.activate(window);
  wait_ledger("shown", "wake", "foreground");
  wait_ledger("shown", "foreground", "user");
  EXPECT_TRUE(wait_frozen(app.pid, false));
  EXPECT_EQ(info("shown").state, AppState::kForeground);
  desktop.activate(other);
  wait_ledger("shown", "background", "user");
  wait_ledger("shown", "suspend");
  // Nobody's window, and none at all.
  desktop.activate(window);
  wait_ledger("shown", "foreground", "user");
  desktop.activate(XCB_WINDOW_NONE);
  wait_ledger("shown", "background", "user");
}

TEST_P(Window, FollowsARealWindowManager) {
  start_x();
  const Helper manager({"openbox"});
  Desktop desktop(display);
  desktop.wait_for_manager();
  write_manifest("shown");
  start_host({"follow_window=true"});
  TestApp app = accept_app();
  wait_ledger("shown", "suspend");
  // The manager gives a new window the focus, and makes it the active one.
  desktop.map(desktop.open_window(app.pid));
  wait_ledger("shown", "foreground", "user");
  EXPECT_TRUE(wait_frozen(app.pid, false));
  desktop.map(desktop.open_window(0));
  wait_ledger("shown", "background", "user");
  wait_ledger("shown", "suspend");
}

TEST_P(Window, GoesOnWithoutAnXServer) {
  start_x();
  write_manifest("app");
  start_host({"follow_window=true"});
  TestApp app = accept_app();
  wait_ledger("app", "suspend");
  stop_x();
  app.line.command("ping 1");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
  wait_ledger("app", "suspend");
  EXPECT_NE(host_log().find("the X server has gone"), std::string::npos) << host_log();
  // And without one from the start.
  kill_host();
  start_host({"follow_window=true"});
  EXPECT_NE(host_log().find("the active window cannot be followed"), std::string::npos);
}

}  // namespace
}  // namespace wakeline::host
