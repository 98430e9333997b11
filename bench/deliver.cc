// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "bed.h"
#include "bench.h"
#include "clients.h"
#include "io/clock.h"
#include "loopback.h"

/// `wakeline bench deliver`: from an app server's push to the app's callback, awake and asleep.
namespace wakeline::bench {
namespace {

constexpr const char* kDeliverApp = "deliver";

/// The first moment after `since` at which the host let the app run, by its ledger.
Outcome<std::int64_t> await_wake(Bed& bed, base::WallTime since) {
  constexpr auto kPatience = std::chrono::seconds(20);
  const base::Instant end = io::now() + kPatience;
  while (io::now() < end) {
    const auto line = bed.control().next_line(end - io::now());
    if (!line) return std::unexpected("the host ended");
    if (line->has_value() && (*line)->app == kDeliverApp && (*line)->event == "wake" &&
        (*line)->wall_ns >= since.time_since_epoch().count())
      return (*line)->wall_ns;
  }
  return std::unexpected("the host woke nobody for a push");
}

/// The app server: one connection, one push at a time.
class AppServer {
 public:
  static Outcome<AppServer> connect(const Broker& broker) {
    AppServer made;
    auto line = TextLine::connect(broker.http);
    if (!line) return std::unexpected(line.error());
    made.line_ = std::move(*line);
    made.bearer_ = broker.bearer;
    return made;
  }
  /// Returns: when the request began, by the monotonic clock.
  Outcome<std::int64_t> push(int device, const std::string& title) {
    const std::string body =
        fmt::format(R"({{"device":"{}{}","title":"{}"}})", kDevicePrefix, device, title);
    const std::int64_t at = monotonic_ns();
    const auto sent = line_.send(
        fmt::format("POST /v1/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    bearer_, body.size(), body));
    if (!sent) return std::unexpected(sent.error());
    if (auto taken = line_.await("HTTP/1.1 201"); !taken) return std::unexpected(taken.error());
    if (auto head = line_.await("\r\n\r\n"); !head) return std::unexpected(head.error());
    return at;
  }

 private:
  TextLine line_;
  std::string bearer_;
};

std::string manifest_of(const std::vector<std::string>& command) {
  std::string exec;
  for (const std::string& word : command) exec += (exec.empty() ? "\"" : " \"") + word + '"';
  return fmt::format(
      "[Desktop Entry]\nType=Application\nName=Deliver\nExec={}\n"
      "X-Wakeline-BackgroundModes=voip;\nX-Wakeline-Environment=WAKELINE_LOG=error;\n",
      exec);
}

}  // namespace

Outcome<Report> run_deliver(bool quick) {
  const int pushes = quick ? 30 : 500;
  const Folder folder;
  auto broker = start_wakeline(folder, {.devices = 2});
  if (!broker) return std::unexpected(broker.error());
  auto app_server = AppServer::connect(*broker);
  if (!app_server) return std::unexpected(app_server.error());
  auto awake = Client::start("bench-client", folder, "awake", *broker, broker->tls, 0);
  if (!awake) return std::unexpected(awake.error());
  // As in `wake`: the shortest quiet, so that a cycle is short.
  auto bed = Bed::make(
      {.name = "deliver",
       .freezer = "cgroup",
       .profile = {"linger=0ms", "sample_interval=5ms", "limit_action=none"},
       .manifests = {{kDeliverApp, manifest_of(client_command("bench-client", folder, "asleep",
                                                              *broker, broker->tls, 1))}}},
      Door());
  if (!bed) return std::unexpected(bed.error());
  ClientLines asleep(folder.file("asleep.lines"));
  if (auto ready = asleep.await("ready"); !ready) return std::unexpected(ready.error());

  Samples straight;
  Samples through_sleep;
  Samples after_wake;
  for (int i = 0; i < pushes; ++i) {
    const std::string title = std::to_string(i);
    const auto first = app_server->push(0, title);
    if (!first) return std::unexpected(first.error());
    const auto heard = awake->lines.await("push " + title);
    if (!heard) return std::unexpected("awake: " + heard.error());
    straight.add(heard->monotonic_ns - *first);

    if (auto sleeps = await_asleep(**bed, kDeliverApp); !sleeps)
      return std::unexpected(sleeps.error());
    const base::WallTime since = io::wall_now();
    const auto second = app_server->push(1, title);
    if (!second) return std::unexpected(second.error());
    const auto woken = await_wake(**bed, since);
    if (!woken) return std::unexpected(woken.error());
    const auto rung = asleep.await("push " + title);
    if (!rung) return std::unexpected("asleep: " + rung.error());
    through_sleep.add(rung->monotonic_ns - *second);
    after_wake.add(rung->wall_ns - *woken);
  }

  Report report{.benchmark = "deliver: push at the server's HTTP → the app's callback, over TLS",
                .command = quick ? "wakeline bench deliver --quick" : "wakeline bench deliver",
                .machine = machine_line(),
                .figures = {},
                .notes = {}};
  for (const double percent : {50.0, 99.0}) {
    const std::string p = fmt::format(": p{:.0f}", percent);
    const double floor = straight.percentile_us(percent);
    const std::string against = "never suspended" + p;
    report.figures.push_back({"never suspended" + p, floor, "µs", std::nullopt, ""});
    const double slept = through_sleep.percentile_us(percent);
    report.figures.push_back({"suspended" + p, slept, "µs", slept / floor, against});
    report.figures.push_back({"suspended, from the host's wake to the callback" + p,
                              after_wake.percentile_us(percent), "µs", std::nullopt, ""});
  }
  report.notes.push_back(fmt::format(
      "{} pushes to each, in turn; each is on the server's disk before it goes out.", pushes));
  return report;
}

}  // namespace wakeline::bench
