// SPDX-License-Identifier: Apache-2.0
#include "server/push_desk.h"

#include <gtest/gtest.h>

#include "io/clock.h"
#include "io/testing.h"
#include "store/store_testing.h"

namespace wakeline::server {
namespace {

TEST(PushDesk, IsLeftAloneByASweepThatEndsOnceItIsGone) {
  const io::TestFolder folder;
  const std::string path = folder.file("store.db");
  store::add_device(path, "door");
  store::Mailbox mailbox;
  const auto store = *store::Store::open({.path = path}, mailbox.post());
  // What waits is what a sweep plans the next one for.
  store::NewPush push = store::push_to("door");
  push.accepted = io::wall_now();
  push.expires = push.accepted + std::chrono::hours(1);
  bool stored = false;
  ASSERT_TRUE(store->add(push, [&](const auto& result) { stored = result.has_value(); }));
  ASSERT_TRUE(mailbox.run_until([&] { return stored; }));
  LoginGuard guard{Limits{}};
  const auto devices = *MqttFront::create({.store = *store, .guard = guard, .on_denied = nullptr},
                                          base::Duration::zero(), {});
  int armed = 0;
  TimerQueue timers([&](base::Instant) { ++armed; });
  auto desk = std::make_unique<PushDesk>(timers, *store, *devices);
  EXPECT_EQ(armed, 1);
  desk->on_deadline(io::now());
  desk.reset();
  armed = 0;
  bool settled = false;
  ASSERT_TRUE(store->run([](store::Database&) { return base::Result<void>(); },
                         [&](const auto&) { settled = true; }));
  ASSERT_TRUE(mailbox.run_until([&] { return settled; }));
  EXPECT_EQ(armed, 0);
}

}  // namespace
}  // namespace wakeline::server
