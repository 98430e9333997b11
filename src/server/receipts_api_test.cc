// SPDX-License-Identifier: Apache-2.0
#include "server/receipts_api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "io/testing.h"
#include "store/store_testing.h"

namespace wakeline::server {
namespace {

class ReceiptsApiTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = store::Store::open({.path = folder_.file("store.db")}, mailbox_.post());
    ASSERT_TRUE(store) << to_string(store.error());
    store_ = std::move(*store);
    api_ = std::make_unique<ReceiptsApi>(
        timers_, ReceiptsApi::Parts{.store = *store_,
                                    .messages_secret = base::Bytes(32, 1),
                                    .secret = base::Bytes(32, 2),
                                    .public_url = "https://push.example.org"});
  }
  /// A fetch that would wait. Returns: its number.
  std::size_t fetch(const std::string& peer) {
    const std::size_t number = statuses_.size();
    statuses_.push_back(0);
    api_->handle(
        {.method = "GET",
         .target = api_->path_of(number + 1),
         .fields = {{"prefer", "wait=60"}},
         .peer = peer},
        [this, number](const HttpResponse& response) { statuses_[number] = response.status; });
    return number;
  }

  io::TestFolder folder_;
  store::Mailbox mailbox_;
  std::unique_ptr<store::Store> store_;
  TimerQueue timers_{[](base::Instant) {}};
  std::unique_ptr<ReceiptsApi> api_;
  std::vector<unsigned> statuses_;  ///< of the fetches; 0: it waits
};

TEST_F(ReceiptsApiTest, LetsNobodyKeepTheFetchesOfOthersFromWaiting) {
  for (std::size_t i = 0; i < ReceiptsApi::kWaitersMax; ++i)
    fetch("2001:db8::" + std::to_string(i));
  EXPECT_EQ(statuses_, std::vector<unsigned>(ReceiptsApi::kWaitersMax, 0));
  const std::size_t other = fetch("192.0.2.1");
  EXPECT_EQ(statuses_[other], 0U);
  EXPECT_EQ(statuses_[0], 204U);  // the oldest of who has the most
  for (std::size_t i = 0; i < 2 * ReceiptsApi::kWaitersMax; ++i) fetch("2001:db8::1");
  EXPECT_EQ(statuses_[other], 0U);
  EXPECT_EQ(std::ranges::count(statuses_, 0U),
            static_cast<std::ptrdiff_t>(ReceiptsApi::kWaitersMax));
}

}  // namespace
}  // namespace wakeline::server
