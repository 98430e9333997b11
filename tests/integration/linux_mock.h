// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <tuple>
#include <vector>

#include "linux/proc.h"
#include "linux/process.h"
#include "linux_desktop.h"

/// The machine's services on a private bus, by python-dbusmock's templates: logind, NetworkManager,
/// oFono, and ModemManager's voice by its generic interface.
namespace wakeline::sys::test {

/// Debian's own interpreter, for which python3-dbusmock is packaged; another in PATH lacks it.
inline constexpr const char* kPython = "/usr/bin/python3";

/// Runs a program to its end, with `address` as its system and session bus. Returns: its output; a
/// test failure when it fails.
inline std::string run(const std::string& address, const std::vector<std::string>& command) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const io::UniqueFd read_end(ends[0]);
  io::UniqueFd write_end(ends[1]);
  SpawnOptions options;
  options.command = command;
  options.environment = inherit_environment(
      {"DBUS_SYSTEM_BUS_ADDRESS=" + address, "DBUS_SESSION_BUS_ADDRESS=" + address});
  options.output = write_end.get();
  auto process = spawn(options);
  write_end.reset();
  if (!process) {
    ADD_FAILURE() << command[0] << ": " << base::to_string(process.error());
    return {};
  }
  std::string output;
  char bytes[4'096];
  for (ssize_t size; (size = ::read(read_end.get(), bytes, sizeof bytes)) > 0;) {
    output.append(bytes, static_cast<std::size_t>(size));
  }
  int status = -1;
  ::waitpid(process->pid, &status, 0);
  std::string line;
  for (const auto& word : command) line += word + " ";
  EXPECT_EQ(status, 0) << line << output;
  return output;
}

/// One mocked service, a process of the test. Its name is on the bus when the constructor returns.
class MockService {
 public:
  /// `arguments` of `python3 -m dbusmock`: "--template logind", or NAME PATH INTERFACE.
  MockService(std::string address, const std::string& name,
              const std::vector<std::string>& arguments)
      : address_(std::move(address)) {
    SpawnOptions options;
    options.command = {kPython, "-m", "dbusmock", "--system"};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    options.environment = inherit_environment(
        {"DBUS_SYSTEM_BUS_ADDRESS=" + address_, "DBUS_SESSION_BUS_ADDRESS=" + address_});
    auto process = spawn(options);
    EXPECT_OK(process);
    if (!process) return;
    process_ = std::move(*process);
    EXPECT_NE(run(address_, {"gdbus", "wait", "--system", "--timeout", "30", name}), "never");
  }
  ~MockService() { end(); }
  MockService(const MockService&) = delete;
  MockService& operator=(const MockService&) = delete;

  void end() {
    if (!process_.pidfd) return;
    std::ignore = send_signal(process_.pidfd.get(), SIGTERM);
    ::waitpid(process_.pid, nullptr, 0);
    process_.pidfd.reset();
  }
  /// `gdbus call --system -d NAME -o PATH -m METHOD ARGUMENTS`.
  std::string call(const std::string& name, const std::string& path, const std::string& method,
                   const std::vector<std::string>& arguments = {}) const {
    std::vector<std::string> command = {"gdbus", "call", "--system", "-d",  name,
                                        "-o",    path,   "-m",       method};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(address_, command);
  }

 private:
  std::string address_;
  Process process_;
};

/// logind, as far as a sleep goes.
class MockLogind : public MockService {
 public:
  explicit MockLogind(const std::string& address)
      : MockService(address, kName, {"--template", "logind"}) {}
  void prepare_for_sleep(bool begins) const {
    call(kName, "/org/freedesktop/login1", "org.freedesktop.DBus.Mock.EmitSignal",
         {"org.freedesktop.login1.Manager", "PrepareForSleep", "b",
          begins ? "[<true>]" : "[<false>]"});
  }
  static constexpr const char* kName = "org.freedesktop.login1";
};

/// ModemManager with one modem; there is no template of it.
class MockModemManager : public MockService {
 public:
  explicit MockModemManager(const std::string& address)
      : MockService(address, kName, {kName, kPath, "org.freedesktop.ModemManager1", "-m"}) {
    call(kName, kPath, kMock + "AddObject",
         {kModem, kVoice, "{'Calls': <@ao [\"/call/1\"]>}", "[]"});
    add_call("/call/1", 3);
  }
  void add_call(const std::string& path, int state) const {
    call(kName, kPath, kMock + "AddObject",
         {path, kCall, "{'State': <int32 " + std::to_string(state) + ">}", "[]"});
  }
  void tell(const std::string& object, const std::string& interface, const std::string& signal,
            const std::string& signature, const std::string& values) const {
    call(kName, object, kMock + "EmitSignal", {interface, signal, signature, values});
  }
  inline static const std::string kMock = "org.freedesktop.DBus.Mock.";
  static constexpr const char* kName = "org.freedesktop.ModemManager1";
  static constexpr const char* kPath = "/org/freedesktop/ModemManager1";
  static constexpr const char* kModem = "/org/freedesktop/ModemManager1/Modem/0";
  static constexpr const char* kVoice = "org.freedesktop.ModemManager1.Modem.Voice";
  static constexpr const char* kCall = "org.freedesktop.ModemManager1.Call";
};

}  // namespace wakeline::sys::test
