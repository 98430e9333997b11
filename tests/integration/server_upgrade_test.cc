// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "io/pass_fds.h"
#include "io/stream.h"
#include "server/successor.h"
#include "server/upgrade.h"
#include "server_peers.h"
#include "server_process.h"
#include "server_websocket_peer.h"
#include "store/database.h"
#include "wire/push.h"

/// A new process takes over from a running one: no device on a plain line notices.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using mqtt::Reason;
using std::chrono::milliseconds;

unsigned push(const ServerProcess& server, const std::string& device, const std::string& title) {
  return HttpPeer(Line(server.ports.http))
      .push(server.admin_token(), push_json(device, title))
      .status;
}

std::string title_of(const std::optional<mqtt::Publish>& publish) {
  if (!publish) return "no push";
  const auto content = wire::decode_push_content(publish->payload);
  return content ? content->title : "no content";
}

/// Nothing came, and the line is open.
bool untouched(MqttPeer& peer) { return !peer.receive(milliseconds(50)) && peer.line.open(); }

TEST(ServerUpgrade, KeepsPlainLinesWithTheirSessionsAndTellsTlsLinesToComeBack) {
  ServerProcess before;
  ASSERT_TRUE(before.start());
  const std::string door_token = before.add_device("door");
  const std::string window_token = before.add_device("window");
  const std::string garden_token = before.add_device("garden");
  const std::string gate_token = before.add_device("gate");
  MqttPeer door{Line(before.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", door_token), Reason::kSuccess);
  WebSocketPeer window{Line(before.ports.mqtt)};
  window.open();
  auto connect = connect_packet("window", window_token);
  connect.properties.user = {{"attempt", "1"}};
  ASSERT_TRUE(window.send(mqtt::Packet(connect)));
  ASSERT_TRUE(window.expect<mqtt::Connack>());
  MqttPeer garden{Line(before.ports.mqtts, before.ca_file())};
  ASSERT_EQ(garden.log_in("garden", garden_token), Reason::kSuccess);
  {
    MqttPeer gate{Line(before.ports.mqtt)};  // away, with a session that is kept
    ASSERT_EQ(gate.log_in("gate", gate_token, false), Reason::kSuccess);
  }
  ASSERT_EQ(push(before, "door", "before"), 201U);
  const auto unacknowledged = door.expect<mqtt::Publish>();
  ASSERT_EQ(title_of(unacknowledged), "before");
  base::Bytes ping;
  ASSERT_TRUE(mqtt::encode(mqtt::Pingreq{}, mqtt::Version::k5, ping));
  ASSERT_TRUE(door.line.send(base::BytesView(ping).first(1)));  // half a packet

  const auto after = ServerProcess::heir_of(before);
  ASSERT_TRUE(after->start());
  EXPECT_EQ(before.wait(), 0);

  EXPECT_TRUE(untouched(door));
  ASSERT_TRUE(door.line.send(base::BytesView(ping).subspan(1)));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
  ASSERT_TRUE(door.acknowledge(*unacknowledged));
  ASSERT_EQ(push(*after, "door", "after"), 201U);
  EXPECT_EQ(title_of(door.expect<mqtt::Publish>()), "after");
  ASSERT_EQ(push(*after, "window", "after"), 201U);
  EXPECT_EQ(title_of(window.expect<mqtt::Publish>()), "after");

  const auto told = garden.expect<mqtt::Disconnect>();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->reason, Reason::kAdministrativeAction);
  EXPECT_TRUE(told->properties.user_value("drain"));
  MqttPeer back{Line(after->ports.mqtts, before.ca_file())};
  ASSERT_TRUE(back.send(connect_packet("garden", garden_token, false)));
  const auto connack = back.expect<mqtt::Connack>();
  EXPECT_TRUE(connack && connack->session_present);
  MqttPeer gate{Line(after->ports.mqtt)};
  ASSERT_TRUE(gate.send(connect_packet("gate", gate_token, false)));
  const auto gate_connack = gate.expect<mqtt::Connack>();
  EXPECT_TRUE(gate_connack && gate_connack->session_present);
}

TEST(ServerUpgrade, LosesNoPushThatIsAcceptedMeanwhileAndDeliversEachOnce) {
  ServerProcess first;
  ASSERT_TRUE(first.start());
  constexpr int kDevices = 50;
  std::vector<MqttPeer> devices;
  for (int i = 0; i < kDevices; ++i) {
    const std::string name = "d" + std::to_string(i);
    devices.emplace_back(Line(first.ports.mqtt));
    ASSERT_EQ(devices.back().log_in(name, first.add_device(name)), Reason::kSuccess);
  }
  std::vector<std::vector<std::string>> promised(kDevices);
  std::atomic<bool> enough = false;
  const std::string token = first.admin_token();
  std::thread sender([&, port = first.ports.http] {
    for (int i = 0; !enough; ++i) {
      const auto device = static_cast<std::size_t>(i % kDevices);
      const std::string title = std::to_string(i);
      HttpPeer peer{Line(port)};
      if (peer.push(token, push_json("d" + std::to_string(device), title)).status == 201)
        promised[device].push_back(title);
    }
  });
  std::vector<std::unique_ptr<ServerProcess>> heirs;
  const ServerProcess* running = &first;
  for (int round = 0; round < 3; ++round) {
    heirs.push_back(ServerProcess::heir_of(*running));
    EXPECT_TRUE(heirs.back()->start());
    running = heirs.back().get();
    std::this_thread::sleep_for(milliseconds(100));  // for the sender, not for a state
  }
  enough = true;
  sender.join();
  std::size_t total = 0;
  for (int i = 0; i < kDevices; ++i) {
    for (const std::string& title : promised[static_cast<std::size_t>(i)]) {
      const auto publish = devices[static_cast<std::size_t>(i)].expect<mqtt::Publish>();
      ASSERT_TRUE(publish) << "device " << i << ", " << title;
      // One whose answer was lost may stand between them; none may be missing or come twice.
      std::string got = title_of(publish);
      devices[static_cast<std::size_t>(i)].acknowledge(*publish);
      while (got != title) {
        ASSERT_LT(std::stoi(got), std::stoi(title)) << "device " << i;
        const auto next = devices[static_cast<std::size_t>(i)].expect<mqtt::Publish>();
        ASSERT_TRUE(next) << "device " << i << ", " << title;
        got = title_of(next);
        devices[static_cast<std::size_t>(i)].acknowledge(*next);
      }
      ++total;
    }
  }
  EXPECT_GT(total, 20U);
}

/// Whether somebody listens there, or on all addresses.
bool taken(const char* address, std::uint16_t port) { return !io::listen_tcp(address, port); }

TEST(ServerUpgrade, ListensAtTheAddressThatIsAskedForByThenAndNotAtTheOneBefore) {
  ServerProcess before({"http_address=0.0.0.0", "plain_off_loopback=yes"});
  ASSERT_TRUE(before.start());
  ASSERT_TRUE(taken("127.0.0.2", before.ports.http));
  MqttPeer door{Line(before.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", before.add_device("door")), Reason::kSuccess);
  {
    const auto failing = ServerProcess::heir_of(before);
    failing->set("http_address=127.0.0.1");
    const auto in_the_way = io::listen_tcp("127.0.0.1", 0);
    ASSERT_TRUE(in_the_way);
    failing->set("https=" + std::to_string(io::port_of(in_the_way->get())));
    EXPECT_FALSE(failing->start());
  }
  EXPECT_TRUE(taken("127.0.0.2", before.ports.http));  // the one before goes on where it was
  ASSERT_EQ(push(before, "door", "before"), 201U);

  const auto after = ServerProcess::heir_of(before);
  after->set("http_address=127.0.0.1");
  after->set("plain_off_loopback=no");
  ASSERT_TRUE(after->start());
  EXPECT_EQ(before.wait(), 0);
  EXPECT_EQ(after->ports.http, before.ports.http);
  EXPECT_FALSE(taken("127.0.0.2", after->ports.http));
  EXPECT_TRUE(taken("127.0.0.1", after->ports.http));
  EXPECT_EQ(title_of(door.expect<mqtt::Publish>()), "before");
  EXPECT_TRUE(untouched(door));
  ASSERT_EQ(push(*after, "door", "after"), 201U);
  EXPECT_EQ(title_of(door.expect<mqtt::Publish>()), "after");
}

TEST(ServerUpgrade, ThatCannotServeEndsBeforeAnyDeviceIsTold) {
  ServerProcess server;
  ASSERT_TRUE(server.start());
  MqttPeer door{Line(server.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", server.add_device("door")), Reason::kSuccess);
  MqttPeer garden{Line(server.ports.mqtts, server.ca_file())};
  ASSERT_EQ(garden.log_in("garden", server.add_device("garden")), Reason::kSuccess);
  const auto in_the_way = io::listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(in_the_way);
  for (const std::string& wrong :
       {"https=" + std::to_string(io::port_of(in_the_way->get())),
        std::string("apns_key=/nonexistent/key.p8"), std::string("ca_file=/nonexistent/ca.pem")}) {
    const auto heir = ServerProcess::heir_of(server);
    heir->set("apns_id=WAKELINE10");
    heir->set(wrong);
    ASSERT_FALSE(heir->start()) << wrong;
    EXPECT_EQ(heir->wait(), 1) << wrong;
  }
  EXPECT_TRUE(untouched(door));
  EXPECT_TRUE(untouched(garden));
  for (const char* device : {"door", "garden"})
    EXPECT_EQ(push(server, device, "still here"), 201U) << device;
  EXPECT_EQ(title_of(door.expect<mqtt::Publish>()), "still here");
  EXPECT_EQ(title_of(garden.expect<mqtt::Publish>()), "still here");
}

TEST(ServerUpgrade, ToAVersionBeforeTheStoresIsRefusedBeforeAnyDeviceIsTold) {
  ServerProcess server;
  ASSERT_TRUE(server.start());
  MqttPeer garden{Line(server.ports.mqtts, server.ca_file())};
  ASSERT_EQ(garden.log_in("garden", server.add_device("garden")), Reason::kSuccess);
  {
    auto store =
        store::Database::open(server.folder() + "/store.db", store::Database::Mode::kBeside);
    ASSERT_TRUE(store && store->run("PRAGMA user_version = 1000"));
  }
  EXPECT_FALSE(ServerProcess::heir_of(server)->start());
  EXPECT_TRUE(untouched(garden));
}

TEST(ServerUpgrade, ThatStopsHalfwayLeavesEveryLineToTheRunningServer) {
  for (const char* tables : {"file_tables=no", "file_tables=yes"}) {
    ServerProcess server({tables, "shards=2"});
    ASSERT_TRUE(server.start());
    constexpr int kDevices = 30;
    std::vector<MqttPeer> devices;
    for (int i = 0; i < kDevices; ++i) {
      const std::string name = "d" + std::to_string(i);
      devices.emplace_back(Line(server.ports.mqtt));
      ASSERT_EQ(devices.back().log_in(name, server.add_device(name)), Reason::kSuccess);
    }
    for (int round = 0; round < 2; ++round) {  // the second one begins anew
      auto claimed = claim_inheritance(server.folder() + "/control");
      ASSERT_TRUE(claimed) << tables << base::to_string(claimed.error());
      for (int i = 0; i < kDevices / 3; ++i) {
        const auto device = next_device(*claimed);
        ASSERT_TRUE(device && *device) << tables;
        EXPECT_TRUE((*device)->line.fd) << tables;
      }
      claimed = base::fail(base::ErrorCode::kClosed, "test");  // it says nothing more
      for (int i = 0; i < kDevices; ++i) {
        const std::string title = std::to_string(round);
        ASSERT_EQ(push(server, "d" + std::to_string(i), title), 201U) << tables;
        MqttPeer& device = devices[static_cast<std::size_t>(i)];
        const auto publish = device.expect<mqtt::Publish>();
        ASSERT_EQ(title_of(publish), title) << tables << " " << i;
        EXPECT_TRUE(device.acknowledge(*publish));
      }
    }
  }
}

TEST(ServerUpgrade, ThatFailsIsAnErrorOfAServerThatCannotGoOn) {
  ServerProcess server;
  ASSERT_TRUE(server.start());
  auto claimed = claim_inheritance(server.folder() + "/control");
  ASSERT_TRUE(claimed) << base::to_string(claimed.error());
  {
    auto store =
        store::Database::open(server.folder() + "/store.db", store::Database::Mode::kBeside);
    ASSERT_TRUE(store && store->run("PRAGMA user_version = 1000"));
  }
  claimed = base::fail(base::ErrorCode::kClosed, "test");
  EXPECT_EQ(server.wait(), 1);
}

/// In the place of a server that gives everything away, and then waits no longer.
void give_up_at_once(int control, const std::string& lock_file) {
  for (;;) {
    const io::UniqueFd peer(::accept4(control, nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) return;  // nobody came
    base::Bytes word(128);
    const auto got = io::receive_with_fds(peer.get(), word, 1);
    if (!got || got->fds.empty()) return;
    word.resize(got->size);
    if (!base::as_text(word).starts_with("upgrade")) continue;  // as an older version
    const io::UniqueFd lock(::open(lock_file.c_str(), O_RDWR | O_CLOEXEC));
    const int fds[] = {lock.get()};
    EXPECT_EQ(io::send_with_fds(got->fds[0].get(), base::as_bytes("L"), fds), 0);
    EXPECT_EQ(io::send_with_fds(got->fds[0].get(), base::as_bytes("E"), {}), 0);
    return;
  }
}

TEST(ServerUpgrade, ServesNobodyWhereTheServerBeforeGoesOn) {
  ServerProcess before;
  ASSERT_TRUE(before.start());
  EXPECT_EQ(before.terminate(), 0);
  const std::string path = before.folder() + "/control";
  std::filesystem::remove(path);
  const io::UniqueFd control(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.copy(address.sun_path, sizeof address.sun_path - 1), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(control.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(control.get(), 4), 0);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(control.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::thread old([&] { give_up_at_once(control.get(), before.folder() + "/lock"); });
  const auto heir = ServerProcess::heir_of(before);
  const bool started = heir->start();
  old.join();
  ASSERT_FALSE(started);
  EXPECT_EQ(heir->wait(), 1);
}

TEST(Successor, IsNoChildOfTheServerThatStartedIt) {
  const auto pid = start_successor({"/bin/sleep", "60"});
  ASSERT_TRUE(pid) << base::to_string(pid.error());
  std::ifstream file("/proc/" + std::to_string(*pid) + "/stat");
  std::string number, name, state;
  pid_t parent = 0;
  file >> number >> name >> state >> parent;
  EXPECT_EQ(::kill(*pid, SIGKILL), 0);
  EXPECT_EQ(name, "(sleep)");
  EXPECT_NE(parent, ::getpid());
  EXPECT_FALSE(start_successor({"/nonexistent/program"}));
}

TEST(ServerRemoved, DeviceLosesItsConnection) {
  ServerProcess server;
  ASSERT_TRUE(server.start());
  MqttPeer door{Line(server.ports.mqtt)};
  ASSERT_EQ(door.log_in("door", server.add_device("door")), Reason::kSuccess);
  ASSERT_TRUE(remove_device(server.folder(), "door"));
  const auto told = door.expect<mqtt::Disconnect>();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->reason, Reason::kNotAuthorized);
  EXPECT_TRUE(door.line.ends());
}

}  // namespace
}  // namespace wakeline::server
