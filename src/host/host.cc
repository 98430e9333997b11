// SPDX-License-Identifier: Apache-2.0
#include "host/host.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/flat_map.h"
#include "base/log.h"
#include "host/connection.h"
#include "host/controls.h"
#include "host/driver.h"
#include "host/ledger_log.h"
#include "host/notices.h"
#include "host/orphans.h"
#include "host/rate_limit.h"
#include "host/runs.h"
#include "host/surroundings.h"
#include "host/upgrade.h"
#include "host/window_follower.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/loop.h"
#include "io/seqpacket.h"
#include "io/signals.h"
#include "io/unique_fd.h"
#include "linux/freezer.h"
#include "linux/process_limits.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using base::LogLevel;

/// Connections of one app at a time: its own, one that follows it, and its tools.
constexpr int kConnectionsOfApp = 8;
/// Of all processes that are no apps: no app can take these from the user, nor those of another
/// app.
constexpr int kConnectionsOfOthers = 256;
/// A line in the log about a refused connection, at most so often.
constexpr base::Duration kRefusalLogged = std::chrono::seconds(10);

std::unexpected<StartError> failed(base::Error error, std::string subject) {
  return std::unexpected(StartError{error, std::move(subject)});
}

/// Held while the host lives. A record lock, because the guardian must not inherit it.
/// Errors: kAddressInUse.
base::Result<io::UniqueFd> lock_folder(const std::string& path) {
  io::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return base::fail(base::os_error("open", errno));
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &lock) == 0) return fd;
  if (errno == EAGAIN || errno == EACCES) {
    return base::fail(ErrorCode::kAddressInUse, "another host runs there");
  }
  return base::fail(base::os_error("lock", errno));
}

/// Two hosts of one machine live in cgroups of different names; the same host finds its own again.
std::string freezer_name(const std::string& runtime_folder) {
  if (runtime_folder == io::default_runtime_folder()) return "host";
  std::error_code ignored;
  const std::string path = std::filesystem::weakly_canonical(runtime_folder, ignored).string();
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("host-{:016x}", hash);
}

std::expected<void, StartError> fill_in(HostOptions& options) {
  if (auto checked = check(options); !checked) return checked;
  if (options.runtime_folder.empty()) options.runtime_folder = io::default_runtime_folder();
  if (options.state_folder.empty()) options.state_folder = io::default_state_folder();
  // Apps and clients that work in other folders are told these.
  for (std::string* folder : {&options.runtime_folder, &options.state_folder}) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(*folder, error);
    if (!error) *folder = absolute.string();
  }
  for (const std::string& folder : {options.runtime_folder, options.state_folder}) {
    if (auto made = io::make_folder(folder); !made) return failed(made.error(), folder);
  }
  // Whoever may write there could take the socket's name, or hand us notes of his own.
  if (auto ours = io::check_own_folder(options.runtime_folder); !ours) {
    return failed(ours.error(), options.runtime_folder);
  }
  if (options.manifest_folders.empty()) {
    options.manifest_folders = {options.state_folder + "/apps"};
  }
  return {};
}

}  // namespace

class Host::Impl {
 public:
  explicit Impl(HostOptions options) : options_(std::move(options)) {}

  std::expected<void, StartError> prepare();
  void run();
  void begin_stop();
  io::Loop& loop() { return loop_; }
  std::string describe() const;

 private:
  std::expected<void, StartError> open_freezer();
  std::expected<void, StartError> open_parts(const sys::Limits& app_limits);
  std::expected<void, StartError> open_doors();
  Predecessor hand_over();
  void accept(std::unique_ptr<io::Seqpacket> socket);
  void finish_stop();
  std::vector<pid_t> own_children() const;

  HostOptions options_;
  std::string socket_path_;
  io::Loop loop_;  // outlives all that waits on it
  io::UniqueFd lock_;
  std::unique_ptr<sys::Freezer> freezer_;
  std::unique_ptr<LedgerLog> ledger_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<Surroundings> surroundings_;
  std::unique_ptr<Notices> notices_;
  std::unique_ptr<Runs> runs_;
  std::unique_ptr<Controls> controls_;
  std::unique_ptr<Orphans> orphans_;
  std::unique_ptr<Upgrade> upgrade_;
  Predecessor predecessor_;  // empty but after an upgrade
  std::unique_ptr<WindowFollower> window_follower_;
  std::optional<ConnectionParts> connection_parts_;
  base::FlatMap<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t next_connection_ = 1;
  RateLimit connection_refused_;
  std::unique_ptr<io::SeqpacketListener> listener_;
  std::unique_ptr<io::Signals> signals_;
};

std::expected<void, StartError> Host::Impl::prepare() {
  if (auto filled = fill_in(options_); !filled) return filled;
  socket_path_ = socket_path(options_.runtime_folder);
  const std::string lock_path = options_.runtime_folder + "/host.lock";
  auto lock = lock_folder(lock_path);
  if (!lock) return failed(lock.error(), lock_path);
  lock_ = std::move(*lock);

  io::ignore_sigpipe();
  predecessor_ = take_over(options_.runtime_folder);
  const sys::Limits app_limits = sys::current_limits();
  if (auto files = sys::raise_file_limit(); !files) {
    base::log(LogLevel::kInfo, "host", "file limit: {}", base::to_string(files.error()));
  }
  if (auto raised = sys::raise_priority(); !raised) {
    base::log(LogLevel::kInfo, "host", "runs at the priority of its apps: {}",
              base::to_string(raised.error()));
  }
  if (auto opened = open_freezer(); !opened) return opened;
  if (auto opened = open_parts(app_limits); !opened) return opened;
  return open_doors();
}

std::expected<void, StartError> Host::Impl::open_freezer() {
  sys::FreezerOptions freezer;
  freezer.name = freezer_name(options_.runtime_folder);
  freezer.parent = options_.cgroup_parent;
  freezer.signals_only = options_.freezer == FreezerChoice::kSigstop;
  freezer.notes_folder = options_.runtime_folder + "/notes";
  auto opened = sys::Freezer::open(freezer);
  if (!opened) return failed(opened.error(), "freezer");
  freezer_ = std::move(*opened);
  if (options_.freezer == FreezerChoice::kCgroup && freezer_->mechanism() != "cgroup") {
    return failed(freezer_->fallback_reason(),
                  options_.cgroup_parent.empty() ? "freezer" : options_.cgroup_parent);
  }
  freezer_->keep_guardian(loop_);
  return {};
}

std::expected<void, StartError> Host::Impl::open_parts(const sys::Limits& app_limits) {
  auto ledger = LedgerLog::create(loop_, options_.state_folder);
  if (!ledger) return failed(ledger.error(), ledger_path(options_.state_folder));
  ledger_ = std::move(*ledger);
  auto driver = Driver::create(loop_, *freezer_, *ledger_,
                               {options_.profile,
                                {socket_path_, app_limits},
                                options_.kill_grace,
                                options_.runtime_folder + "/ended",
                                options_.runtime_folder + "/launched"});
  if (!driver) return failed(driver.error(), "host");
  driver_ = std::move(*driver);
  auto surroundings = Surroundings::create(loop_, *driver_);
  if (!surroundings) return failed(surroundings.error(), "host");
  surroundings_ = std::move(*surroundings);
  notices_ = std::make_unique<Notices>(loop_, *driver_, options_.notifier,
                                       options_.runtime_folder + "/notices.json");
  runs_ = std::make_unique<Runs>(loop_, *driver_, options_.runtime_folder + "/run");
  controls_ = std::make_unique<Controls>(*driver_, *runs_, options_.state_folder,
                                         options_.manifest_folders);
  auto orphans = Orphans::create(loop_, [this] { return own_children(); });
  if (!orphans) return failed(orphans.error(), "host");
  orphans_ = std::move(*orphans);
  upgrade_ = std::make_unique<Upgrade>(
      loop_, UpgradeOptions{options_.successor, options_.successor_check, options_.runtime_folder,
                            app_limits, [this] { return hand_over(); },
                            [this](std::string why) {
                              driver_->note(nullptr, "host", "upgrade_failed", std::move(why));
                            }});
  return {};
}

/// The last act before this process is another program. What is suspended stays so, until the
/// guardian sees our end of its channel close and lets it run.
Predecessor Host::Impl::hand_over() {
  driver_->note(nullptr, "host", "upgrading", {});
  driver_->write_notes();
  notices_->save();
  ledger_->flush();
  return {freezer_->guardian(), driver_->resting()};
}

std::expected<void, StartError> Host::Impl::open_doors() {
  connection_parts_.emplace(loop_, *driver_, *notices_, *controls_, *ledger_, *freezer_, *runs_,
                            [this](std::uint64_t number) {
                              // Later: it ends within calls of its own.
                              loop_.post([this, number] { connections_.erase(number); });
                            });
  auto listener = io::SeqpacketListener::open(
      loop_, socket_path_,
      [this](std::unique_ptr<io::Seqpacket> socket) { accept(std::move(socket)); });
  if (!listener) return failed(listener.error(), socket_path_);
  listener_ = std::move(*listener);
  signals_ = io::Signals::create(loop_, host_signals(), [this](int number) {
    if (number != SIGHUP) return begin_stop();
    if (upgrade_) upgrade_->begin();
  });
  io::release_signals(host_signals());
  return {};
}

std::vector<pid_t> Host::Impl::own_children() const {
  std::vector<pid_t> children = {freezer_->guardian()};
  for (const auto& [id, app] : driver_->apps()) {
    if (app->process->running()) children.push_back(app->process->pid());
  }
  return children;
}

void Host::Impl::accept(std::unique_ptr<io::Seqpacket> socket) {
  const auto id = freezer_->app_of(socket->peer().pid);
  const AppRecord* app = id ? driver_->find(*id) : nullptr;
  const doze::AppId owner = app == nullptr ? doze::AppId{} : app->id;
  const auto same = [&](const auto& entry) { return entry.second->owner() == owner; };
  const auto count = std::ranges::count_if(connections_, same);
  if (count >= (app == nullptr ? kConnectionsOfOthers : kConnectionsOfApp)) {
    if (connection_refused_.take(io::now(), kRefusalLogged, 1) > base::Duration::zero()) return;
    base::log(LogLevel::kWarning, "host", "{} has {} connections; one more is closed",
              id ? *id : "the user", count);
    return;
  }
  const std::uint64_t number = next_connection_++;
  auto connection =
      std::make_unique<Connection>(std::move(socket), *connection_parts_, number, owner);
  Connection& opened = *connection;
  connections_.emplace(number, std::move(connection));
  opened.start();
}

void Host::Impl::run() {
  loop_.post([this] {
    driver_->note(nullptr, "host", "started", std::string(freezer_->mechanism()));
    const std::vector<std::string> living = freezer_->existing();
    const ManifestScan found = controls_->scan();
    runs_->restore(living);
    controls_->take_over(found, living);
    notices_->restore();
    if (options_.follow_window) {
      window_follower_ = std::make_unique<WindowFollower>(loop_, *driver_, *freezer_);
    }
    driver_->boot(predecessor_.resting);
    if (options_.on_ready) options_.on_ready();
  });
  loop_.run();
}

void Host::Impl::begin_stop() {
  if (listener_) driver_->note(nullptr, "host", "stopping", {});
  listener_.reset();
  upgrade_.reset();  // the next program would start anew
  driver_->stop([this] { finish_stop(); });
}

void Host::Impl::finish_stop() {
  for (const auto& [id, app] : driver_->apps()) {
    if (auto removed = app->process->group().remove(); !removed) {
      base::log(LogLevel::kWarning, "host", "{}: {}", id, base::to_string(removed.error()));
    }
  }
  driver_->note(nullptr, "host", "stopped", {});
  ledger_->flush();
  loop_.stop();
}

std::string Host::Impl::describe() const {
  return fmt::format("socket    {}\nfreezer   {}\nnotifier  {}\nnetwork   {}\nprofile   {}\n",
                     socket_path_, freezer_->describe(), notices_->describe(),
                     surroundings_->describe(), options_.profile.name);
}

std::expected<std::unique_ptr<Host>, StartError> Host::create(HostOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto prepared = impl->prepare(); !prepared) return std::unexpected(prepared.error());
  return std::unique_ptr<Host>(new Host(std::move(impl)));
}

Host::Host(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Host::~Host() = default;
void Host::run() { impl_->run(); }
void Host::stop() {
  impl_->loop().post([this] { impl_->begin_stop(); });
}
std::string Host::describe() const { return impl_->describe(); }

}  // namespace wakeline::host
