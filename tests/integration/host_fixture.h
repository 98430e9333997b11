// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "host/control_client.h"
#include "io/unique_fd.h"
#include "wire/host_message.h"

/// A real host, a real app and a real TCP peer for the host's tests. Every wait is bounded.
namespace wakeline::host {

using namespace std::chrono_literals;

/// No step of a test takes longer, also on a loaded machine.
inline constexpr base::Duration kPatience = 20s;
/// Nor does the wait for one line of the ledger, however many others come meanwhile.
inline constexpr base::Duration kLedgerPatience = 60s;

/// The peer's end of one TCP connection of the test app.
class PeerConnection {
 public:
  explicit PeerConnection(io::UniqueFd fd) : fd_(std::move(fd)) {}

  void send(const std::string& text);  ///< as it is
  void command(const std::string& line) { send(line + "\n"); }
  /// The next line; nullopt at the end of the connection or when none came in time.
  std::optional<std::string> line(base::Duration timeout = kPatience);
  /// Skips lines until one begins with `prefix`; empty, and a test failure, when none comes.
  std::string expect(const std::string& prefix);
  /// Whether the peer has closed (or reset), within `timeout`.
  bool ended(base::Duration timeout = kPatience);
  void close() { fd_.reset(); }
  void reset();  ///< closes with RST

 private:
  /// Reads once. False: nothing came in time, or the end.
  bool fill(base::Instant deadline);

  io::UniqueFd fd_;
  std::string buffer_;
  bool ended_ = false;
};

/// A TCP port that programs connect to.
class PeerListener {
 public:
  PeerListener();
  std::uint16_t port() const { return port_; }
  /// The next connection. Empty, and a test failure, when none comes.
  io::UniqueFd accept() const;

 private:
  io::UniqueFd fd_;
  std::uint16_t port_ = 0;
};

/// A host process. Its stderr goes to `log_path`.
class HostProcess {
 public:
  HostProcess(std::vector<std::string> arguments, const std::string& log_path, bool without_ptrace);
  ~HostProcess();
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// Whether it said that it is ready; false when it ended instead.
  bool wait_ready();
  void signal(int number) const;
  /// The wait status of the ended process.
  int wait();
  std::uint64_t voluntary_switches() const;

 private:
  pid_t pid_ = 0;
  bool collected_ = false;
  io::UniqueFd ready_;
};

/// One run of the test app: the connection on which it reports and the one that it tags.
struct TestApp {
  pid_t pid = 0;
  PeerConnection report;
  PeerConnection line;
};

/// The number in "reply ok NUMBER …".
std::string number_of(const std::string& reply);
/// The tag that the app was given for its line: its next reply.
inline std::string tag_of(TestApp& app) { return number_of(app.report.expect("reply ok")); }

/// For INSTANTIATE_TEST_SUITE_P.
inline std::string parameter_name(const testing::TestParamInfo<std::string>& parameter) {
  return parameter.param;
}

/// The parameter is the freezer: "cgroup" or "sigstop".
class HostTest : public testing::TestWithParam<std::string> {
 public:
  HostTest();
  ~HostTest() override;

 protected:
  /// Skips where this machine has no cgroup for us: the other mode is tested in any case.
  void SetUp() override;

  void write_manifest(const std::string& id, const std::string& modes = "voip;");
  void write_file(const std::string& name, const std::string& text);
  /// Starts it and connects the control client, which follows the ledger from its first line of
  /// this host on.
  void start_host(const std::vector<std::string>& more = {});
  /// SIGHUP: the host becomes its program anew, and the control client connects again.
  void upgrade_host();
  /// SIGKILL, and what is left is collected.
  void kill_host();
  enum class Change { kUpgrade, kDeath };
  /// One host goes and the next one comes, with the same `options`.
  void change_host(Change how, const std::vector<std::string>& options = {});
  std::string host_log() const;

  /// The next run of the test app: launched by the host, its two connections accepted, its socket
  /// tagged.
  TestApp accept_app();
  io::UniqueFd accept_connection() { return listener_.accept(); }
  std::uint16_t port() const { return listener_.port(); }

  /// Skips ledger lines until one fits; `reason` empty: any. A test failure when none comes within
  /// kLedgerPatience, or nothing at all about the app within kPatience.
  wire::host::LedgerLine wait_ledger(const std::string& app, const std::string& event,
                                     const std::string& reason = {});
  /// The next line about `app` within `timeout`.
  std::optional<wire::host::LedgerLine> next_line(const std::string& app, base::Duration timeout);
  wire::host::AppInfo info(const std::string& app);
  void command(wire::host::Command command, const std::string& app);

  /// What `wakeline ARGUMENTS` printed and ended with.
  struct CliResult {
    int code = -1;  ///< -1: it did not end, or by a signal
    std::string output;
  };
  CliResult wakeline(const std::vector<std::string>& arguments);

  /// cgroup.events says frozen, or the process is in state T.
  bool is_frozen(pid_t pid) const;
  /// Waits until it is (not) frozen. Returns: whether it came so far.
  bool wait_frozen(pid_t pid, bool frozen) const;

  std::string folder;
  std::string manifests;
  std::unique_ptr<HostProcess> daemon;
  std::optional<ControlClient> control;
  bool without_ptrace = false;

 private:
  std::string socket() const;
  void connect_control();

  /// An app of which one connection has come, or both.
  struct HalfApp {
    std::optional<PeerConnection> report;
    std::optional<PeerConnection> line;
  };

  std::uint64_t known_line_ = 0;  ///< the ledger's last one when the host was started
  PeerListener listener_;
  std::map<pid_t, HalfApp> half_accepted_;
};

}  // namespace wakeline::host
