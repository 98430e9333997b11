// SPDX-License-Identifier: Apache-2.0
#include "io/tcp_race.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>

#include <boost/asio/executor_work_guard.hpp>

#include "io/stream.h"
#include "io/testing.h"

namespace wakeline::io {
namespace {

using RaceOutcome = std::optional<base::Result<UniqueFd>>;

RaceOutcome race(const std::string& host, std::uint16_t port) {
  Loop loop;
  const auto work = boost::asio::make_work_guard(loop.context());  // the lookup's thread is none
  RaceOutcome outcome;
  const auto running = race_tcp(
      loop, host, port, [&](base::Result<UniqueFd> result) { outcome = std::move(result); });
  EXPECT_FALSE(outcome);  // never within the call
  EXPECT_TRUE(run_until(loop, [&] { return outcome.has_value(); }));
  return outcome;
}

TEST(TcpRace, ConnectsToANumericAddressWithASocketThatIsClosedOnExec) {
  const auto listener = listen_tcp("127.0.0.1", 0);
  const auto outcome = race("127.0.0.1", port_of(listener->get()));
  ASSERT_TRUE(outcome && *outcome);
  EXPECT_NE(::fcntl((*outcome)->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(TcpRace, GoesOnAtOnceWithTheOtherFamilyWhereOneRefuses) {
  // "localhost" has both families here; the server listens on one of them.
  for (const char* address : {"127.0.0.1", "::1"}) {
    const auto listener = listen_tcp(address, 0);
    if (!listener) continue;  // a machine without IPv6
    const base::Instant begun = now();
    const auto outcome = race("localhost", port_of(listener->get()));
    ASSERT_TRUE(outcome);
    if (std::string(address) == "::1" && !*outcome) continue;  // localhost is IPv4 alone
    EXPECT_TRUE(*outcome) << address;
    EXPECT_LT(now() - begun, std::chrono::seconds(5));
  }
}

TEST(TcpRace, TellsARefusalAndANameThatDoesNotExistApart) {
  auto listener = listen_tcp("127.0.0.1", 0);
  const std::uint16_t port = port_of(listener->get());
  listener->reset();
  const auto refused = race("127.0.0.1", port);
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error(),
            (base::Error{base::ErrorCode::kUnreachable, "connect", ECONNREFUSED}));
  const auto unknown = race("no-such-name.invalid", port);
  ASSERT_TRUE(unknown && !*unknown);
  EXPECT_EQ(unknown->error(), (base::Error{base::ErrorCode::kUnreachable, "getaddrinfo"}));
}

TEST(TcpRace, CallsNobodyWhenItIsDestroyed) {
  const auto listener = listen_tcp("127.0.0.1", 0);
  Loop loop;
  bool called = false;
  auto running = race_tcp(loop, "127.0.0.1", port_of(listener->get()),
                          [&](const base::Result<UniqueFd>&) { called = true; });
  running.reset();
  run_ready(loop);
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace wakeline::io
