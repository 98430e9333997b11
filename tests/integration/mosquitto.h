// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/check.h"
#include "io/testing.h"
#include "io/tls.h"
#include "io/unique_fd.h"
#include "server_peers.h"

namespace wakeline::test {

/// A TCP port of 127.0.0.1 that nobody uses now.
inline std::uint16_t free_port() {
  const io::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  WL_CHECK(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t size = sizeof address;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// A mosquitto of our own, plain and TLS on 127.0.0.1, that keeps its sessions over a kill as well
/// as it can: it saves after every change.
class Mosquitto {
 public:
  Mosquitto() : plain(free_port()), tls(free_port()) {
    WL_CHECK(io::make_self_signed(ca_file(), folder_.file("key.pem"), {"localhost", "127.0.0.1"}));
    std::ofstream config(folder_.file("mosquitto.conf"));
    config << "persistence true\npersistence_location " << folder_.path() << "/\n"
           << "autosave_on_changes true\nautosave_interval 1\n"
           << "allow_anonymous true\nuser " << (::geteuid() == 0 ? "root" : "") << "\n"
           << "listener " << plain << " 127.0.0.1\n"
           << "listener " << tls << " 127.0.0.1\n"
           << "certfile " << ca_file() << "\nkeyfile " << folder_.file("key.pem") << "\n";
  }
  Mosquitto(const Mosquitto&) = delete;
  Mosquitto& operator=(const Mosquitto&) = delete;
  ~Mosquitto() {
    if (pid_ > 0) end(SIGKILL);
  }

  /// Returns: whether it accepts connections within ten seconds.
  bool start() {
    std::string program = "/usr/sbin/mosquitto";
    std::string option = "-c";
    std::string config = folder_.file("mosquitto.conf");
    char* argv[] = {program.data(), option.data(), config.data(), nullptr};
    pid_ = ::fork();
    WL_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      const int nowhere = ::open("/dev/null", O_RDWR);
      ::dup2(nowhere, STDOUT_FILENO);
      ::dup2(nowhere, STDERR_FILENO);
      ::execv(argv[0], argv);
      ::_exit(127);
    }
    const auto until = io::now() + std::chrono::seconds(10);
    while (io::now() < until) {
      if (server::Line(plain).ok()) return true;
      ::usleep(10'000);  // between two questions
    }
    return false;
  }
  void end(int signal) {
    ::kill(pid_, signal);
    WL_CHECK(::waitpid(std::exchange(pid_, -1), nullptr, 0) > 0);
  }
  std::string ca_file() const { return folder_.file("certificate.pem"); }

  /// Publishes with QoS 1 and waits for the acknowledgement. Returns: whether it came.
  bool publish(const std::string& topic, const std::string& payload) {
    namespace mqtt = wire::mqtt;
    server::MqttPeer peer{server::Line(plain)};
    mqtt::Connect hello;
    hello.client_id = "publisher";
    mqtt::Publish push;
    push.topic = topic;
    push.payload.assign(payload.begin(), payload.end());
    push.qos = mqtt::Qos::kAtLeastOnce;
    push.packet_id = 1;
    return peer.send(hello) && peer.expect<mqtt::Connack>() && peer.send(push) &&
           peer.expect<mqtt::Ack>();
  }

  const std::uint16_t plain;
  const std::uint16_t tls;

 private:
  io::TestFolder folder_;
  pid_t pid_ = -1;
};

}  // namespace wakeline::test
