// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "io/stream.h"
#include "server/tokens.h"
#include "server_peers.h"
#include "server_process.h"
#include "store/database.h"

/// Many devices at once: as many as one file table cannot hold, and all of them coming back.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;

constexpr const char* kToken = "load";

/// Devices "d0" … of one token.
void register_devices(const ServerProcess& server, std::size_t count) {
  auto database =
      store::Database::open(server.folder() + "/store.db", store::Database::Mode::kWrite);
  WL_CHECK(database.has_value());
  auto add =
      database->prepare("INSERT INTO devices (name, token_hash, created) VALUES (?1, ?2, 0)");
  WL_CHECK(add.has_value() && database->run("BEGIN"));
  const auto hash = hash_token(base::as_bytes(kToken));
  for (std::size_t i = 0; i < count; ++i)
    WL_CHECK(add->with("d" + std::to_string(i), base::BytesView(hash)).run());
  WL_CHECK(database->run("COMMIT"));
}

/// bench-fleet, by its words.
class FleetProcess {
 public:
  FleetProcess(std::uint16_t port, std::size_t first, std::size_t count) {
    int in[2];
    int out[2];
    WL_CHECK(::pipe2(in, O_CLOEXEC) == 0 && ::pipe2(out, O_CLOEXEC) == 0);
    pid_ = ::fork();
    WL_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      rlimit files{};
      ::getrlimit(RLIMIT_NOFILE, &files);
      files.rlim_cur = files.rlim_max;
      ::setrlimit(RLIMIT_NOFILE, &files);
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execl(WAKELINE_FLEET, WAKELINE_FLEET, std::to_string(port).c_str(), "d",
              std::to_string(first).c_str(), std::to_string(count).c_str(), kToken, nullptr);
      ::_exit(127);
    }
    to_.reset(in[1]);
    from_.reset(out[0]);
    ::close(in[0]);
    ::close(out[1]);
  }
  FleetProcess(FleetProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        to_(std::move(other.to_)),
        from_(std::move(other.from_)) {}
  FleetProcess& operator=(FleetProcess&&) = delete;
  ~FleetProcess() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  void say(const std::string& word) const {
    WL_CHECK(::write(to_.get(), (word + "\n").c_str(), word.size() + 1) > 0);
  }
  /// Its next line; what has come by then when nothing more does.
  std::string line() const {
    std::string text;
    char c = 0;
    for (;;) {
      pollfd wait{from_.get(), POLLIN, 0};
      if (::poll(&wait, 1, 200'000) <= 0 || ::read(from_.get(), &c, 1) != 1) return text;
      if (c == '\n') return text;
      text += c;
    }
  }

 private:
  pid_t pid_ = -1;
  io::UniqueFd to_;
  io::UniqueFd from_;
};

double private_bytes(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss_Anon:")) return std::atof(line.c_str() + 9) * 1024;
  }
  return 0;
}

/// The limit of one table, so low that it is passed on any machine.
class TableLimit {
 public:
  explicit TableLimit(rlim_t most) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit files = before_;
    files.rlim_max = std::min(files.rlim_max, most);
    files.rlim_cur = files.rlim_max;
    WL_CHECK(::setrlimit(RLIMIT_NOFILE, &files) == 0);
    most_ = files.rlim_max;
  }
  rlim_t most() const { return most_; }

 private:
  rlimit before_{};
  rlim_t most_ = 0;
};

TEST(ServerLoad, HoldsTwentyThousandDevicesInTablesOfThirteenThousandAndPushesToEach) {
  constexpr std::size_t kDevices = 20'000;
  constexpr std::size_t kFleets = 2;
  const TableLimit table(13'000);
  ServerProcess server({"file_tables=yes", "shards=2", "arriving_per_address=100000"});
  ASSERT_TRUE(server.start());
  register_devices(server, kDevices);
  const double before = private_bytes(server.pid());
  std::vector<FleetProcess> fleets;
  for (std::size_t i = 0; i < kFleets; ++i)
    fleets.emplace_back(server.ports.mqtt, i * kDevices / kFleets, kDevices / kFleets);
  for (const auto& fleet : fleets) {
    const std::string line = fleet.line();
    ASSERT_TRUE(line.starts_with("ready ")) << line;
  }
  const double each = (private_bytes(server.pid()) - before) / kDevices;
  RecordProperty("bytes_per_device", static_cast<int>(each));
  EXPECT_LT(each, 2'000) << "of memory for a sleeping device";

  // One in fifty gets a push; each gets its own, over whichever table.
  constexpr std::size_t kStep = 50;
  for (const auto& fleet : fleets) fleet.say("await " + std::to_string(kDevices / kFleets / kStep));
  HttpPeer peer{Line(server.ports.http)};
  const std::string token = server.admin_token();
  for (std::size_t i = 0; i < kDevices; i += kStep)
    ASSERT_EQ(peer.push(token, push_json("d" + std::to_string(i), "ring")).status, 201U) << i;
  for (const auto& fleet : fleets)
    EXPECT_EQ(fleet.line(), fmt::format("got {0} {0}", kDevices / kFleets / kStep));
}

TEST(ServerLoad, TakesAStormOfDevicesBackOverTheTimeThatItToldAndLosesNoPush) {
  constexpr std::size_t kDevices = 5'000;
  constexpr std::size_t kPushes = 500;
  ServerProcess server({"arriving_per_address=100000", "spread_ms=3000"});
  ASSERT_TRUE(server.start());
  register_devices(server, kDevices);
  const FleetProcess fleet(server.ports.mqtt, 0, kDevices);
  const std::string ready = fleet.line();
  ASSERT_TRUE(ready.starts_with("ready ")) << ready;
  fleet.say("back 1000");
  // One answered word, so that the one before it is known to be heard.
  fleet.say("await 0");
  ASSERT_EQ(fleet.line(), "got 0 0");
  fleet.say("return");
  server.kill_now();  // all of them at once, without a word
  ASSERT_TRUE(server.start());
  const std::string token = server.admin_token();
  HttpPeer peer{Line(server.ports.http)};
  for (std::size_t i = 0; i < kPushes; ++i) {
    const std::string device = "d" + std::to_string(i * kDevices / kPushes);
    ASSERT_EQ(peer.push(token, push_json(device, std::to_string(i))).status, 201U);
  }
  const std::string back = fleet.line();
  double seconds = 0;
  std::size_t attempts = 0, busy = 0, drain = 0;
  long long longest = 0;
  ASSERT_EQ(std::sscanf(back.c_str(), "back %lf %zu %zu %zu %lld", &seconds, &attempts, &busy,
                        &drain, &longest),
            5)
      << back;
  RecordProperty("storm", back);
  EXPECT_GE(longest, 3'000) << "the spread that was told";
  // None floods it: three and a half attempts each at the most (link.md's gate for a storm).
  EXPECT_LE(attempts, kDevices * 7 / 2) << back;
  // What was pushed meanwhile came, or comes now; the fleet counts from here.
  HttpAnswer stats;
  for (int i = 0; i < 300; ++i) {
    stats = HttpPeer(Line(server.ports.http))
                .ask(request_text("GET", "/v1/stats", "Bearer " + token, ""));
    if (stats.body.find(fmt::format("\"delivered\":{},", kPushes)) != std::string::npos) break;
    ::poll(nullptr, 0, 100);
  }
  EXPECT_NE(stats.body.find(fmt::format("\"delivered\":{},", kPushes)), std::string::npos)
      << stats.body;
}

TEST(ServerLoad, TellsThoseWhoComeTooFastWhenToComeBack) {
  // More arrive at a time than a new server lets in: some are told a slot, and all get in.
  constexpr std::size_t kPeers = 3'000;
  ServerProcess server({"arriving_per_address=100000", "shards=1"});
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  std::vector<Line> lines;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  for (std::size_t i = 0; i < kPeers; ++i) lines.emplace_back(server.ports.mqtt);
  // Silent ones fill the places; the next that speaks hears about its slot.
  std::optional<mqtt::Connack> told;
  for (int i = 0; i < 200 && !told; ++i) {
    MqttPeer late{Line(server.ports.mqtt)};
    late.send(connect_packet("door", token));
    auto connack = late.expect<mqtt::Connack>();
    if (connack && connack->properties.user_value("retry-after")) told = std::move(connack);
  }
  ASSERT_TRUE(told);
  EXPECT_EQ(told->reason, mqtt::Reason::kServerBusy);
  const auto after = std::stoul(std::string(*told->properties.user_value("retry-after")));
  EXPECT_GT(after, 0U);
  EXPECT_LE(after, 600'000U);
  lines.clear();
  bool in = false;
  for (int i = 0; i < 100 && !in; ++i) {
    MqttPeer door{Line(server.ports.mqtt)};
    in = door.log_in("door", token) == mqtt::Reason::kSuccess;
    if (!in) ::poll(nullptr, 0, 100);
  }
  EXPECT_TRUE(in);
}

TEST(ServerLoad, MovesDevicesOnTlsBetweenTablesAndTellsThemToComeBackAtAnUpgrade) {
  ServerProcess before({"file_tables=yes", "shards=3"});
  ASSERT_TRUE(before.start());
  std::vector<MqttPeer> devices;
  std::vector<std::string> tokens;
  for (int i = 0; i < 24; ++i) {
    const std::string name = "d" + std::to_string(i);
    tokens.push_back(before.add_device(name));
    devices.emplace_back(i % 2 == 0 ? Line(before.ports.mqtt)
                                    : Line(before.ports.mqtts, before.ca_file()));
    ASSERT_EQ(devices.back().log_in(name, tokens.back(), false), mqtt::Reason::kSuccess) << i;
  }
  HttpPeer peer{Line(before.ports.http)};
  for (int i = 0; i < 24; ++i) {
    ASSERT_EQ(peer.push(before.admin_token(), push_json("d" + std::to_string(i), "a")).status,
              201U);
    ASSERT_TRUE(devices[static_cast<std::size_t>(i)].expect<mqtt::Publish>()) << i;
  }
  const auto after = ServerProcess::heir_of(before);
  ASSERT_TRUE(after->start());
  EXPECT_EQ(before.wait(), 0);
  for (int i = 0; i < 24; ++i) {
    auto& device = devices[static_cast<std::size_t>(i)];
    if (i % 2 == 0) {  // a plain one notices nothing
      ASSERT_TRUE(device.send(mqtt::Pingreq{}));
      EXPECT_TRUE(device.expect<mqtt::Pingresp>()) << i;
      continue;
    }
    const auto told = device.expect<mqtt::Disconnect>();
    ASSERT_TRUE(told && told->properties.user_value("drain")) << i;
    MqttPeer back{Line(after->ports.mqtts, before.ca_file())};
    ASSERT_TRUE(back.send(
        connect_packet("d" + std::to_string(i), tokens[static_cast<std::size_t>(i)], false)));
    const auto connack = back.expect<mqtt::Connack>();
    EXPECT_TRUE(connack && connack->session_present) << i;
    EXPECT_TRUE(back.expect<mqtt::Publish>()) << i;  // not acknowledged before
  }
}

TEST(ServerLoad, HandsLiveLinesOverBetweenTablesOfWhichNoneCouldHoldThemAll) {
  constexpr std::size_t kDevices = 800;
  const TableLimit table(700);  // with room for those that arrive at the other shard
  ServerProcess before({"file_tables=yes", "shards=2"});
  ASSERT_TRUE(before.start());
  register_devices(before, kDevices);
  std::vector<FleetProcess> fleets;
  for (std::size_t i = 0; i < 2; ++i)
    fleets.emplace_back(before.ports.mqtt, i * kDevices / 2, kDevices / 2);
  for (const auto& fleet : fleets) {
    const std::string line = fleet.line();
    ASSERT_TRUE(line.starts_with("ready ")) << line;
  }
  {
    const auto failing = ServerProcess::heir_of(before);
    const auto taken = io::listen_tcp("127.0.0.1", 0);
    ASSERT_TRUE(taken);
    failing->set("https=" + std::to_string(io::port_of(taken->get())));
    EXPECT_FALSE(failing->start());
  }
  const auto push_to_all = [&](const ServerProcess& server) {
    for (const auto& fleet : fleets) fleet.say("await " + std::to_string(kDevices / 2));
    HttpPeer peer{Line(server.ports.http)};
    const std::string token = server.admin_token();
    for (std::size_t i = 0; i < kDevices; ++i)
      ASSERT_EQ(peer.push(token, push_json("d" + std::to_string(i), "ring")).status, 201U) << i;
    for (const auto& fleet : fleets)
      EXPECT_EQ(fleet.line(), fmt::format("got {0} {0}", kDevices / 2));
  };
  push_to_all(before);  // it went on with all of them
  const auto after = ServerProcess::heir_of(before);
  ASSERT_TRUE(after->start());
  EXPECT_EQ(before.wait(), 0);
  push_to_all(*after);
  const auto last = ServerProcess::heir_of(*after);
  last->set("shards=3");
  ASSERT_TRUE(last->start());
  EXPECT_EQ(after->wait(), 0);
  push_to_all(*last);
}

TEST(ServerLoad, TakesOverLivePlainLinesIntoTablesOfItsOwn) {
  ServerProcess before({"shards=3"});
  ASSERT_TRUE(before.start());
  std::vector<MqttPeer> devices;
  for (int i = 0; i < 24; ++i) {
    const std::string name = "d" + std::to_string(i);
    devices.emplace_back(Line(before.ports.mqtt));
    ASSERT_EQ(devices.back().log_in(name, before.add_device(name)), mqtt::Reason::kSuccess);
  }
  const auto after = ServerProcess::heir_of(before);
  after->set("file_tables=yes");
  ASSERT_TRUE(after->start());
  EXPECT_EQ(before.wait(), 0);
  HttpPeer peer{Line(after->ports.http)};
  for (int i = 0; i < 24; ++i) {
    ASSERT_EQ(peer.push(before.admin_token(), push_json("d" + std::to_string(i), "a")).status,
              201U);
    EXPECT_TRUE(devices[static_cast<std::size_t>(i)].expect<mqtt::Publish>()) << i;
  }
  // Closed in every table: the device sees the end at once.
  ASSERT_TRUE(remove_device(before.folder(), "d0"));
  EXPECT_TRUE(devices[0].line.ends());
}

}  // namespace
}  // namespace wakeline::server
