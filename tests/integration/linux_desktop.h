// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "io/unique_fd.h"
#include "linux/proc.h"
#include "linux/process.h"
#include "linux_fixture.h"

/// A private bus and a notification server, both real, for the tests of what speaks to them.
namespace wakeline::sys::test {

inline constexpr const char* kName = "org.freedesktop.Notifications";
inline constexpr const char* kPath = "/org/freedesktop/Notifications";

/// A private bus: dbus-daemon as a process of the test. It knows no service files, so that nothing
/// that happens to be installed is started on it.
class BusDaemon {
 public:
  explicit BusDaemon(std::string path = {}) : path_(std::move(path)) {
    static int count = 0;
    if (path_.empty()) path_ = ::testing::TempDir() + unique_name("bus") + std::to_string(++count);
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    output_.reset(ends[0]);  // kept open: the daemon would die of its own warnings otherwise
    io::UniqueFd write_end(ends[1]);
    std::ofstream(config()) << "<busconfig><type>session</type><listen>" << address()
                            << "</listen><policy context='default'>"
                               "<allow send_destination='*' eavesdrop='true'/>"
                               "<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>";
    SpawnOptions options;
    options.command = {"dbus-daemon", "--config-file=" + config(), "--nofork", "--nopidfile",
                       "--print-address=1"};
    options.environment = inherit_environment({});
    options.output = write_end.get();
    auto process = spawn(options);
    EXPECT_OK(process);
    if (!process) return;
    process_ = std::move(*process);
    write_end.reset();
    // It says its address as soon as it can be reached.
    for (char byte = 0; ::read(output_.get(), &byte, 1) == 1 && byte != '\n';) {
    }
  }
  ~BusDaemon() {
    kill();
    ::unlink(path_.c_str());
    ::unlink(config().c_str());
  }
  void kill() {
    if (!process_.pidfd) return;
    std::ignore = send_signal(process_.pidfd.get(), SIGKILL);
    ::waitpid(process_.pid, nullptr, 0);
    process_.pidfd.reset();
  }
  std::string address() const { return "unix:path=" + path_; }
  const std::string& path() const { return path_; }

 private:
  std::string config() const { return path_ + ".conf"; }

  io::UniqueFd output_;
  Process process_;
  std::string path_;
};

/// What a Notify call carried.
struct Received {
  std::string app, title, body;
  std::uint32_t replaces = 0;
  std::vector<std::string> actions;
  std::map<std::string, std::string> hints;
  std::int32_t display_ms = 0;
  friend bool operator==(const Received&, const Received&) = default;
};

/// A notification server on a thread of its own, as a desktop has one.
class DesktopServer {
 public:
  explicit DesktopServer(const std::string& address, std::vector<std::string> abilities,
                         bool answers = true)
      : abilities_(std::move(abilities)), answers_(answers) {
    EXPECT_GE(::sd_bus_new(&bus_), 0);
    EXPECT_GE(::sd_bus_set_address(bus_, address.c_str()), 0);
    EXPECT_GE(::sd_bus_set_bus_client(bus_, 1), 0);
    EXPECT_GE(::sd_bus_start(bus_), 0);
    EXPECT_GE(::sd_bus_add_object(bus_, nullptr, kPath, on_call, this), 0);
    EXPECT_GE(::sd_bus_request_name(bus_, kName, 0), 0);
    thread_ = std::thread([this] { run(); });
  }
  ~DesktopServer() {
    command([this] { stopping_ = true; });
    thread_.join();
    ::sd_bus_flush_close_unref(bus_);
  }

  std::vector<Received> received() {
    const std::scoped_lock lock(mutex_);
    return received_;
  }
  std::vector<std::uint32_t> closed() {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }
  void invoke(std::uint32_t id, const std::string& action) {
    command([this, id, action] {
      ::sd_bus_emit_signal(bus_, kPath, kName, "ActionInvoked", "us", id, action.c_str());
    });
  }
  void give_token(std::uint32_t id, const std::string& token) {
    command([this, id, token] {
      ::sd_bus_emit_signal(bus_, kPath, kName, "ActivationToken", "us", id, token.c_str());
    });
  }
  void dismiss(std::uint32_t id) {
    command([this, id] {
      ::sd_bus_emit_signal(bus_, kPath, kName, "NotificationClosed", "uu", id, 2u);
    });
  }

 private:
  void command(std::function<void()> what) {
    {
      const std::scoped_lock lock(mutex_);
      commands_.push_back(std::move(what));
    }
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(wake_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  void run() {
    while (!stopping_) {
      while (::sd_bus_process(bus_, nullptr) > 0) {
      }
      ::sd_bus_flush(bus_);
      pollfd wait[2] = {{::sd_bus_get_fd(bus_), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      ::poll(wait, 2, -1);
      if (wait[0].revents & (POLLHUP | POLLERR)) return;  // the bus is gone
      if (!wait[1].revents) continue;
      std::uint64_t count = 0;
      static_cast<void>(::read(wake_.get(), &count, sizeof count));
      std::vector<std::function<void()>> now;
      {
        const std::scoped_lock lock(mutex_);
        now.swap(commands_);
      }
      for (const auto& what : now) what();
    }
  }
  static int on_call(sd_bus_message* message, void* self, sd_bus_error*) {
    return static_cast<DesktopServer*>(self)->answer(message);
  }
  int answer(sd_bus_message* message) {
    if (::sd_bus_message_is_method_call(message, kName, "GetServerInformation")) {
      return ::sd_bus_reply_method_return(message, "ssss", "Test desktop", "Wakeline", "7", "1.2");
    }
    if (::sd_bus_message_is_method_call(message, kName, "GetCapabilities")) {
      sd_bus_message* reply = nullptr;
      ::sd_bus_message_new_method_return(message, &reply);
      ::sd_bus_message_open_container(reply, 'a', "s");
      for (const auto& word : abilities_) ::sd_bus_message_append(reply, "s", word.c_str());
      ::sd_bus_message_close_container(reply);
      const int sent = ::sd_bus_send(bus_, reply, nullptr);
      ::sd_bus_message_unref(reply);
      return sent;
    }
    if (::sd_bus_message_is_method_call(message, kName, "CloseNotification")) {
      std::uint32_t id = 0;
      ::sd_bus_message_read(message, "u", &id);
      const std::scoped_lock lock(mutex_);
      closed_.push_back(id);
      return 1;
    }
    if (::sd_bus_message_is_method_call(message, kName, "Notify")) return take(message);
    return 0;
  }
  int take(sd_bus_message* message) {
    Received notice;
    const char *app = "", *icon = "", *title = "", *body = "", *text = "", *name = "", *type = "";
    ::sd_bus_message_read(message, "susss", &app, &notice.replaces, &icon, &title, &body);
    notice.app = app;
    notice.title = title;
    notice.body = body;
    ::sd_bus_message_enter_container(message, 'a', "s");
    while (::sd_bus_message_read(message, "s", &text) > 0) notice.actions.emplace_back(text);
    ::sd_bus_message_exit_container(message);
    ::sd_bus_message_enter_container(message, 'a', "{sv}");
    while (::sd_bus_message_enter_container(message, 'e', "sv") > 0) {
      ::sd_bus_message_read(message, "s", &name);
      ::sd_bus_message_peek_type(message, nullptr, &type);
      ::sd_bus_message_enter_container(message, 'v', type);
      std::uint8_t number = 0;
      if (type[0] == 'y') {
        ::sd_bus_message_read(message, "y", &number);
        notice.hints[name] = std::to_string(number);
      } else {
        ::sd_bus_message_read(message, "s", &text);
        notice.hints[name] = text;
      }
      ::sd_bus_message_exit_container(message);
      ::sd_bus_message_exit_container(message);
    }
    ::sd_bus_message_exit_container(message);
    ::sd_bus_message_read(message, "i", &notice.display_ms);
    std::uint32_t id = 0;
    {
      const std::scoped_lock lock(mutex_);
      received_.push_back(notice);
      id = notice.replaces ? notice.replaces : next_id_++;
    }
    return answers_ ? ::sd_bus_reply_method_return(message, "u", id) : 1;
  }

  std::vector<std::string> abilities_;
  bool answers_;
  sd_bus* bus_ = nullptr;
  io::UniqueFd wake_{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread_;
  std::mutex mutex_;
  std::vector<std::function<void()>> commands_;
  std::vector<Received> received_;
  std::vector<std::uint32_t> closed_;
  std::uint32_t next_id_ = 41;
  bool stopping_ = false;
};

}  // namespace wakeline::sys::test
