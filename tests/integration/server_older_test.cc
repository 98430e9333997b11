// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <thread>

#include "base/bytes.h"
#include "io/clock.h"
#include "io/stream.h"
#include "server_peers.h"
#include "server_process.h"
#include "wire/push.h"

/// What a server of an older version said when it was asked to hand over, recorded on 2026-11-28 of
/// the program of 2026-11-27 23:36 UTC: session layout 4, with mosquitto_sub as "door" and a client
/// of three packets as "bell".
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;

/// MQTT 5, a will, the group "home"; what was sent up to 2 is acknowledged.
constexpr std::string_view kDoor =
    "4400000004646f6f7200000000000000010000009e0400003b330dce1a920000000000000002000000000000000200"
    "00"
    "0000000000000000000000000000000151800001000000000002003c00140003070500010101000000000001000000"
    "00"
    "007fffffffffffffff0000002e102c00044d515454050e000000000000001677616b656c696e652f70726573656e63"
    "65"
    "2f646f6f720004676f6e6500000000000000000000000100000004686f6d6500000000000000000000000000000000"
    "00";
/// MQTT 3.1.1; 1 and 2 are sent and not acknowledged.
constexpr std::string_view kBell =
    "440000000462656c6c0000000000000003000000620400003b333a561bad0000000000000002000000000000000200"
    "00"
    "0000000000000000000000000000ffffffff0001000000000001003c00400003070400010101000000000000000000"
    "00"
    "020000000000000001000101000000000000000200020100000000000000000000000000";

/// The recorded bytes, with the one thing that is of the machine and its boot set to ours: by when
/// the device has to say something.
base::Bytes device_message(std::string_view text) {
  base::Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  constexpr std::size_t kDeadline = 1 + 4 + 4 + 8 + 4 + 1;  // behind a name of four letters
  const base::Instant deadline = io::now() + std::chrono::minutes(1);
  base::Bytes encoded;
  base::ByteWriter(encoded).u64(static_cast<std::uint64_t>(deadline.time_since_epoch().count()));
  std::ranges::copy(encoded, bytes.begin() + kDeadline);
  return bytes;
}

bool say(int channel, base::BytesView bytes, int passed) {
  iovec part{.iov_base = const_cast<std::uint8_t*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (passed >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  return ::sendmsg(channel, &message, MSG_NOSIGNAL) >= 0;
}

/// What a new process says, and the channel that comes with it; none where nobody says anything.
struct Word {
  std::string text;
  io::UniqueFd channel;
};
Word hear(int listener) {
  io::UniqueFd peer(::accept(listener, nullptr, nullptr));
  std::array<char, 64> word{};
  iovec part{.iov_base = word.data(), .iov_len = word.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(peer.get(), &message, 0);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (size < 0 || header == nullptr) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return {std::string(word.data(), static_cast<std::size_t>(size)), io::UniqueFd(fd)};
}

/// The channel of the one word that it knows; it passes over any other.
io::UniqueFd hear_upgrade(int listener) {
  for (;;) {
    Word word = hear(listener);
    if (!word.channel || word.text == "upgrade 1") return std::move(word.channel);
  }
}

/// A device's line, seen from both ends.
struct Pair {
  MqttPeer device;
  io::UniqueFd server;
};
Pair connect_through(int listener, mqtt::Version version) {
  Line line(io::port_of(listener));
  io::UniqueFd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return {MqttPeer(std::move(line), version), std::move(accepted)};
}

/// The part of the older server: its lock, its ports, its devices.
class OlderServer {
 public:
  OlderServer(const ServerProcess& former, std::uint16_t mqtt_port, std::uint16_t http_port)
      : lock_(::open((former.folder() + "/lock").c_str(), O_RDWR | O_CLOEXEC)),
        control_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    mqtt_ = *io::listen_tcp("127.0.0.1", mqtt_port);
    http_ = *io::listen_tcp("127.0.0.1", http_port);
    ::fcntl(mqtt_.get(), F_SETFL, 0);  // for `connect_through`
    EXPECT_EQ(::flock(lock_.get(), LOCK_EX | LOCK_NB), 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = former.folder() + "/control";
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    ::unlink(path.c_str());
    EXPECT_EQ(::bind(control_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(control_.get(), 1), 0);
  }
  Pair connect(mqtt::Version version) { return connect_through(mqtt_.get(), version); }
  /// Returns: whether the new process says that it serves.
  bool hand_over(int door, int bell) {
    const io::UniqueFd channel = hear_upgrade(control_.get());
    ::fcntl(mqtt_.get(), F_SETFL, O_NONBLOCK);
    const std::uint8_t lock[] = {'L'}, mqtt[] = {'P', 0}, http[] = {'P', 2}, end[] = {'E'};
    bool said = say(channel.get(), lock, lock_.get()) && say(channel.get(), mqtt, mqtt_.get()) &&
                say(channel.get(), http, http_.get()) &&
                say(channel.get(), device_message(kDoor), door) &&
                say(channel.get(), device_message(kBell), bell) && say(channel.get(), end, -1);
    char answer = 0;
    said = said && ::recv(channel.get(), &answer, 1, 0) == 1 && answer == 'T';
    lock_.reset();
    mqtt_.reset();
    http_.reset();
    control_.reset();
    return said;
  }

 private:
  io::UniqueFd lock_, control_, mqtt_, http_;
};

TEST(ServerOlder, HandsItsDevicesToThisVersionWhichGoOnWithoutNoticing) {
  ServerProcess former;  // makes the folder and the store that the recorded sessions stand for
  ASSERT_TRUE(former.start());
  ASSERT_FALSE(former.add_device("door").empty());
  ASSERT_FALSE(former.add_device("gate").empty());
  ASSERT_FALSE(former.add_device("bell").empty());  // the third, as there
  const auto push = [&](const Ports& ports, const std::string& device, const std::string& title) {
    return HttpPeer(Line(ports.http)).push(former.admin_token(), push_json(device, title)).status;
  };
  for (const char* device : {"door", "bell"}) {
    ASSERT_EQ(push(former.ports, device, "first"), 201U);
    ASSERT_EQ(push(former.ports, device, "second"), 201U);
  }
  ASSERT_EQ(former.terminate(), 0);
  OlderServer older(former, former.ports.mqtt, former.ports.http);
  Pair door = older.connect(mqtt::Version::k5);
  Pair bell = older.connect(mqtt::Version::k311);
  ASSERT_TRUE(door.server && bell.server);

  const auto heir = ServerProcess::heir_of(former);
  bool handed = false;
  std::thread handing([&] { handed = older.hand_over(door.server.get(), bell.server.get()); });
  const bool started = heir->start();
  handing.join();
  ASSERT_TRUE(started);
  EXPECT_TRUE(handed);
  door.server.reset();
  bell.server.reset();

  ASSERT_TRUE(door.device.send(mqtt::Packet(mqtt::Pingreq{})));
  EXPECT_TRUE(door.device.expect<mqtt::Pingresp>());
  ASSERT_EQ(push(heir->ports, "door", "third"), 201U);
  const auto third = door.device.expect<mqtt::Publish>();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->properties.user_value(wire::property::kSequence), "3");
  EXPECT_TRUE(door.device.acknowledge(*third));

  for (const std::uint16_t id : {1, 2})
    ASSERT_TRUE(bell.device.send(mqtt::Packet(mqtt::Ack{.packet_id = id})));
  ASSERT_EQ(push(heir->ports, "bell", "third"), 201U);
  const auto fresh = bell.device.expect<mqtt::Publish>();
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->packet_id, 3);
  EXPECT_EQ(wire::decode_push_content(fresh->payload)->title, "third");
}

}  // namespace
}  // namespace wakeline::server
