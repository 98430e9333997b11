// SPDX-License-Identifier: Apache-2.0
// The push client and two routes whose TCP comes up at the same time: which of them gets TLS.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <fstream>
#include <sstream>

#include "io/stream.h"
#include "link_network_fixture.h"

namespace wakeline::test {
namespace {

/// A listener whose queue is full, so that the kernel drops each SYN until `open`; TCP sends it
/// again after a second.
class SlowDoor {
 public:
  /// `port`: 0 for any. Returns: null where it is taken.
  static std::unique_ptr<SlowDoor> make(const char* address, std::uint16_t port) {
    std::unique_ptr<SlowDoor> door(new SlowDoor);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    WL_CHECK(::inet_pton(AF_INET, address, &at.sin_addr) == 1);
    auto* generic = reinterpret_cast<sockaddr*>(&at);
    socklen_t size = sizeof at;
    if (::bind(door->listener_.get(), generic, size) != 0) return nullptr;
    WL_CHECK(::listen(door->listener_.get(), 0) == 0);
    WL_CHECK(::getsockname(door->listener_.get(), generic, &size) == 0);
    door->port_ = ntohs(at.sin_port);
    WL_CHECK(::connect(door->filler_.get(), generic, size) == 0);
    return door;
  }
  std::uint16_t port() const { return port_; }
  void open() { accept(); }
  /// The next connection, or none within the patience of the tests.
  io::UniqueFd accept() {
    pollfd wanted{listener_.get(), POLLIN, 0};
    if (::poll(&wanted, 1, static_cast<int>(milliseconds(kPatience).count())) != 1) return {};
    return io::UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

 private:
  io::UniqueFd listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  io::UniqueFd filler_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port_ = 0;
};

/// Connections of this machine to `port` whose SYN has no answer yet.
std::size_t dialling(std::uint16_t port) {
  std::size_t count = 0;
  std::ifstream table("/proc/thread-self/net/tcp");
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", port);
  for (std::string row; std::getline(table, row);) {
    std::istringstream words(row);
    std::string number, near, far, state;
    words >> number >> near >> far >> state;
    if (far.ends_with(wanted) && state == "02") ++count;
  }
  return count;
}

/// Whether bytes, or its end, came within the time.
bool speaks(const io::UniqueFd& peer, milliseconds within) {
  pollfd wanted{peer.get(), POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(within.count())) == 1;
}

class LinkHandshake : public LinkNetwork {
 protected:
  void SetUp() override {
    LinkNetwork::SetUp();
    name_server({"127.0.0.1", "127.0.0.2"});
    for (int tries = 0; !second && tries < 100; ++tries) {
      first = SlowDoor::make("127.0.0.1", 0);
      second = SlowDoor::make("127.0.0.2", first->port());
    }
    ASSERT_TRUE(second);
  }

  std::unique_ptr<SlowDoor> first;
  std::unique_ptr<SlowDoor> second;
};

TEST_F(LinkHandshake, IsOneRoutesAtATimeAndTheOthersWhenThatOneFails) {
  auto both = options();
  both.port = first->port();
  Ringing app(both);
  ASSERT_FALSE(app.error) << app.error->message;
  app.client().start();
  // The second route gets its turn while TCP of the first is under way.
  ASSERT_TRUE(eventually([&] { return dialling(both.port) == 2; }));
  first->open();
  second->open();
  io::UniqueFd one = first->accept();
  io::UniqueFd other = second->accept();
  ASSERT_TRUE(one && other);
  pollfd either[] = {{one.get(), POLLIN, 0}, {other.get(), POLLIN, 0}};
  ASSERT_GT(::poll(either, 2, static_cast<int>(milliseconds(kPatience).count())), 0);
  if (either[1].revents != 0) std::swap(one, other);
  // Its TCP took a second, so its TLS is late after five.
  EXPECT_FALSE(speaks(other, milliseconds(1'500)));
  char hello = 0;
  ASSERT_EQ(::recv(one.get(), &hello, 1, MSG_PEEK), 1);
  EXPECT_EQ(hello, 0x16) << "no handshake record of TLS";
  one.reset();
  ASSERT_TRUE(speaks(other, seconds(2)));
  ASSERT_EQ(::recv(other.get(), &hello, 1, MSG_PEEK), 1);
  EXPECT_EQ(hello, 0x16);
}

}  // namespace
}  // namespace wakeline::test
