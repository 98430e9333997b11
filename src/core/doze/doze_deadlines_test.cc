// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

TEST(Deadlines, EveryAppsKeepAliveDueAtOnceFitsIntoOneEvent) {
  Bed bed;
  std::vector<AppId> apps = {bed.app};
  while (apps.size() < kAppsMax) apps.push_back(bed.add(std::to_string(apps.size())));
  EXPECT_EQ(bed.doze.add_app({.name = "one more"}).error().code, base::ErrorCode::kTooLarge);
  const Instant start = bed.now;
  for (const AppId id : apps) {
    bed.now = start;
    bed.launch(id);
    bed.tag(id);
    ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, id, 600s, bed.out));
  }
  bed.now = start + 10s;
  while (bed.doze.next_deadline() <= bed.now || !bed.out.empty()) {
    bed.doze.on_deadline(bed.now, bed.out);
    for (const Action& action : bed.take()) {
      if (const auto* sample = std::get_if<Sample>(&action)) {
        bed.doze.on_sample(bed.now, sample->app, bed.reading(sample->app), bed.out);
      } else if (const auto* suspend = std::get_if<Suspend>(&action)) {
        bed.doze.on_suspended(bed.now, suspend->app, bed.reading(suspend->app), bed.out);
      }
    }
  }
  EXPECT_EQ(bed.next().size(), 5 * kAppsMax + 1);
  EXPECT_EQ(bed.now, start + 600s);
  EXPECT_GT(bed.doze.next_deadline(), bed.now);
}

TEST(Deadlines, MoreThanOneEventHoldsIsFiredByTheNext) {
  Bed bed;
  for (int i = 0; i < 1'200; ++i) {
    const AppId id = bed.add(std::to_string(i));
    bed.launch(id);
    for (std::size_t k = 0; k < kTasksMax; ++k)
      ASSERT_TRUE(bed.doze.begin_task(bed.now, id, bed.out));
    bed.take();
  }
  std::size_t warned = 0;
  std::size_t killed = 0;
  for (const Duration span : {175s, 5s}) {
    bed.now += span;
    int events = 0;
    for (; bed.doze.next_deadline() <= bed.now && events < 100; ++events) {
      bed.doze.on_deadline(bed.now, bed.out);
      for (const Action& action : bed.take()) {
        warned += std::holds_alternative<ExpireTask>(action);
        killed += std::holds_alternative<Kill>(action);
      }
    }
    EXPECT_GT(events, 1);
  }
  EXPECT_EQ(warned, 1'200 * kTasksMax);
  EXPECT_EQ(killed, 1'200U);
}

TEST(Deadlines, FiringEarlyDoesNothing) {
  Bed bed;
  bed.launch(bed.app);
  const Doze before = bed.doze;
  bed.doze.on_deadline(bed.doze.next_deadline() - 1ns, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(bed.doze, before);
}

TEST(Deadlines, EventsOfAnUnknownAppAreIgnored) {
  Bed bed;
  const AppId nobody{99};
  bed.doze.on_launched(bed.now, nobody, bed.out);
  bed.doze.on_exited(bed.now, nobody, kExitCrashed, bed.out);
  bed.doze.on_sample(bed.now, nobody, {}, bed.out);
  bed.doze.on_suspended(bed.now, nobody, {}, bed.out);
  bed.doze.on_socket_event(bed.now, nobody, TagId{1}, SocketEvent::kData, bed.out);
  bed.doze.on_foreground(bed.now, nobody, bed.out);
  bed.doze.on_close_wanted(bed.now, nobody, bed.out);
  bed.doze.remove_app(bed.now, nobody, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(bed.doze.tag(bed.now, nobody, bed.out).error().code, base::ErrorCode::kNotFound);
  EXPECT_EQ(bed.doze.background_time_remaining(bed.now, nobody), 0s);
}

}  // namespace
}  // namespace wakeline::doze::testing
