// SPDX-License-Identifier: Apache-2.0
#include "io/lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "io/testing.h"

namespace wakeline::io {
namespace {

using Answer = base::Result<Lookup::Answer>;
using testing::ElementsAre;

Answer look_up(const std::string& host) {
  Loop loop;
  std::optional<Answer> answer;
  const auto handle = lookup(loop, host, [&](Answer found) {
    EXPECT_FALSE(answer && (!*answer || (*answer)->whole)) << "the whole answer is the last";
    answer = std::move(found);
  });
  EXPECT_FALSE(answer);
  // Nothing keeps the loop running while the helper thread works.
  const auto work = boost::asio::make_work_guard(loop.context());
  WL_CHECK(run_until(loop, [&] { return answer && (!*answer || (*answer)->whole); }));
  return *answer;
}

TEST(Lookup, GivesANumericAddressAsItIs) {
  const auto v4 = look_up("127.0.0.1");
  ASSERT_TRUE(v4);
  EXPECT_THAT(v4->found, ElementsAre(Lookup::Found{false, "127.0.0.1"}));
  const auto v6 = look_up("::1");
  ASSERT_TRUE(v6);
  EXPECT_THAT(v6->found, ElementsAre(Lookup::Found{true, "::1"}));
}

TEST(Lookup, FindsTheNameOfThisMachinesLoopback) {
  const auto found = look_up("localhost");
  ASSERT_TRUE(found);
  EXPECT_TRUE(std::ranges::any_of(found->found, [](const Lookup::Found& address) {
    return address.address == "127.0.0.1" || address.address == "::1";
  }));
}

TEST(Lookup, TellsThatANameCannotBeResolved) {
  // A label of more than 63 bytes: refused without asking any server.
  const auto found = look_up(std::string(64, 'x') + ".invalid");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, base::ErrorCode::kUnreachable);
}

TEST(Lookup, DestroyedItCallsNothing) {
  Loop loop;
  auto handle = lookup(loop, "127.0.0.1", [](const Answer&) { FAIL() << "cancelled"; });
  handle.reset();
  loop.run();
  handle = lookup(loop, "localhost", [](const Answer&) { FAIL() << "cancelled"; });
  handle.reset();
  loop.run();
}

TEST(Lookup, MayBeDestroyedInItsHandler) {
  Loop loop;
  std::unique_ptr<Lookup> handle;
  handle = lookup(loop, "127.0.0.1", [&](const Answer&) { handle.reset(); });
  EXPECT_TRUE(run_until(loop, [&] { return handle == nullptr; }));
}

}  // namespace
}  // namespace wakeline::io
