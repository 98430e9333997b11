// SPDX-License-Identifier: Apache-2.0
#include "store/push_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "base/random.h"
#include "store/registry.h"
#include "store/test_folder.h"

namespace wakeline::store {
namespace {

using base::ErrorCode;
using std::chrono::hours;
using std::chrono::seconds;

base::WallTime at(base::Duration since) { return base::WallTime(hours(400'000) + since); }

NewPush lasting_push(std::string device, base::Duration ttl = hours(1)) {
  return {.device = std::move(device),
          .body = base::Bytes{1, 2, 3},
          .urgency = 2,
          .accepted = at(seconds(0)),
          .expires = at(ttl)};
}

class PushTableTest : public testing::Test {
 protected:
  PushTableTest() {
    auto registry = Registry::open(folder_.path("store.db"), Database::Mode::kWrite);
    EXPECT_TRUE(registry);
    door_ = *registry->add_device("door", TokenHash{1}, at(seconds(0)));
    window_ = *registry->add_device("window", TokenHash{2}, at(seconds(0)));
    registry_.emplace(std::move(*registry));
    database_.emplace(*Database::open(folder_.path("store.db"), Database::Mode::kWrite));
    table_.emplace(*PushTable::prepare(*database_, 3));
  }

  Sequence add(const NewPush& push) {
    const auto accepted = table_->add(push);
    EXPECT_TRUE(accepted) << to_string(accepted.error());
    return accepted ? accepted->sequence : 0;
  }
  std::vector<Sequence> pending(DeviceId device, base::WallTime now = at(seconds(0))) {
    return table_->pending(device, 0, 100, now)->sequences;
  }
  std::uint64_t waiting(const char* name) { return (*registry_->find_device(name))->waiting; }

  TestFolder folder_;
  std::optional<Registry> registry_;
  std::optional<Database> database_;
  std::optional<PushTable> table_;
  DeviceId door_;
  DeviceId window_;
};

TEST_F(PushTableTest, WithholdsFromAQuietDeviceAndGivesItNewNumbersAfterwards) {
  const auto push = [](std::uint8_t urgency) {
    NewPush made = lasting_push("door");
    made.urgency = urgency;
    return made;
  };
  EXPECT_EQ(add(push(1)), 1U);
  EXPECT_EQ(add(push(1)), 2U);
  // 1 may have been sent: it is not withheld.
  EXPECT_EQ(*table_->set_lowest(door_, 3, Sequence{1}), (LowestSet{2, 0}));
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{1}));
  const auto urgent = table_->add(push(3));
  ASSERT_TRUE(urgent);
  EXPECT_FALSE(urgent->held);
  ASSERT_TRUE(table_->remove(door_, 1));
  const auto held = table_->add(push(2));
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->held);
  EXPECT_EQ(held->sequence, 4U);
  EXPECT_EQ(table_->add(push(2)).error().code, ErrorCode::kBusy);  // they count as waiting
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{3}));
  // What the device has does not take along what it never saw.
  ASSERT_TRUE(table_->remove_through(door_, 3, at(seconds(0))));
  EXPECT_FALSE(*table_->any_through(door_, 10));
  EXPECT_EQ(waiting("door"), 2U);
  // By steps, in their order.
  EXPECT_EQ(*table_->set_lowest(door_, 2, std::nullopt), (LowestSet{5, 0}));
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{5}));
  EXPECT_EQ(*table_->set_lowest(door_, 0, std::nullopt), (LowestSet{6, 5}));
  // It is over since, and not anew.
  EXPECT_EQ(*table_->set_lowest(door_, 0, std::nullopt), (LowestSet{6, 5}));
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{5, 6}));
  EXPECT_EQ(add(push(0)), 7U);
  // Their senders know them by the numbers that they were told.
  EXPECT_TRUE(*table_->find_accepted(door_, 2, at(seconds(0))));
  EXPECT_TRUE(*table_->withdraw(door_, 2));
  EXPECT_FALSE(*table_->withdraw(door_, 2));
  EXPECT_FALSE(*table_->find_accepted(door_, 2, at(seconds(0))));
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{5, 7}));
  EXPECT_EQ(table_->set_lowest(DeviceId{99}, 0, std::nullopt).error().code, ErrorCode::kNotFound);
}

TEST_F(PushTableTest, NumbersThePushesOfEachDeviceFromOne) {
  EXPECT_EQ(table_->add(lasting_push("door")), (Accepted{door_, 1, true, false}));
  EXPECT_EQ(add(lasting_push("door")), 2U);
  EXPECT_EQ(add(lasting_push("window")), 1U);
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{1, 2}));
  EXPECT_EQ(waiting("door"), 2U);
  const auto found = table_->find(door_, 1, at(seconds(0)));
  EXPECT_EQ(*found, (Push{1, {1, 2, 3}, 2, at(hours(1))}));
}

TEST_F(PushTableTest, NeverUsesANumberAgain) {
  add(lasting_push("door"));
  EXPECT_TRUE(table_->remove(door_, 1));
  EXPECT_EQ(add(lasting_push("door")), 2U);
  EXPECT_TRUE(table_->remove_through(door_, ~Sequence{0}, at(seconds(0))));
  EXPECT_EQ(pending(door_), std::vector<Sequence>{});
  EXPECT_EQ(waiting("door"), 0U);
  EXPECT_EQ(add(lasting_push("door")), 3U);
}

TEST_F(PushTableTest, GivesADeviceThatIsMadeAgainHigherNumbers) {
  for (int i = 0; i < 3; ++i) add(lasting_push("door"));
  EXPECT_TRUE(registry_->remove_device("door"));
  EXPECT_EQ(table_->add(lasting_push("door")).error().code, ErrorCode::kNotFound);
  const DeviceId again = *registry_->add_device("door", TokenHash{1}, at(seconds(0)));
  EXPECT_NE(again, door_);
  EXPECT_EQ(pending(door_), std::vector<Sequence>{});
  EXPECT_EQ(add(lasting_push("door")), 4U);
}

TEST_F(PushTableTest, ReplacesAWaitingPushOfTheSameTopic) {
  auto push = lasting_push("door");
  push.topic = "lock";
  add(push);
  add(lasting_push("door"));
  EXPECT_EQ(add(push), 3U);
  push.device = "window";
  add(push);
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{2, 3}));
  EXPECT_EQ(pending(window_), (std::vector<Sequence>{1}));
  EXPECT_EQ(waiting("door"), 2U);
}

TEST_F(PushTableTest, AnswersARepeatedKeyWithTheFirstNumberAlsoAfterDelivery) {
  auto push = lasting_push("door");
  push.idempotency_key = "k1";
  EXPECT_EQ(add(push), 1U);
  EXPECT_TRUE(table_->remove(door_, 1));
  EXPECT_EQ(table_->add(push), (Accepted{door_, 1, false, true}));
  EXPECT_EQ(pending(door_), std::vector<Sequence>{});
  push.device = "window";
  EXPECT_EQ(add(push), 1U);
  push.device = "door";
  push.accepted = at(hours(1) + kIdempotencyKept - seconds(1));
  push.expires = push.accepted + hours(1);
  EXPECT_EQ(add(push), 1U);
  push.accepted += seconds(1);
  EXPECT_EQ(add(push), 2U);
}

TEST_F(PushTableTest, RefusesAKeyThatStandsForAnotherPush) {
  auto push = lasting_push("door");
  push.idempotency_key = "k1";
  push.fingerprint = "a";
  EXPECT_EQ(add(push), 1U);
  auto other = push;
  other.fingerprint = "b";
  EXPECT_EQ(table_->add(other).error(), kKeyTaken);
  other.idempotency_key = "k";  // the beginning of the first one's
  EXPECT_EQ(add(other), 2U);
  other.idempotency_key = "k1!";
  EXPECT_EQ(add(other), 3U);
  EXPECT_EQ(table_->add(push), (Accepted{door_, 1, false, true}));
  // Once it is forgotten it may stand for another, swept or not.
  other.idempotency_key = "k1";
  other.accepted = at(hours(1) + kIdempotencyKept);
  other.expires = other.accepted + hours(1);
  EXPECT_EQ(add(other), 4U);
  push.accepted = other.accepted;
  EXPECT_EQ(table_->add(push).error(), kKeyTaken);
}

TEST_F(PushTableTest, ForgetsTheKeysOfOlderVersionsAndSweepsThemInTheirTime) {
  // They had no fingerprint, and did not say whose they were.
  ASSERT_TRUE(
      database_->run("INSERT INTO keys (device, key, sequence, expires)"
                     " SELECT id, 'k1', 17, 4e12 FROM devices WHERE name = 'door'"));
  auto push = lasting_push("door");
  push.idempotency_key = "k1";
  EXPECT_EQ(table_->add(push), (Accepted{door_, 1, true, false}));
  EXPECT_EQ(*table_->sweep(base::WallTime(std::chrono::milliseconds(4'000'000'000'000)), 10), 3);
}

TEST_F(PushTableTest, RefusesAPushWhenTheQueueIsFull) {
  for (int i = 0; i < 3; ++i) add(lasting_push("door"));
  EXPECT_EQ(table_->add(lasting_push("door")).error().code, ErrorCode::kBusy);
  EXPECT_EQ(add(lasting_push("window")), 1U);
  EXPECT_TRUE(table_->remove(door_, 2));
  EXPECT_EQ(add(lasting_push("door")), 4U);  // a refused one used no number
}

TEST_F(PushTableTest, MakesRoomInAFullQueueByWhatExpiredOrIsReplaced) {
  auto push = lasting_push("door", seconds(10));
  push.topic = "lock";
  add(push);
  add(lasting_push("door"));
  add(lasting_push("door"));
  EXPECT_EQ(add(push), 4U);
  auto late = lasting_push("door");
  late.accepted = at(seconds(10));
  EXPECT_EQ(add(late), 5U);
  EXPECT_EQ(pending(door_, at(seconds(10))), (std::vector<Sequence>{2, 3, 5}));
  EXPECT_EQ(waiting("door"), 3U);
}

TEST_F(PushTableTest, ReplacesAPushInAQueueThatIsLongerThanItMayBe) {
  auto push = lasting_push("door");
  push.topic = "keep";
  add(push);
  for (int i = 0; i < 2; ++i) add(lasting_push("door"));
  auto smaller = PushTable::prepare(*database_, 1);
  ASSERT_TRUE(smaller);
  const auto replaced = smaller->add(push);
  ASSERT_TRUE(replaced) << to_string(replaced.error());
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{2, 3, 4}));
  push.topic = "another";
  EXPECT_EQ(smaller->add(push).error().code, ErrorCode::kBusy);
  EXPECT_EQ(pending(door_), (std::vector<Sequence>{2, 3, 4}));
  EXPECT_EQ(waiting("door"), 3U);
}

TEST_F(PushTableTest, KeepsNoPushThatIsOverWhenItComes) {
  auto push = lasting_push("door");
  push.topic = "lock";
  add(push);
  push.expires = push.accepted;
  EXPECT_EQ(table_->add(push), (Accepted{door_, 2, false, false}));
  EXPECT_EQ(pending(door_), std::vector<Sequence>{});  // and the older one is replaced by it
}

TEST_F(PushTableTest, HidesWhatExpiredAndSweepsItInSteps) {
  add(lasting_push("door", seconds(10)));
  add(lasting_push("door", seconds(20)));
  add(lasting_push("window", seconds(10)));
  EXPECT_EQ(*table_->next_expiry(), at(seconds(10)));
  EXPECT_EQ(pending(door_, at(seconds(10))), (std::vector<Sequence>{2}));
  EXPECT_EQ(*table_->find(door_, 1, at(seconds(10))), std::nullopt);
  EXPECT_EQ(table_->sweep(at(seconds(10)), 1), 1);
  EXPECT_EQ(table_->sweep(at(seconds(10)), 1), 1);
  EXPECT_EQ(table_->sweep(at(seconds(10)), 1), 0);
  EXPECT_EQ(*table_->next_expiry(), at(seconds(20)));
  EXPECT_EQ(waiting("door"), 1U);
  EXPECT_EQ(waiting("window"), 0U);
}

TEST_F(PushTableTest, SaysOfAnExpiredPushThatItIsGoneThoughALaterOneWasAcknowledged) {
  for (const seconds life : {seconds(10), seconds(20)}) {
    auto push = lasting_push("door", life);
    push.receipt = 7;
    add(push);
  }
  ASSERT_TRUE(table_->remove_through(door_, 2, at(seconds(10))));
  std::vector<std::pair<Sequence, int>> told;
  for (const Receipt& receipt : *table_->receipts().list(7, 0, 10))
    told.emplace_back(receipt.sequence, receipt.status);
  EXPECT_EQ(told, (std::vector<std::pair<Sequence, int>>{{1, ReceiptTable::kGone},
                                                         {2, ReceiptTable::kDelivered}}));
}

TEST_F(PushTableTest, PagesThroughWhatWaits) {
  for (int i = 0; i < 3; ++i) add(lasting_push("door"));
  EXPECT_EQ(table_->pending(door_, 0, 2, at(seconds(0))), (Pending{{1, 2}, true}));
  EXPECT_EQ(table_->pending(door_, 2, 2, at(seconds(0))), (Pending{{3}, false}));
  EXPECT_EQ(table_->pending(door_, ~Sequence{0}, 2, at(seconds(0))), (Pending{{}, false}));
}

/// Against a model in memory: what waits, with its numbers, after any history.
TEST_F(PushTableTest, BehavesAsAMapDoesOverAnyHistory) {
  const auto result = rc::check([this](std::uint64_t seed) {
    RC_ASSERT(database_->run("BEGIN"));
    base::Random random(seed);
    std::map<Sequence, NewPush> model;
    Sequence last = 0;
    base::WallTime now = at(seconds(0));
    for (int i = 0; i < 60; ++i) {
      now += seconds(random.below(5));
      std::erase_if(model, [&](const auto& item) { return item.second.expires <= now; });
      if (random.chance(2, 3)) {
        auto push = lasting_push("door");
        push.accepted = now;
        push.expires = now + seconds(random.below(30));
        if (random.chance(1, 2)) push.topic = "t" + std::to_string(random.below(2));
        const auto accepted = table_->add(push);
        if (!push.topic.empty())
          std::erase_if(model, [&](const auto& item) { return item.second.topic == push.topic; });
        const bool waits = push.expires > now;
        RC_ASSERT(accepted.has_value() == (!waits || model.size() < 3));
        if (accepted) RC_ASSERT(accepted->sequence == ++last);
        if (accepted && waits) model[last] = push;
      } else if (random.chance(1, 2)) {
        const Sequence sequence = random.below(last + 2);
        RC_ASSERT(table_->remove(door_, sequence));
        model.erase(sequence);
      } else {
        RC_ASSERT(table_->sweep(now, 100).has_value());
      }
      std::vector<Sequence> expected;
      for (const auto& [sequence, push] : model) expected.push_back(sequence);
      RC_ASSERT(pending(door_, now) == expected);
    }
    RC_ASSERT(database_->run("ROLLBACK"));
  });
  EXPECT_TRUE(result);
}

}  // namespace
}  // namespace wakeline::store
