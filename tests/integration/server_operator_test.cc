// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include "io/clock.h"
#include "server_peers.h"
#include "server_process.h"

/// What operators do with the program itself: configuration, tokens, devices, figures, backups.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;

struct Ran {
  int code = -1;
  std::string out;  ///< with what it said on stderr
};

Ran wakeline(const std::string& arguments) {
  FILE* pipe = ::popen(("timeout 60 '" WAKELINE_PROGRAM "' " + arguments + " 2>&1").c_str(), "re");
  Ran ran;
  if (pipe == nullptr) return ran;
  char block[4'096];
  std::size_t got = 0;
  while ((got = std::fread(block, 1, sizeof block, pipe)) > 0) ran.out.append(block, got);
  const int status = ::pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

template <class Condition>
bool eventually(Condition condition) {
  for (const base::Instant until = io::now() + std::chrono::seconds(30); io::now() < until;) {
    if (condition()) return true;
    ::poll(nullptr, 0, 20);
  }
  return condition();
}

/// `wakeline server` with a configuration file; killed when the test forgets it.
class ConfiguredServer {
 public:
  ConfiguredServer() { configure("auth_failures = 0\n"); }
  ConfiguredServer(const ConfiguredServer&) = delete;
  ConfiguredServer& operator=(const ConfiguredServer&) = delete;
  ~ConfiguredServer() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void configure(const std::string& limits) const {
    std::ofstream(file("server.toml"))
        << "[listen]\nmqtts = \"off\"\nhttps = \"off\"\nmqtt = \"127.0.0.1:0\"\n"
           "http = \"127.0.0.1:0\"\noperators = \"127.0.0.1:0\"\n[limits]\n"
        << limits << "[log]\nformat = \"json\"\n";
  }
  bool start() {
    std::vector<std::string> words = {WAKELINE_PROGRAM,    "server",        "--config",
                                      file("server.toml"), "--data-folder", data(),
                                      "--ready-file",      file("ready")};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    WL_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      const int log = ::open(file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, STDERR_FILENO);
      ::dup2(log, STDOUT_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    if (!eventually([&] { return io::read_file(file("ready"), 1'000).has_value(); })) return false;
    const std::string text = *io::read_file(file("ready"), 1'000);
    unsigned numbers[5] = {};
    if (std::sscanf(text.c_str(), R"({"mqtt":%u,"mqtts":%u,"http":%u,"https":%u,"operators":%u})",
                    &numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4]) != 5)
      return false;
    mqtt = static_cast<std::uint16_t>(numbers[0]);
    http = static_cast<std::uint16_t>(numbers[2]);
    operators = static_cast<std::uint16_t>(numbers[4]);
    return true;
  }
  void reload() const { ::kill(pid_, SIGUSR1); }
  pid_t pid() const { return pid_; }
  int terminate() {
    ::kill(pid_, SIGTERM);
    return wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string log() const { return io::read_file(file("log"), 10'000'000).value_or(""); }
  std::string data() const { return file("data"); }
  std::string file(const char* name) const { return folder_.file(name); }
  std::string folder_option() const { return " --data-folder '" + data() + "'"; }

  std::uint16_t mqtt = 0, http = 0, operators = 0;

 private:
  io::TestFolder folder_;
  pid_t pid_ = -1;
};

TEST(OperatorCommands, ManageDevicesAndTokensBesideTheRunningServer) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const std::string folder = server.folder_option();
  const Ran added = wakeline("devices add door --user ada --group staff" + folder);
  ASSERT_EQ(added.code, 0) << added.out;
  EXPECT_NE(added.out.find("device = door\n"), std::string::npos);
  const Ran listed = wakeline("devices list" + folder);
  EXPECT_NE(listed.out.find("user ada, group staff"), std::string::npos) << listed.out;
  EXPECT_EQ(wakeline("devices leave door --user ada" + folder).code, 0);
  EXPECT_EQ(wakeline("devices list" + folder).out.find("user ada"), std::string::npos);
  EXPECT_EQ(wakeline("devices join nobody --user ada" + folder).code, 3);
  EXPECT_EQ(wakeline("server list-devices" + folder).out, wakeline("devices list" + folder).out);

  const Ran token = wakeline("tokens add shop --scope push:device/door --days 30" + folder);
  ASSERT_EQ(token.code, 0) << token.out;
  const std::string text = token.out.substr(0, token.out.size() - 1);
  HttpPeer peer{Line(server.http)};
  EXPECT_EQ(peer.push(text, push_json("door", "ring")).status, 201U);
  EXPECT_EQ(peer.push(text, push_json("window", "ring")).status, 403U);
  EXPECT_NE(wakeline("tokens list" + folder).out.find("push:device/door"), std::string::npos);
  const Ran wrong = wakeline("tokens add bank --scope pus" + folder);
  EXPECT_EQ(wrong.code, 3);
  EXPECT_NE(wrong.out.find("Scopes: push"), std::string::npos) << wrong.out;
  EXPECT_EQ(wakeline("tokens remove shop" + folder).code, 0);
  EXPECT_EQ(peer.push(text, push_json("door", "ring")).status, 401U);

  const std::string url = " --url http://127.0.0.1:" + std::to_string(server.http);
  EXPECT_EQ(wakeline("push staff hello --group" + url + folder).code, 0);
  const Ran stats = wakeline("server stats --json" + url + folder);
  EXPECT_EQ(stats.code, 0) << stats.out;
  EXPECT_NE(stats.out.find("\"accepted\":2"), std::string::npos) << stats.out;

  EXPECT_EQ(wakeline("devices remove door" + folder).code, 0);
  const auto audit = io::read_file(server.data() + "/audit.log", 1'000'000);
  ASSERT_TRUE(audit);
  for (const char* event : {"device_added", "member_added", "member_removed", "token_added",
                            "token_removed", "device_removed"}) {
    EXPECT_NE(audit->find(event), std::string::npos) << event;
  }
  EXPECT_EQ(audit->find(text), std::string::npos);
  EXPECT_EQ(server.terminate(), 0);
}

TEST(OperatorCommands, SayWhatADeviceMayPublishAndJoinAndTheRunningServerHeedsItAtOnce) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const std::string folder = server.folder_option();
  const Ran added = wakeline("devices add door" + folder);
  MqttPeer door{Line(server.mqtt)};
  ASSERT_EQ(door.log_in("door", added.out.substr(added.out.find("token = ") + 8, 43)),
            mqtt::Reason::kSuccess);
  const auto reply = [&](std::uint16_t id) {
    door.send(mqtt::Publish{.topic = "wakeline/reply/door",
                            .payload = {'y'},
                            .qos = mqtt::Qos::kAtLeastOnce,
                            .packet_id = id});
    const auto ack = door.expect<mqtt::Ack>();
    return ack ? ack->reason : mqtt::Reason::kUnspecified;
  };
  const auto join = [&](std::uint16_t id) {
    door.send(mqtt::Subscribe{
        .packet_id = id,
        .topics = {{.filter = "wakeline/group/family", .qos = mqtt::Qos::kAtLeastOnce}}});
    const auto suback = door.expect<mqtt::Suback>();
    return suback ? suback->reasons.front() : mqtt::Reason::kUnspecified;
  };
  EXPECT_EQ(wakeline("devices rights door" + folder).out, "reply receipt presence\n");
  EXPECT_EQ(reply(1), mqtt::Reason::kSuccess);
  EXPECT_EQ(wakeline("devices rights door receipt presence" + folder).out, "receipt presence\n");
  EXPECT_TRUE(eventually([&, id = std::uint16_t{2}]() mutable {
    return reply(id++) == mqtt::Reason::kNotAuthorized;
  }));
  EXPECT_EQ(wakeline("devices rights door none" + folder).out, "none\n");
  EXPECT_EQ(wakeline("devices rights door reply none" + folder).code, 3);
  EXPECT_EQ(wakeline("devices rights nobody none" + folder).code, 3);

  EXPECT_EQ(join(100), mqtt::Reason::kNotAuthorized);
  EXPECT_EQ(wakeline("devices groups door --permit family --permit staff" + folder).out,
            "family\nstaff\n");
  EXPECT_EQ(join(101), mqtt::Reason::kGrantedQos1);
  EXPECT_NE(wakeline("devices list" + folder).out.find("group family"), std::string::npos);
  EXPECT_EQ(wakeline("devices groups door --forbid family" + folder).out, "staff\n");
  EXPECT_EQ(wakeline("devices list" + folder).out.find("group family"), std::string::npos);
  EXPECT_EQ(join(102), mqtt::Reason::kNotAuthorized);
  EXPECT_EQ(wakeline("devices groups door --permit 'a b'" + folder).code, 3);
  const auto audit = io::read_file(server.data() + "/audit.log", 1'000'000);
  for (const char* event : {"rights_set", "group_permitted", "group_forbidden"})
    EXPECT_NE(audit->find(event), std::string::npos) << event;
}

TEST(OperatorFigures, CountAPushAsDeliveredWhenItsDeviceHasAcknowledgedIt) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const Ran added = wakeline("devices add door" + server.folder_option());
  const std::string token = added.out.substr(added.out.find("token = ") + 8, 43);
  const auto text = io::read_file(server.data() + "/admin-token", 100);
  const std::string sender = text->substr(0, text->size() - 1);
  const auto figures = [&](const std::string& wanted) {
    const std::string path = wanted.starts_with('"') ? "/v1/stats" : "/metrics";
    return HttpPeer(Line(server.operators))
               .ask("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
               .body.find(wanted) != std::string::npos;
  };
  HttpPeer peer{Line(server.http)};
  for (int i = 0; i < 3; ++i) ASSERT_EQ(peer.push(sender, push_json("door", "ring")).status, 201U);
  EXPECT_TRUE(figures("\"accepted\":3,\"delivered\":0"));
  MqttPeer door{Line(server.mqtt)};
  ASSERT_EQ(door.log_in("door", token), mqtt::Reason::kSuccess);
  std::optional<mqtt::Publish> got[3];
  for (auto& push : got) ASSERT_TRUE(push = door.expect<mqtt::Publish>());
  door.acknowledge(*got[0]);
  door.acknowledge(*got[0]);  // twice counts once
  EXPECT_TRUE(eventually([&] { return figures("\"delivered\":1,"); }));
  // The rest by a CONNECT that says what the app has.
  auto connect = connect_packet("door", token, false);
  MqttPeer again{Line(server.mqtt)};
  ASSERT_TRUE(again.send(connect));
  const auto connack = again.expect<mqtt::Connack>();
  ASSERT_TRUE(connack);
  connect.properties.user = {
      {"epoch", std::string(connack->properties.user_value("epoch").value_or(""))},
      {"received", "3"}};
  MqttPeer last{Line(server.mqtt)};
  ASSERT_TRUE(last.send(connect));
  EXPECT_TRUE(eventually([&] { return figures("\"delivered\":3,"); }));
  EXPECT_TRUE(figures("wakeline_pushes_delivered_total 3\n"));
}

/// A service manager's end of NOTIFY_SOCKET.
class Notified {
 public:
  explicit Notified(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    WL_CHECK(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    const int on = 1;
    WL_CHECK(::setsockopt(fd_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  }
  struct Word {
    std::string text;
    pid_t from = 0;
  };
  /// The next one; empty when none comes.
  Word next() const {
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 30'000) <= 0) return {};
    char block[256];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    iovec part{.iov_base = block, .iov_len = sizeof block};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(fd_.get(), &message, 0);
    if (size < 0) return {};
    Word word{.text = std::string(block, static_cast<std::size_t>(size))};
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
      ucred sender{};
      std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
      word.from = sender.pid;
    }
    return word;
  }

 private:
  io::UniqueFd fd_;
};

TEST(OperatorUpgrade, TellsTheServiceManagerWhichProcessIsTheMainOneNow) {
  ConfiguredServer server;
  const Notified manager(server.file("notify"));
  ASSERT_EQ(::setenv("NOTIFY_SOCKET", server.file("notify").c_str(), 1), 0);
  const bool started = server.start();
  ::unsetenv("NOTIFY_SOCKET");
  ASSERT_TRUE(started) << server.log();
  EXPECT_EQ(manager.next().text, "READY=1");
  ::kill(server.pid(), SIGHUP);
  // The next one is ready first; it is believed only when the one before has named it.
  std::string said;
  pid_t heir = 0;
  for (int i = 0; i < 2; ++i) {
    const auto word = manager.next();
    said += word.text + " ";
    if (!word.text.starts_with("MAINPID=")) continue;
    EXPECT_EQ(word.from, server.pid());
    heir = std::atoi(word.text.c_str() + 8);
  }
  EXPECT_NE(said.find("READY=1"), std::string::npos) << said;
  ASSERT_GT(heir, 0) << said;
  EXPECT_NE(heir, server.pid());
  EXPECT_EQ(server.wait(), 0);
  EXPECT_EQ(HttpPeer(Line(server.http)).ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status,
            200U);
  ::kill(heir, SIGTERM);
  EXPECT_TRUE(eventually([&] { return ::kill(heir, 0) != 0; }));
}

TEST(OperatorConfiguration, IsTakenOverWithoutDroppingAConnection) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const Ran added = wakeline("devices add door" + server.folder_option());
  const std::size_t at = added.out.find("token = ") + 8;
  MqttPeer door{Line(server.mqtt)};
  ASSERT_EQ(door.log_in("door", added.out.substr(at, 43)), mqtt::Reason::kSuccess);
  const auto text = io::read_file(server.data() + "/admin-token", 100);
  const std::string token = text->substr(0, text->size() - 1);
  HttpPeer peer{Line(server.http)};
  ASSERT_EQ(peer.push(token, push_json("door", "a")).status, 201U);

  server.configure("auth_failures = 0\ndevice_rate = 1\nqueue_max = 7\n");
  server.reload();
  ASSERT_TRUE(eventually([&] {
    return server.log().find("read anew; after a restart: limits.queue_max") != std::string::npos;
  })) << server.log();
  unsigned status = 201;
  for (int i = 0; i < 50 && status == 201; ++i)
    status = peer.push(token, push_json("door", "b")).status;  // the same connection
  EXPECT_EQ(status, 429U);
  server.configure("nonsense = 1\n");
  server.reload();
  ASSERT_TRUE(eventually(
      [&] { return server.log().find("limits.nonsense: is unknown") != std::string::npos; }));
  EXPECT_EQ(peer.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status, 200U);
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  bool answered = false;
  while (const auto packet = door.receive()) {
    answered = std::holds_alternative<mqtt::Pingresp>(*packet);
    if (answered) break;
  }
  EXPECT_TRUE(answered);
  EXPECT_NE(server.log().find("\"level\":\"info\",\"part\":\"server\",\"text\":\"ready"),
            std::string::npos)
      << server.log();
}

TEST(OperatorConfiguration, IsRefusedWithTheKeyAndTheLine) {
  ConfiguredServer server;
  server.configure("queue_maks = 1\n");
  const Ran checked = wakeline("server --check-config --config " + server.file("server.toml"));
  EXPECT_EQ(checked.code, 3);
  EXPECT_NE(checked.out.find("server.toml:8: limits.queue_maks: is unknown"), std::string::npos)
      << checked.out;
  EXPECT_EQ(wakeline("server --check-config --config /nowhere").code, 3);
  server.configure("queue_max = 1\n");
  EXPECT_EQ(wakeline("server --check-config --config " + server.file("server.toml")).code, 0);
}

TEST(OperatorPort, GivesFiguresAndHealthWithoutATokenAndNothingElse) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const auto get = [&](const std::string& path) {
    return HttpPeer(Line(server.operators)).ask("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
  };
  EXPECT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(get("/readyz").status, 200U);
  EXPECT_EQ(get("/v1/stats").status, 200U);
  EXPECT_EQ(get("/v1/push").status, 404U);
  EXPECT_EQ(get("/v1/reports").status, 404U);
  const HttpAnswer metrics = get("/metrics");
  EXPECT_EQ(metrics.status, 200U);
  // Prometheus' own linter reads them.
  std::ofstream(server.file("metrics")) << metrics.body;
  const std::string command =
      "timeout 60 promtool check metrics < '" + server.file("metrics") + "' 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST(OperatorBackup, IsMadeBesideTheServerAndStartsTheNumbersAnewWhenPutBack) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const std::string folder = server.folder_option();
  const Ran added = wakeline("devices add door" + folder);
  const std::string token = added.out.substr(added.out.find("token = ") + 8, 43);
  const auto text = io::read_file(server.data() + "/admin-token", 100);
  HttpPeer peer{Line(server.http)};
  ASSERT_EQ(peer.push(text->substr(0, 43), push_json("door", "kept")).status, 201U);
  const auto epoch_of = [&] {
    MqttPeer door{Line(server.mqtt)};
    auto connect = connect_packet("door", token);
    door.send(connect);
    const auto connack = door.expect<mqtt::Connack>();
    return connack ? std::string(connack->properties.user_value("epoch").value_or("")) : "";
  };
  const std::string before = epoch_of();
  ASSERT_FALSE(before.empty());
  const Ran backed = wakeline("server backup " + server.file("copy.db") + folder);
  ASSERT_EQ(backed.code, 0) << backed.out;
  EXPECT_EQ(wakeline("server backup " + server.file("copy.db") + folder).code, 3);  // is there
  EXPECT_EQ(server.terminate(), 0);
  for (const char* rest : {"/store.db", "/store.db-wal", "/store.db-shm"})
    std::filesystem::remove(server.data() + rest);
  std::filesystem::copy(server.file("copy.db"), server.data() + "/store.db");
  std::filesystem::remove(server.file("ready"));
  ASSERT_TRUE(server.start()) << server.log();
  const std::string after = epoch_of();
  EXPECT_FALSE(after.empty());
  EXPECT_NE(after, before);
  MqttPeer door{Line(server.mqtt)};
  ASSERT_EQ(door.log_in("door", token), mqtt::Reason::kSuccess);
  EXPECT_TRUE(door.expect<mqtt::Publish>());
}

}  // namespace
}  // namespace wakeline::server
