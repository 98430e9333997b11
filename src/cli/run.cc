// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/host_client.h"
#include "io/clock.h"
#include "io/unique_fd.h"
#include "wire/manifest.h"

namespace wakeline::cli {
namespace {

using base::ErrorCode;
using wire::host::Ended;
using wire::host::SignalWord;

/// A host that is restarted or brought up to date is back within this.
constexpr base::Duration kReturnPatience = std::chrono::seconds(30);
constexpr int kReturnPollMs = 200;

struct RunOptions {
  explicit RunOptions(const std::vector<std::string>& program_arguments)
      : arguments(program_arguments) {}

  HostAddress host;
  std::string name;
  std::string voip;
  std::int64_t keep_alive_s = 0;
  std::int64_t tcp_keep_alive_s = 0;
  std::string media;
  std::int64_t merge_pings_s = 0;
  bool background = false;
  std::string program;
  const std::vector<std::string>& arguments;
};

struct Forwarded {
  int number;
  SignalWord word;
};
constexpr std::array kForwarded = {
    Forwarded{SIGINT, SignalWord::kInterrupt}, Forwarded{SIGTERM, SignalWord::kTerminate},
    Forwarded{SIGHUP, SignalWord::kHangup}, Forwarded{SIGQUIT, SignalWord::kQuit}};

/// The program's file name as an id.
std::string id_of(const std::string& program) {
  std::string id;
  for (const char c : std::filesystem::path(program).filename().string()) {
    const auto byte = static_cast<unsigned char>(c);
    const bool fits = std::isalnum(byte) != 0 || c == '.' || c == '_' || c == '-';
    if (byte < 0x80 && fits && !(id.empty() && c == '.')) {
      id += static_cast<char>(std::tolower(byte));
    }
    if (id.size() == wire::kAppNameMax) break;
  }
  return id.empty() ? "program" : id;
}

/// The app that the command line describes; nullopt when it is wrong, which was told.
std::optional<wire::Manifest> manifest_of(const RunOptions& options) {
  wire::Manifest manifest;
  manifest.id = options.name.empty() ? id_of(options.program) : options.name;
  if (!wire::is_app_id(manifest.id)) {
    report("--name", ErrorCode::kInvalidArgument,
           fmt::format("'{}' is no name: 1 to {} of a-z, 0-9, '.', '_', '-', not starting with '.'",
                       manifest.id, wire::kAppNameMax));
    return std::nullopt;
  }
  manifest.name = manifest.id;
  manifest.command = {options.program};
  manifest.command.insert(manifest.command.end(), options.arguments.begin(),
                          options.arguments.end());
  std::error_code error;
  manifest.working_directory = std::filesystem::current_path(error).string();
  if (!options.voip.empty()) {
    auto rule = wire::parse_socket_rule(options.voip);
    if (!rule) {
      report("--voip", ErrorCode::kInvalidArgument, rule.error());
      return std::nullopt;
    }
    manifest.sockets = std::move(*rule);
    manifest.voip = true;
  }
  manifest.voip = manifest.voip || options.keep_alive_s > 0;
  manifest.keep_alive = std::chrono::seconds(options.keep_alive_s);
  manifest.tcp_keep_alive = std::chrono::seconds(options.tcp_keep_alive_s);
  if (!options.media.empty()) {
    auto rule = wire::parse_media_rule(options.media);
    if (!rule) {
      report("--media", ErrorCode::kInvalidArgument, rule.error());
      return std::nullopt;
    }
    manifest.media = *rule;
    manifest.audio = true;
  }
  manifest.merge_pings = std::chrono::seconds(options.merge_pings_s);
  manifest.relaunch = false;
  return manifest;
}

/// Takes the signals that are for the program. From here on only `next_signal` sees them.
io::UniqueFd take_forwarded_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const Forwarded& one : kForwarded) ::sigaddset(&set, one.number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return io::UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::optional<Forwarded> next_signal(int fd) {
  signalfd_siginfo info{};
  if (::read(fd, &info, sizeof info) != sizeof info) return std::nullopt;
  for (const Forwarded& one : kForwarded) {
    if (one.number == static_cast<int>(info.ssi_signo)) return one;
  }
  return std::nullopt;
}

int code_of(const std::string& id, const Ended& ended) {
  if (!ended.known) {
    report(id, ErrorCode::kOs, "it has ended; how, this kernel does not tell");
    return kExitRunFailed;
  }
  return ended.signaled ? kExitRunSignal + static_cast<int>(ended.code)
                        : static_cast<int>(ended.code);
}

/// One program that the host runs for us, until its end.
class Watched {
 public:
  Watched(const RunOptions& options, std::string id, pid_t pid, host::ControlClient client,
          io::UniqueFd signals)
      : options_(options),
        id_(std::move(id)),
        pid_(pid),
        client_(std::move(client)),
        signals_(std::move(signals)) {}

  int wait() {
    for (;;) {
      std::array<pollfd, 2> waits = {pollfd{client_.fd(), POLLIN, 0},
                                     pollfd{signals_.get(), POLLIN, 0}};
      if (::poll(waits.data(), waits.size(), -1) < 0) continue;
      if (waits[1].revents != 0) forward();
      const auto ended = client_.next_end(base::Duration::zero());
      if (ended && ended->has_value()) return code_of(id_, **ended);
      if (ended) continue;
      if (const auto code = find_host_again()) return *code;
    }
  }

 private:
  void forward() {
    while (const auto signal = next_signal(signals_.get())) {
      // A failure shows in the next turn: the program has ended, or the host has.
      std::ignore = client_.signal(id_, signal->word);
    }
  }

  bool program_lives() const { return ::kill(pid_, 0) == 0 || errno == EPERM; }

  /// Until a host runs again that has taken the program over. Nullopt: we wait with it; else the
  /// exit code.
  std::optional<int> find_host_again() {
    const base::Instant end = io::now() + kReturnPatience;
    while (io::now() < end) {
      auto client = connect_to_host(options_.host);
      if (client) {
        if (const auto waiting = client->await(id_)) {
          client_ = std::move(*client);
          return std::nullopt;
        }
        if (!program_lives()) break;
      }
      pollfd wait{signals_.get(), POLLIN, 0};
      if (::poll(&wait, 1, kReturnPollMs) > 0) {
        // Without a host nobody has frozen it: the signal reaches it from here.
        if (const auto signal = next_signal(signals_.get())) ::kill(pid_, signal->number);
      }
      if (!program_lives()) break;
    }
    if (program_lives()) {
      report(id_, ErrorCode::kUnreachable,
             fmt::format("the host has ended; process {} runs on and is not suspended", pid_));
    } else {
      report(id_, ErrorCode::kClosed, "the host has ended, and the program with it");
    }
    return kExitRunFailed;
  }

  const RunOptions& options_;
  std::string id_;
  pid_t pid_;
  host::ControlClient client_;
  io::UniqueFd signals_;
};

int refused(const RunOptions& options, const host::ControlError& error) {
  report_host_error(options.host, error);
  return kExitRunFailed;
}

int run(const RunOptions& options) {
  const auto manifest = manifest_of(options);
  if (!manifest) return kExitUsage;
  if (options.background && !manifest->voip) {
    fmt::print(
        stderr,
        "wakeline: in the background nothing wakes it but you; --voip and --keep-alive do\n");
  }
  auto client = connect_to_host(options.host);
  if (!client) return refused(options, client.error());
  // Before the program runs: a signal that comes now is for it.
  io::UniqueFd signals = take_forwarded_signals();
  const auto pid = client->run(*manifest, options.background);
  if (!pid) {
    if (pid.error().code == ErrorCode::kNotFound || pid.error().code == ErrorCode::kPermission) {
      report("run", pid.error().code, pid.error().message);
      return pid.error().code == ErrorCode::kNotFound ? kExitRunNotFound : kExitRunPermission;
    }
    return refused(options, pid.error());
  }
  return Watched(options, manifest->id, *pid, std::move(*client), std::move(signals)).wait();
}

}  // namespace

void add_run(CLI::App& root, const std::vector<std::string>& arguments, int& exit_code) {
  auto options = std::make_shared<RunOptions>(arguments);
  CLI::App* command = root.add_subcommand(
      "run",
      "Runs a program that knows nothing of us: suspended in the background, woken by its "
      "connections");
  add_host_address(*command, options->host);
  command->add_option("--name", options->name, "Its id; default: the program's file name");
  command->add_option("--voip", options->voip,
                      "Which of its connections wake it: all, or tcp:PORT,PORT at either end");
  command
      ->add_option("--keep-alive", options->keep_alive_s,
                   "Let it run at least once in so many seconds, from 600 in the usual profile")
      ->check(CLI::Range(std::int64_t{1}, wire::kTimeoutMaxS));
  command
      ->add_option("--tcp-keepalive", options->tcp_keep_alive_s,
                   "Let the kernel keep those connections: a probe after so many idle seconds. "
                   "Changes an option of its sockets")
      ->check(CLI::Range(std::int64_t{1}, wire::kTcpKeepAliveMaxS))
      ->needs("--voip");
  command->add_option("--media", options->media,
                      "It is in a call, and not suspended, while it has a UDP socket at one of "
                      "these ports: udp:20000-20200");
  command
      ->add_option("--merge-pings", options->merge_pings_s,
                   "Let keep-alives of a SIP server (CRLF, OPTIONS) over plain TCP wait so many "
                   "seconds for another wake. Looks at waiting bytes, and takes none")
      ->check(CLI::Range(std::int64_t{1}, wire::kMergePingsMaxS))
      ->needs("--voip");
  command->add_flag("--background", options->background,
                    "Start it in the background; else: wakeline apps background NAME");
  command
      ->add_option("program", options->program,
                   "The program and its arguments, which are passed as they are")
      ->required()
      ->type_name("PROGRAM [ARGUMENT ...]");
  command->positionals_at_end();
  command->footer(
      "Our options stand before the program; -- ends them, as before a name with a dash in front.\n"
      "The program has this terminal and this environment. SIGINT, SIGTERM, SIGHUP and SIGQUIT "
      "are\n"
      "passed on; the exit code is the program's, 128 + N when signal N ended it, 125 when the "
      "host\n"
      "did not run it, 126 and 127 when it cannot be executed or found. A host must run: wakeline\n"
      "host.\n"
      "Example: wakeline run --voip tcp:5060,5061 --tcp-keepalive 240 --background -- baresip");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace wakeline::cli
