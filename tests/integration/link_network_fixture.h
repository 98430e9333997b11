// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/mount.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "link_fixture.h"
#include "network_namespace.h"

namespace wakeline::test {

using sys::test::ip;

/// The network namespace of this thread, to come back to.
inline io::UniqueFd this_network() {
  return io::UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

/// The app's machine (near) and the server's (far), with two cables: near 10.9.N.2, far 10.9.N.1.
/// The server is "localhost" there, which its certificate names.
class LinkNetwork : public testing::Test {
 protected:
  void SetUp() override { set_up("0.0.0.0"); }
  /// The kernel puts nothing over a file that is gone, as those of `folder` soon are: the next test
  /// of this process finds the paths as this one did.
  void TearDown() override {
    for (const std::string& path : put_over_) EXPECT_EQ(::umount2(path.c_str(), MNT_DETACH), 0);
  }
  /// `address`: where the server listens.
  void set_up(const std::string& address) {
    ASSERT_TRUE(sys::test::enter_network_namespace());
    far_ = this_network();
    ip("link set lo up");
    server.set("mqtts_address=" + address);
    ASSERT_TRUE(server.start());
    token = server.add_device("door");
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
    near_ = this_network();
    ip("link set lo up");
    for (const std::string n : {"1", "2"}) {
      ip("link add c" + n + " type veth peer name s" + n);
      ip("link set s" + n + " netns " + std::to_string(server.pid()));
      ip("address add 10.9." + n + ".2/24 dev c" + n);
      ip("link set c" + n + " up");
      far([&] {
        ip("address add 10.9." + n + ".1/24 dev s" + n);
        ip("link set s" + n + " up");
      });
    }
    ip("route add default via 10.9.1.1");
  }
  template <class Work>
  void far(Work work) {
    WL_CHECK(::setns(far_.get(), CLONE_NEWNET) == 0);
    work();
    WL_CHECK(::setns(near_.get(), CLONE_NEWNET) == 0);
  }
  /// What the name stands for, for this process.
  void name_server(const std::vector<std::string>& addresses) {
    std::string hosts;
    for (const std::string& address : addresses) hosts += address + " localhost\n";
    put_over("/etc/hosts", hosts);
  }
  /// What this process and what it starts find in that file.
  void put_over(const std::string& path, const std::string& text) {
    const std::string file = folder.file("over-" + path.substr(path.rfind('/') + 1));
    std::ofstream(file) << text;
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount(file.c_str(), path.c_str(), nullptr, MS_BIND, nullptr), 0);
    put_over_.push_back(path);
  }
  PushClient::Options options() { return options_of(server, token, folder.file("state")); }
  void push(const std::string& title) {
    far([&] { EXPECT_EQ(push_to_door(server, title), 201U); });
  }
  /// Online, with one push through.
  void go_online(Ringing& app) {
    bring_online(app);
    push("first");
    ASSERT_TRUE(eventually([&] { return app.pushes().size() == 1; }));
  }
  /// The near ends of connections to the server that stand: "0201090A:9C40".
  std::vector<std::string> lines() const {
    std::vector<std::string> ends;
    std::ifstream table("/proc/thread-self/net/tcp");
    std::string row;
    char port[8];
    std::snprintf(port, sizeof port, ":%04X", server.ports.mqtts);
    while (std::getline(table, row)) {
      std::istringstream words(row);
      std::string number, near, far, state;
      words >> number >> near >> far >> state;
      if (far.ends_with(port) && state == "01") ends.push_back(near);
    }
    return ends;
  }
  /// How many connections this machine has begun.
  int connections_tried() const {
    std::ifstream table("/proc/thread-self/net/snmp");
    std::string row;
    int tried = -1;
    while (std::getline(table, row)) {
      std::istringstream words(row);
      std::string word;
      words >> word;
      if (word != "Tcp:") continue;
      for (int i = 0; i < 5; ++i) words >> word;  // ActiveOpens
      if (word != "ActiveOpens") tried = std::stoi(word);
    }
    return tried;
  }

  io::TestFolder folder;
  server::ServerProcess server;
  std::string token;

 private:
  io::UniqueFd far_;
  io::UniqueFd near_;
  std::vector<std::string> put_over_;
};

}  // namespace wakeline::test
