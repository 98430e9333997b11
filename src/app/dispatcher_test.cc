// SPDX-License-Identifier: Apache-2.0
#include "app/dispatcher.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace wakeline::app {
namespace {

bool readable(const Dispatcher& dispatcher) {
  pollfd waited{dispatcher.fd(), POLLIN, 0};
  return ::poll(&waited, 1, 0) == 1;
}

TEST(Dispatcher, IsReadableExactlyWhileSomethingWaits) {
  auto dispatcher = *Dispatcher::create();
  EXPECT_FALSE(readable(dispatcher));
  EXPECT_EQ(dispatcher.dispatch(), 0u);
  dispatcher.post([] {});
  dispatcher.post([] {});
  EXPECT_TRUE(readable(dispatcher));
  EXPECT_EQ(dispatcher.dispatch(), 2u);
  EXPECT_FALSE(readable(dispatcher));
}

TEST(Dispatcher, LeavesWhatATaskPostsForTheNextCall) {
  auto dispatcher = *Dispatcher::create();
  std::string order;
  dispatcher.post([&] {
    order += 'a';
    dispatcher.post([&] { order += 'b'; });
  });
  EXPECT_EQ(dispatcher.dispatch(), 1u);
  EXPECT_EQ(order, "a");
  EXPECT_TRUE(readable(dispatcher));
  EXPECT_EQ(dispatcher.dispatch(), 1u);
  EXPECT_EQ(order, "ab");
}

/// Calls the library when the task that owns it is destroyed.
struct PostsAtItsEnd {
  explicit PostsAtItsEnd(Dispatcher& to) : dispatcher(to) {}
  PostsAtItsEnd(const PostsAtItsEnd&) = delete;
  PostsAtItsEnd& operator=(const PostsAtItsEnd&) = delete;
  ~PostsAtItsEnd() {
    dispatcher.post([] {});
  }
  Dispatcher& dispatcher;
};

TEST(Dispatcher, DestroysATaskWhereItMayPostAnother) {
  auto dispatcher = *Dispatcher::create();
  for (int i = 0; i < 2; ++i)
    dispatcher.post([owned = std::make_shared<PostsAtItsEnd>(dispatcher)] {});
  EXPECT_EQ(dispatcher.dispatch(), 2u);
  EXPECT_EQ(dispatcher.dispatch(), 2u) << "what they posted at their end";
}

TEST(Dispatcher, LetsAnExceptionThroughAndKeepsTheRest) {
  auto dispatcher = *Dispatcher::create();
  bool ran = false;
  dispatcher.post([] { throw std::runtime_error("the app's own"); });
  dispatcher.post([&] { ran = true; });
  EXPECT_THROW(dispatcher.dispatch(), std::runtime_error);
  EXPECT_FALSE(ran);
  EXPECT_TRUE(readable(dispatcher));
  EXPECT_EQ(dispatcher.dispatch(), 1u);
  EXPECT_TRUE(ran);
}

TEST(Dispatcher, RunsUntilItIsStoppedByAnotherThreadOrATask) {
  auto dispatcher = *Dispatcher::create();
  std::thread other([&] { dispatcher.stop(); });
  dispatcher.run();
  other.join();
  bool ran = false;
  dispatcher.post([&] {
    ran = true;
    dispatcher.stop();
  });
  dispatcher.run();
  EXPECT_TRUE(ran);
  dispatcher.stop();
  dispatcher.run();  // a stop that came before is not lost
}

}  // namespace
}  // namespace wakeline::app
