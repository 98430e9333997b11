// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <set>
#include <thread>

#include "base/random.h"
#include "store/store_testing.h"
#include "store/test_folder.h"

namespace wakeline::store {
namespace {

using base::ErrorCode;
using std::chrono::hours;
using std::chrono::milliseconds;

TEST(Store, AnswersInOrderWhenThePushesCanBeRead) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path}, mailbox.post());
  ASSERT_TRUE(store) << to_string(store.error());
  std::vector<Sequence> answered;
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE((*store)->add(push_to("door"), [&](base::Result<Accepted> accepted) {
      ASSERT_TRUE(accepted) << to_string(accepted.error());
      EXPECT_TRUE((*store)->find(door, accepted->sequence, kNow)->has_value());
      answered.push_back(accepted->sequence);
    }));
  }
  ASSERT_TRUE(mailbox.run_until([&] { return answered.size() == 1'000; }));
  for (Sequence sequence = 1; sequence <= 1'000; ++sequence)
    ASSERT_EQ(answered[sequence - 1], sequence);
}

TEST(Store, RefusesOnePushOfABatchAndTakesTheOthers) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path, .queue_max = 2}, mailbox.post());
  ASSERT_TRUE(store);
  std::vector<ErrorCode> codes;
  const auto note = [&](base::Result<Accepted> accepted) {
    codes.push_back(accepted ? ErrorCode::kOk : accepted.error().code);
  };
  for (const char* device : {"door", "nobody", "door", "door"})
    ASSERT_TRUE((*store)->add(push_to(device), note));
  ASSERT_TRUE(mailbox.run_until([&] { return codes.size() == 4; }));
  EXPECT_EQ(codes,
            (std::vector{ErrorCode::kOk, ErrorCode::kNotFound, ErrorCode::kOk, ErrorCode::kBusy}));
}

TEST(Store, TellsAFullDiskFromOtherFailuresAndStillDeletes) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path, .queue_max = 5'000, .pages_max = 60}, mailbox.post());
  ASSERT_TRUE(store);
  ErrorCode last = ErrorCode::kOk;
  Sequence stored = 0;
  const auto add = [&] {
    bool done = false;
    ASSERT_TRUE((*store)->add(push_to("door", 4'000), [&](base::Result<Accepted> accepted) {
      last = accepted ? ErrorCode::kOk : accepted.error().code;
      if (accepted) stored = accepted->sequence;
      done = true;
    }));
    ASSERT_TRUE(mailbox.run_until([&] { return done; }));
  };
  // The journal has room for a thousand more; it must not take what can never leave it.
  for (int i = 0; i < 5'000 && last == ErrorCode::kOk; ++i) add();
  EXPECT_EQ(last, ErrorCode::kStorageFull);
  EXPECT_GT(stored, 10U);
  EXPECT_EQ((*store)->pending(door, 0, 5'000, kNow)->sequences.size(), stored);
  (*store)->remove_through(door, stored, kNow);
  (*store)->remove(door, stored);
  add();
  EXPECT_EQ(last, ErrorCode::kOk);
  EXPECT_EQ((*store)->pending(door, 0, 5'000, kNow)->sequences, std::vector{stored});
}

TEST(Store, ShowsNoPushWhoseDeletionIsOnItsWay) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path}, mailbox.post());
  ASSERT_TRUE(store);
  Sequence stored = 0;
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(
        (*store)->add(push_to("door"), [&](const auto& accepted) { stored = accepted->sequence; }));
  ASSERT_TRUE(mailbox.run_until([&] { return stored == 5; }));
  (*store)->remove(door, 1);
  (*store)->remove(door, 3);
  (*store)->remove(door, 3);
  EXPECT_EQ((*store)->pending(door, 0, 2, kNow), (Pending{{2, 4}, true}));
  EXPECT_EQ((*store)->pending(door, 2, 2, kNow), (Pending{{4, 5}, false}));
  EXPECT_EQ(*(*store)->find(door, 3, kNow), std::nullopt);
  std::int64_t swept = -1;  // comes behind the deletions
  (*store)->sweep(kNow, [&](base::Result<std::int64_t> count) { swept = *count; });
  ASSERT_TRUE(mailbox.run_until([&] { return swept == 0; }));
  EXPECT_EQ((*store)->pending(door, 0, 3, kNow), (Pending{{2, 4, 5}, false}));
}

TEST(Store, TellsTheWritersThreadOfAPushThatWasTakenBeforeItAnswers) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path}, mailbox.post());
  ASSERT_TRUE(store);
  auto reader = (*store)->reader();
  ASSERT_TRUE(reader);
  std::atomic<int> told = 0;
  std::atomic<bool> durable = false;
  const auto here = std::this_thread::get_id();
  int answers = 0;
  for (const char* name : {"nobody", "door"}) {
    ASSERT_TRUE((*store)->put(
        std::make_shared<const NewPush>(push_to(name)),
        [&](const base::Result<Accepted>& result) {
          ++answers;
          EXPECT_EQ(told, result ? 1 : 0);
        },
        [&](const Accepted& accepted, bool) {
          EXPECT_NE(std::this_thread::get_id(), here);
          durable = (*reader)->find(door, accepted.sequence, kNow)->has_value();
          ++told;
        }));
    (*store)->flush();
    ASSERT_TRUE(mailbox.run_until([&] { return answers == (name[0] == 'n' ? 1 : 2); }));
  }
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(durable);
}

TEST(Store, ReadsOneMomentUntilALaterOneBegins) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path}, mailbox.post());
  ASSERT_TRUE(store);
  auto reader = (*store)->reader();
  ASSERT_TRUE(reader);
  const auto waiting = [&] { return (*reader)->pending(door, 0, 10, kNow)->sequences.size(); };
  const auto knows = [&](const char* name) { return (*reader)->find_device(name)->has_value(); };

  (*reader)->begin_moment();
  EXPECT_EQ(waiting(), 0U);
  EXPECT_TRUE(knows("door"));
  bool added = false;
  NewPush push = push_to("door");
  push.topic = "state";  // no plain one, which can be seen at once
  ASSERT_TRUE((*store)->add(push, [&](const base::Result<Accepted>&) { added = true; }));
  ASSERT_TRUE(mailbox.run_until([&] { return added; }));
  add_device(path, "window");
  EXPECT_EQ(waiting(), 0U);
  EXPECT_FALSE(knows("window"));
  (*reader)->begin_moment();
  EXPECT_EQ(waiting(), 1U);
  EXPECT_TRUE(knows("window"));
  (*reader)->end_moment();
  add_device(path, "gate");
  EXPECT_TRUE(knows("gate"));
}

TEST(Store, HidesWhatIsDeletedAlsoInAMomentInWhichItIsStillThere) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path}, mailbox.post());
  ASSERT_TRUE(store);
  auto reader = (*store)->reader();
  ASSERT_TRUE(reader);
  const auto waits = [&](Sequence sequence) {
    const bool found = (*reader)->find(door, sequence, kNow)->has_value();
    const auto listed = (*reader)->pending(door, 0, 10, kNow)->sequences;
    EXPECT_EQ(std::ranges::count(listed, sequence), found ? 1 : 0);
    return found;
  };
  int added = 0;
  for (int i = 0; i < 3; ++i) {
    NewPush push = push_to("door");
    push.topic = "t" + std::to_string(i);  // in the tables
    ASSERT_TRUE((*store)->add(push, [&](const base::Result<Accepted>&) { ++added; }));
  }
  ASSERT_TRUE(mailbox.run_until([&] { return added == 3; }));

  (*reader)->begin_moment();
  EXPECT_TRUE(waits(1));
  (*reader)->remove(door, 1);
  EXPECT_FALSE(waits(1));
  ASSERT_TRUE(mailbox.run_until([&] { return (*store)->acknowledged() == 1; }));
  EXPECT_FALSE(waits(1));
  (*reader)->begin_moment();
  EXPECT_FALSE(waits(1));
  EXPECT_TRUE(waits(2));
  (*reader)->end_moment();
  // And where each read is a moment of its own.
  (*reader)->remove(door, 2);
  EXPECT_FALSE(waits(2));
  ASSERT_TRUE(mailbox.run_until([&] { return (*store)->acknowledged() == 2; }));
  EXPECT_FALSE(waits(2));
  EXPECT_TRUE(waits(3));
}

TEST(Store, WritesWhatIsQueuedBeforeItCloses) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  {
    Mailbox mailbox;
    auto store = Store::open({.path = path}, mailbox.post());
    ASSERT_TRUE(store);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE((*store)->add(push_to("door"), [](const auto&) {}));
    (*store)->remove(door, 1);
  }
  auto store = Store::open({.path = path}, [](const auto&) {});
  EXPECT_EQ((*store)->pending(door, 0, 20, kNow)->sequences.size(), 9U);
}

TEST(Store, SweepsAndSaysHowMuch) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  add_device(path, "door");
  Mailbox mailbox;
  auto store = Store::open({.path = path}, mailbox.post());
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->add(push_to("door"), [](const auto&) {}));
  std::int64_t swept = -1;
  (*store)->sweep(kNow + hours(1), [&](base::Result<std::int64_t> count) { swept = *count; });
  ASSERT_TRUE(mailbox.run_until([&] { return swept >= 0; }));
  EXPECT_EQ(swept, 1);
  EXPECT_EQ(*(*store)->next_expiry(), std::nullopt);
}

/// The child of the crash test: writes pushes as fast as it can, and says each number on the pipe
/// when the store has answered for it. Deletes some, and says so before it asks for it.
[[noreturn]] void write_until_killed(const std::string& path, DeviceId door, int pipe,
                                     std::size_t window) {
  Mailbox mailbox;
  auto store = Store::open({.path = path, .queue_max = 1'000'000}, mailbox.post());
  if (!store) _exit(1);
  std::size_t under_way = 0;
  for (;;) {
    for (; under_way < window; ++under_way) {
      const auto queued = (*store)->add(push_to("door"), [&](base::Result<Accepted> accepted) {
        --under_way;
        if (!accepted) _exit(2);
        auto number = static_cast<std::int64_t>(accepted->sequence);
        if (write(pipe, &number, sizeof number) != sizeof number) _exit(3);
        if (accepted->sequence % 3 != 0) return;
        number = -number;
        if (write(pipe, &number, sizeof number) != sizeof number) _exit(3);
        (*store)->remove(door, accepted->sequence);
      });
      if (!queued) _exit(4);
    }
    if (!mailbox.run_until([&] { return under_way < window; })) _exit(5);
  }
}

TEST(Store, HasEveryAnsweredPushAfterItsProcessWasKilled) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  const DeviceId door = add_device(path, "door");
  base::Random random(static_cast<std::uint64_t>(getpid()));
  std::set<Sequence> answered;
  std::set<Sequence> maybe_deleted;
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipe[0]);
      // By turns few enough for the thread that asks to write them itself, and many.
      write_until_killed(path, door, pipe[1], round % 2 == 0 ? 32 : 2);
    }
    close(pipe[1]);
    // The child is killed after a random number of answers, in the middle of the next commit.
    std::uint64_t left = 1 + random.below(400);
    std::int64_t number = 0;
    while (read(pipe[0], &number, sizeof number) == sizeof number) {
      if (number > 0)
        ASSERT_TRUE(answered.insert(static_cast<Sequence>(number)).second) << number;
      else
        maybe_deleted.insert(static_cast<Sequence>(-number));
      if (left == 1) kill(child, SIGKILL);
      if (left > 0) --left;
    }
    close(pipe[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

    auto store = Store::open({.path = path}, [](const auto&) {});
    ASSERT_TRUE(store) << to_string(store.error());
    const auto found = (*store)->pending(door, 0, 60'000, kNow);
    ASSERT_TRUE(found);
    const std::set<Sequence> there(found->sequences.begin(), found->sequences.end());
    for (const Sequence sequence : answered)
      ASSERT_TRUE(there.contains(sequence) || maybe_deleted.contains(sequence)) << sequence;
  }
  EXPECT_GT(answered.size(), 100U);
}

}  // namespace
}  // namespace wakeline::store
