// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "configured_server.h"
#include "io/tls.h"
#include "io/unique_fd.h"
#include "server_peers.h"
#include "store/store_testing.h"

/// What operators do with the program itself: configuration, tokens, devices, figures, backups.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;

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

  auto database =
      store::Database::open(server.data() + "/store.db", store::Database::Mode::kBeside);
  ASSERT_TRUE(database);
  store::fill_group(*database, "crowd");
  const Ran full = wakeline("devices add window --user ada --group crowd" + folder);
  EXPECT_EQ(full.code, 3) << full.out;
  EXPECT_EQ(wakeline("devices list" + folder).out.find("window"), std::string::npos);
  ASSERT_TRUE(database->run("DELETE FROM devices WHERE name LIKE 'member-%'"));

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

TEST(OperatorCommands, MakeNothingWhereAPartOfItCannotBe) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const std::string folder = server.folder_option();
  const std::string output = server.file("door.conf");
  EXPECT_EQ(wakeline("devices add door --user 'bad name' --output '" + output + "'" + folder).code,
            3);
  EXPECT_FALSE(std::filesystem::exists(output));
  EXPECT_EQ(wakeline("devices list" + folder).out.find("door"), std::string::npos);
}

TEST(OperatorCommands, ShowANewTokenThoughItCannotBeNoted) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const std::string log = server.data() + "/audit.log";
  std::filesystem::remove(log);
  std::filesystem::create_directory(log);
  const Ran added = wakeline("tokens add shop" + server.folder_option());
  EXPECT_NE(added.code, 0);
  EXPECT_NE(added.out.find("audit.open"), std::string::npos) << added.out;
  // What it said on stderr stands before or after.
  std::istringstream lines(added.out);
  bool works = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.size() != 43) continue;
    works = HttpPeer(Line(server.http)).push(line, push_json("nobody", "ring")).status == 404;
  }
  EXPECT_TRUE(works) << added.out;
}

TEST(OperatorCommands, SayHowToNameAnotherFolder) {
  const io::TestFolder empty;
  for (const char* command : {"devices list", "tokens list", "server backup /nowhere/copy.db",
                              "push door ring", "server stats"}) {
    const Ran ran = wakeline(std::string(command) + " --data-folder '" + empty.path() + "'");
    EXPECT_EQ(ran.code, 3) << command;
    EXPECT_NE(ran.out.find("--data-folder FOLDER"), std::string::npos) << ran.out;
  }
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
  ASSERT_EQ(wakeline("devices join door --group night --user night" + folder).code, 0);
  EXPECT_EQ(wakeline("devices groups door --forbid night" + folder).code, 0);  // never permitted
  const Ran left = wakeline("devices list" + folder);
  EXPECT_EQ(left.out.find("group night"), std::string::npos) << left.out;
  EXPECT_NE(left.out.find("user night"), std::string::npos) << left.out;
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
  for (const char* key : {"ca_file", "apns_key_file"}) {
    const std::string file = server.file("server.toml");  // is there, and is no PEM
    server.configure("queue_max = 1\n", "[fallback]\napns_key_id = \"K\"\napns_team_id = \"T\"\n" +
                                            std::string(key) + " = \"" + file + "\"\n");
    const Ran wrong = wakeline("server --check-config --config " + file);
    EXPECT_EQ(wrong.code, 3) << key;
    EXPECT_NE(wrong.out.find("server: " + file + ": "), std::string::npos) << wrong.out;
  }
}

/// A configuration that a start refuses, and what the message names.
struct Refused {
  const char* listen;  ///< lines below [listen]
  const char* more;    ///< after it; @ is the test's folder
  int code;
  const char* told;
};
constexpr Refused kRefused[] = {
    {"http = \"0.0.0.0:0\"", "", 5, "0.0.0.0:0: plain text off loopback"},
    {"operators = \"0.0.0.0:0\"", "", 5, "0.0.0.0:0: plain text off loopback"},
    {"mqtt = \"127.0.0.1:18830\"\nhttp = \"127.0.0.1:18830\"", "", 3, "127.0.0.1:18830: "},
    {"mqtts = \"0.0.0.0:18830\"\nhttp = \"127.0.0.1:18830\"", "", 3, ":18830: "},
    {"", "[tls]\nnames = [\"two words\"]", 3, "certificate.pem: "},
    {"", "[tls]\nclient_ca_file = \"/nowhere/ca.pem\"", 3, "/nowhere/ca.pem: "},
    {"", "[tls]\nclient_ca_file = \"@/server.toml\"", 3, "server.toml: client CA file: "},
    {"", "[fallback]\nca_file = \"@/server.toml\"", 3, "server.toml: CA file: "},
    {"", "[fallback]\napns_key_file = \"/nowhere/key.p8\"", 3, "apns_key_id and apns_team_id"},
    {"", "[fallback]\napns_key_file = \"@/server.toml\"\napns_key_id = \"k\"\napns_team_id = \"t\"",
     3, "server.toml: "},
};

/// What a check and a start say, which is the same.
Ran check_and_start(const ConfiguredServer& server, const std::string& folder) {
  const std::string words =
      " --config '" + server.file("server.toml") + "' --data-folder '" + folder + "'";
  const Ran checked = wakeline("server --check-config" + words);
  const Ran started = wakeline("server" + words);
  EXPECT_EQ(checked.code, started.code) << started.out;
  EXPECT_EQ(checked.out, started.out);
  return checked;
}

TEST(OperatorConfiguration, ThatAStartRefusesIsRefusedByTheCheckWithTheSameWords) {
  for (const Refused& one : kRefused) {
    const ConfiguredServer server;
    std::string more = one.more;
    if (const auto at = more.find('@'); at != std::string::npos)
      more.replace(at, 1, server.file("").substr(0, server.file("").size() - 1));
    std::string text = std::string("[listen]\n") + one.listen + "\n";
    for (const std::string port : {"mqtts", "https"})
      if (text.find(port + " =") == std::string::npos) text += port + " = \"off\"\n";
    std::ofstream(server.file("server.toml")) << text << more << "\n";
    const Ran ran = check_and_start(server, server.data());
    EXPECT_EQ(ran.code, one.code) << text << more << ran.out;
    EXPECT_NE(ran.out.find(one.told), std::string::npos) << one.told << " in " << ran.out;
    EXPECT_FALSE(std::filesystem::exists(server.data()));  // neither has begun
  }
}

TEST(OperatorConfiguration, ChecksTheDataFolderAndItsCertificate) {
  const ConfiguredServer server;
  const Ran below = check_and_start(server, server.file("server.toml") + "/data");
  EXPECT_EQ(below.code, 3);
  EXPECT_NE(below.out.find("server.toml/data: folder: "), std::string::npos) << below.out;

  ASSERT_TRUE(io::make_folder(server.data()));
  const auto refuses = [&](const std::string& told) {
    const Ran ran = check_and_start(server, server.data());
    EXPECT_EQ(ran.code, 3) << told;
    EXPECT_NE(ran.out.find(told), std::string::npos) << told << " in " << ran.out;
  };
  const std::string certificate = server.data() + "/certificate.pem";
  const std::string key = server.data() + "/key.pem";
  ASSERT_TRUE(io::make_self_signed(certificate, key, {"localhost"}));
  ASSERT_EQ(std::rename(key.c_str(), server.file("key").c_str()), 0);
  refuses("key.pem: certificate without key");
  std::ofstream(key) << "nonsense";
  refuses("key.pem: key file: ");
  std::filesystem::remove(certificate);
  ASSERT_EQ(std::rename(server.file("key").c_str(), key.c_str()), 0);
  std::ofstream(certificate) << "nonsense";
  refuses("certificate.pem: certificate file: ");
}

TEST(OperatorCommands, SayThatTheFileOfTrustedCertificatesIsWrongAndNotTheServer) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  for (const char* file : {"/nowhere/ca.pem", "server.toml"}) {
    const std::string ca = file[0] == '/' ? file : server.file(file);
    const Ran ran = wakeline("push door ring --ca '" + ca + "'" + server.folder_option());
    EXPECT_EQ(ran.code, 3) << ran.out;
    EXPECT_NE(ran.out.find("--ca"), std::string::npos) << ran.out;
  }
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

/// The guide's commands that put a backup back, for that folder and file.
std::string restore_commands(const std::string& folder, const std::string& file) {
  const std::string guide =
      io::read_file(WAKELINE_DOCS "/guides/server.md", 1'000'000).value_or("");
  const std::size_t begin = guide.find("systemctl stop wakeline-server\n");
  const std::size_t end = guide.find("systemctl start wakeline-server\n", begin);
  if (begin == std::string::npos || end == std::string::npos) return "false";
  std::istringstream lines(guide.substr(begin, end - begin));
  std::string commands = "set -e\n";
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line);) {
    for (const auto& [word, value] : {std::pair<std::string, std::string>{"FILE", file},
                                      {"/var/lib/wakeline-server", folder}}) {
      if (const std::size_t at = line.find(word); at != std::string::npos)
        line.replace(at, word.size(), value);
    }
    commands += line + "\n";
  }
  return commands;
}

TEST(OperatorBackup, IsPutBackAsTheGuideSaysForAServerWithoutPrivileges) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root runs a server as another user";
  constexpr uid_t kUser = 12'345;
  ConfiguredServer server;
  ASSERT_EQ(::chown(std::filesystem::path(server.data()).parent_path().c_str(), kUser, kUser), 0);
  if (!server.start({}, kUser)) {
    ASSERT_EQ(server.log(), "");
    GTEST_SKIP() << "the program is not there for other users";
  }
  const std::string folder = server.folder_option();
  ASSERT_EQ(wakeline("devices add door" + folder).code, 0);
  ASSERT_EQ(wakeline("server backup " + server.file("copy.db") + folder).code, 0);
  ASSERT_EQ(wakeline("devices add window" + folder).code, 0);
  EXPECT_EQ(server.terminate(), 0);
  const std::string commands = restore_commands(server.data(), server.file("copy.db"));
  ASSERT_NE(commands.find("store.db-pushes"), std::string::npos);
  ASSERT_EQ(std::system(commands.c_str()), 0);
  std::filesystem::remove(server.file("ready"));
  ASSERT_TRUE(server.start({}, kUser)) << server.log();
  const std::string devices = wakeline("devices list" + folder).out;
  EXPECT_NE(devices.find("door"), std::string::npos) << devices;
  EXPECT_EQ(devices.find("window"), std::string::npos) << devices;
}

}  // namespace
}  // namespace wakeline::server
