// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>

#include "app/host_testing.h"

namespace wakeline::app::test {
namespace {

using Heard = std::vector<host::Message>;

/// Two ends of a TCP connection on the loopback, and its listener.
struct TcpPair {
  TcpPair() {
    listener.reset(::socket(AF_INET, SOCK_STREAM, 0));
    ours.reset(::socket(AF_INET, SOCK_STREAM, 0));
    WL_CHECK(listener && ours);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    WL_CHECK(::bind(listener.get(), name, size) == 0 && ::listen(listener.get(), 1) == 0);
    WL_CHECK(::getsockname(listener.get(), name, &size) == 0);
    WL_CHECK(::connect(ours.get(), name, size) == 0);
    theirs.reset(::accept(listener.get(), nullptr, nullptr));
  }
  io::UniqueFd listener;
  io::UniqueFd ours;
  io::UniqueFd theirs;
};

class AppTest : public testing::Test {
 protected:
  App create() {
    auto app = App::create({.host_path = path});
    WL_CHECK(app.has_value());
    return std::move(*app);
  }

  io::TestFolder folder;
  std::string path = folder.file("host.sock");
  TcpPair tcp;
};

/// As AppTest, and with a host.
class HostedAppTest : public AppTest {
 protected:
  TestHost peer{path};
};

TEST_F(AppTest, WithoutAHostItIsInTheForegroundAndSaysWhy) {
  ::unsetenv("WAKELINE_HOST");
  const auto app = App::create();
  ASSERT_TRUE(app);
  EXPECT_EQ(app->host().error(),
            (Error{ErrorCode::kNoHost, "no Wakeline host: WAKELINE_HOST is not set"}));
  EXPECT_EQ(app->state(), AppState::kForeground);
  EXPECT_EQ(app->launch_reason(), LaunchReason::kUser);
  EXPECT_EQ(create().host().error().code, ErrorCode::kNoHost);
}

TEST_F(AppTest, WithoutAHostEverythingWorksAndNobodyIsNotified) {
  App app = create();
  const auto tag = app.tag(tcp.ours.get());
  ASSERT_TRUE(tag);
  EXPECT_FALSE(tag->is_wake_capable());
  EXPECT_TRUE(app.begin_background_task("work", [] {}));
  EXPECT_EQ(app.background_time_remaining(), std::nullopt);
  EXPECT_EQ(code(app.notify({.title = "ring"})), ErrorCode::kNoHost);
}

TEST_F(AppTest, RefusesWhatIsNoConnectionByItsOwnError) {
  App app = create();
  const io::UniqueFd device(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const io::UniqueFd udp(::socket(AF_INET, SOCK_DGRAM, 0));
  const io::UniqueFd unconnected(::socket(AF_INET, SOCK_STREAM, 0));
  const io::UniqueFd local(::socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_EQ(code(app.tag(-1)), ErrorCode::kNotSocket);
  EXPECT_EQ(code(app.tag(device.get())), ErrorCode::kNotSocket);
  EXPECT_EQ(code(app.tag(udp.get())), ErrorCode::kNotTcp);
  EXPECT_EQ(code(app.tag(local.get())), ErrorCode::kNotTcp);
  EXPECT_EQ(code(app.tag(tcp.listener.get())), ErrorCode::kListening);
  EXPECT_EQ(code(app.tag(unconnected.get())), ErrorCode::kNotConnected);
  EXPECT_EQ(code(app.enable_backgrounding(unconnected.get())), ErrorCode::kNotConnected);
}

TEST_F(AppTest, HoldsKeepAliveToItsMinimumAndTellsOfAReplacement) {
  App app = create();
  EXPECT_EQ(code(app.set_keep_alive_timeout(seconds(599), [] {})), ErrorCode::kTooShort);
  EXPECT_EQ(code(app.set_keep_alive_timeout(seconds(600), nullptr)), ErrorCode::kNoHandler);
  EXPECT_FALSE(*app.set_keep_alive_timeout(seconds(600), [] {}));
  EXPECT_TRUE(*app.set_keep_alive_timeout(seconds(900), [] {}));
  app.clear_keep_alive_timeout();
  EXPECT_FALSE(*app.set_keep_alive_timeout(seconds(600), [] {}));
}

TEST_F(AppTest, RefusesATaskWithoutHandlerOrWithALongName) {
  App app = create();
  EXPECT_EQ(code(app.begin_background_task("work", nullptr)), ErrorCode::kNoHandler);
  EXPECT_EQ(code(app.begin_background_task(std::string(65, 'x'), [] {})), ErrorCode::kTooLarge);
}

TEST_F(HostedAppTest, LearnsFromTheWelcomeWhoAndWhereItIs) {
  const App app = create();
  const auto info = app.host();
  ASSERT_TRUE(info);
  EXPECT_EQ(*info, (HostInfo{.app = "doorbell",
                             .profile = "linux",
                             .wake_window = seconds(10),
                             .keep_alive_min = seconds(600),
                             .task_pool = seconds(180)}));
  EXPECT_EQ(app.launch_reason(), LaunchReason::kCrash);
  EXPECT_EQ(app.state(), AppState::kBackground);
}

TEST_F(HostedAppTest, SendsTheSocketBesideTheTagAndEndsItWithTheObject) {
  App app = create();
  const int fd = tcp.ours.get();
  {
    const auto tag = app.tag(fd);
    ASSERT_TRUE(tag);
    EXPECT_TRUE(tag->is_wake_capable());
  }
  EXPECT_EQ(peer.take(3),
            (Heard{host::Tag{.fd = fd}, host::QueryTag{.tag = 1}, host::Untag{.tag = 1}}));
  EXPECT_EQ(peer.descriptors(), 1u);
}

TEST_F(HostedAppTest, AsksOnceMoreWhetherAConnectionIsWakeCapable) {
  App app = create();
  ASSERT_TRUE(app.enable_backgrounding(tcp.ours.get()));
  const auto answer_value = [&](std::uint64_t value) {
    peer.answer_with([value](const host::Message&, host::RequestId request) {
      return host::Reply{request, base::ErrorCode::kOk, {}, value};
    });
  };
  answer_value(1);
  EXPECT_TRUE(app.is_wake_capable(tcp.ours.get()));
  answer_value(0);
  EXPECT_FALSE(app.is_wake_capable(tcp.ours.get()));
  EXPECT_FALSE(app.is_wake_capable(tcp.theirs.get()));
  EXPECT_EQ(peer.heard().size(), 3u);
}

TEST_F(HostedAppTest, GivesTheHostsRefusalWithItsAdvice) {
  App app = create();
  peer.answer_with(TestHost::refuse(base::ErrorCode::kNotDeclared, "add voip to the manifest"));
  const Error refusal{ErrorCode::kNotDeclared, "add voip to the manifest"};
  EXPECT_EQ(app.tag(tcp.ours.get()).error(), refusal);
  EXPECT_EQ(app.begin_background_task("work", [] {}).error(), refusal);
  EXPECT_EQ(app.set_keep_alive_timeout(seconds(600), [] {}).error(), refusal);
  EXPECT_EQ(app.notify({.title = "ring"}).error(), refusal);
  // Nothing was installed.
  peer.answer_with([](const host::Message&, host::RequestId request) {
    return host::Reply{request, base::ErrorCode::kOk, {}, 1};
  });
  EXPECT_FALSE(*app.set_keep_alive_timeout(seconds(600), [] {}));
}

TEST_F(HostedAppTest, RunsTheHandlerOfATaskThatExpiresAndEndsIt) {
  App app = create();
  std::optional<BackgroundTask> task;
  auto begun = app.begin_background_task("upload", [&] { task.reset(); });
  ASSERT_TRUE(begun);
  task = std::move(*begun);
  peer.send(host::ExpireTask{.task = 1, .left_ms = 5'000});
  EXPECT_TRUE(dispatch_until(app, [&] { return !task; }));
  EXPECT_EQ(peer.take(2), (Heard{host::BeginTask{.name = "upload"}, host::EndTask{.task = 1}}));
}

TEST_F(HostedAppTest, AsksForTheTimeThatIsLeft) {
  App app = create();
  const auto left = [&](std::uint64_t value) {
    peer.answer_with([value](const host::Message&, host::RequestId request) {
      return host::Reply{request, base::ErrorCode::kOk, {}, value};
    });
    return app.background_time_remaining();
  };
  EXPECT_EQ(left(1'500), milliseconds(1'500));
  EXPECT_EQ(left(host::kTimeUnlimited), std::nullopt);
  EXPECT_EQ(peer.take(2), (Heard{host::QueryTime{}, host::QueryTime{}}));
}

TEST_F(HostedAppTest, RunsTheKeepAliveHandlerAndSaysWhenItReturnedAlsoByAnException) {
  App app = create();
  int runs = 0;
  ASSERT_TRUE(app.set_keep_alive_timeout(seconds(900), [&] {
    if (++runs == 2) throw std::runtime_error("the app's own");
  }));
  peer.send(host::RunKeepAlive{.budget_ms = 10'000});
  EXPECT_TRUE(dispatch_until(app, [&] { return runs == 1; }));
  EXPECT_EQ(peer.take(2), (Heard{host::SetKeepAlive{.timeout_s = 900}, host::KeepAliveDone{}}));
  peer.send(host::RunKeepAlive{.budget_ms = 10'000});
  EXPECT_THROW(dispatch_until(app, [&] { return runs == 2; }), std::runtime_error);
  EXPECT_EQ(peer.take(1), Heard{host::KeepAliveDone{}});
  app.clear_keep_alive_timeout();
  EXPECT_EQ(peer.take(1), Heard{host::SetKeepAlive{.timeout_s = 0}});
}

TEST_F(HostedAppTest, CallsNoHandlerThatWasTakenAwayWhileItWaitedToBeDispatched) {
  App app = create();
  int runs = 0;
  const auto count = [&] { ++runs; };
  auto task = app.begin_background_task("task", count);
  ASSERT_TRUE(task);
  peer.send(host::ExpireTask{.task = 1, .left_ms = 5'000});
  ASSERT_TRUE(becomes_readable(app.fd()));
  *task = BackgroundTask();
  EXPECT_EQ(app.dispatch(), 1U);
  // The host is told all the same that the handler has returned.
  ASSERT_TRUE(app.set_keep_alive_timeout(seconds(600), count));
  peer.take(3);
  peer.send(host::RunKeepAlive{.budget_ms = 10'000});
  ASSERT_TRUE(becomes_readable(app.fd()));
  app.clear_keep_alive_timeout();
  EXPECT_EQ(app.dispatch(), 1U);
  EXPECT_EQ(peer.take(2), (Heard{host::SetKeepAlive{.timeout_s = 0}, host::KeepAliveDone{}}));
  ASSERT_TRUE(app.set_keep_alive_timeout(seconds(600), count));
  peer.send(host::RunKeepAlive{.budget_ms = 10'000});
  ASSERT_TRUE(becomes_readable(app.fd()));
  bool later = false;
  ASSERT_TRUE(app.set_keep_alive_timeout(seconds(600), [&] { later = true; }));
  EXPECT_EQ(app.dispatch(), 1U);
  EXPECT_EQ(runs, 0);
  EXPECT_FALSE(later);
}

TEST_F(HostedAppTest, C16OfHandlersThatTwoThreadsSetTheLastOneIsRun) {
  App app = create();
  std::atomic<int> runs = 0;
  const auto set_some = [&] {
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(app.set_keep_alive_timeout(seconds(600 + i % 2), [&] { ++runs; }));
    }
  };
  std::thread other(set_some);
  set_some();
  other.join();
  peer.send(host::RunKeepAlive{.budget_ms = 10'000});
  EXPECT_TRUE(dispatch_until(app, [&] { return runs > 0; }));
  EXPECT_EQ(runs, 1);
}

TEST_F(HostedAppTest, CallsTheHandlersOfStateWakeAndNotification) {
  App app = create();
  std::vector<std::string> called;
  app.on_foreground([&] { called.emplace_back("foreground"); });
  app.on_background([&] { called.emplace_back("background"); });
  app.on_woken([&](WakeCause cause) { called.emplace_back(name(cause)); });
  app.on_notification_response([&](const NotificationResponse& response) {
    called.push_back(response.action + " " + response.payload + " " +
                     std::to_string(response.notification));
  });
  peer.send(host::Woken{.cause = host::WakeCause::kSocketData, .tag = 3, .window_ms = 10'000});
  peer.send(host::StateChanged{host::AppState::kForeground});
  peer.send_text("not a message of ours");
  peer.send(host::NotificationActivated{
      .notification = 7, .action = "answer", .payload = "p", .activation_token = "focus"});
  peer.send(host::StateChanged{host::AppState::kBackground});
  EXPECT_TRUE(dispatch_until(app, [&] { return called.size() == 4; }));
  EXPECT_EQ(called,
            (std::vector<std::string>{"socket_data", "foreground", "answer p 7", "background"}));
}

TEST_F(HostedAppTest, AHandlerKeepsWhatItHoldsFromCallToCall) {
  App app = create();
  std::vector<int> counts;
  app.on_woken([&counts, count = 0](WakeCause) mutable { counts.push_back(++count); });
  for (int i = 0; i < 3; ++i)
    peer.send(host::Woken{.cause = host::WakeCause::kSocketData, .tag = 3, .window_ms = 10'000});
  EXPECT_TRUE(dispatch_until(app, [&] { return counts.size() == 3; }));
  EXPECT_EQ(counts, (std::vector<int>{1, 2, 3}));
}

/// Calls the library when the handler that owns it is destroyed.
struct CallsAtItsEnd {
  CallsAtItsEnd(App& called, int& count) : app(called), ended(count) {}
  CallsAtItsEnd(const CallsAtItsEnd&) = delete;
  CallsAtItsEnd& operator=(const CallsAtItsEnd&) = delete;
  ~CallsAtItsEnd() {
    EXPECT_FALSE(app.is_wake_capable(-1));
    EXPECT_EQ(app.state(), AppState::kBackground);
    app.on_background({});
    ++ended;
  }
  App& app;
  int& ended;
};

TEST_F(HostedAppTest, AHandlerMayCallTheLibraryAtItsEnd) {
  App app = create();
  int ended = 0;
  const auto handler = [&] { return [owned = std::make_shared<CallsAtItsEnd>(app, ended)] {}; };
  app.on_foreground(handler());
  app.on_foreground({});
  EXPECT_EQ(ended, 1);
  ASSERT_TRUE(app.set_keep_alive_timeout(seconds(600), handler()));
  ASSERT_TRUE(*app.set_keep_alive_timeout(seconds(600), handler()));
  EXPECT_TRUE(dispatch_until(app, [&] { return ended == 2; })) << "one was replaced";
  app.clear_keep_alive_timeout();
  EXPECT_TRUE(dispatch_until(app, [&] { return ended == 3; }));
  ASSERT_TRUE(app.begin_background_task("work", handler()));  // and ended at once
  EXPECT_TRUE(dispatch_until(app, [&] { return ended == 4; }));
  ASSERT_TRUE(app.request_wake(milliseconds(0), seconds(60), handler()));
  EXPECT_TRUE(dispatch_until(app, [&] { return ended == 5; }));
  EXPECT_FALSE(app.set_keep_alive_timeout(seconds(1), handler()));
  EXPECT_TRUE(dispatch_until(app, [&] { return ended == 6; })) << "one was refused";
}

TEST_F(HostedAppTest, SendsAWholeNotificationAndRefusesAFaultyOneItself) {
  App app = create();
  Notification ring{.title = "Someone is at the door",
                    .body = "front",
                    .category = "call.incoming",
                    .sound = "phone-incoming-call",
                    .tag = "door",
                    .payload = "42",
                    .urgency = NotificationUrgency::kCritical,
                    .actions = {{.id = "answer", .label = "Answer"}}};
  EXPECT_EQ(*app.notify(ring), 1u);
  host::Notification sent;
  sent.title = ring.title;
  sent.body = ring.body;
  sent.category = ring.category;
  sent.sound = ring.sound;
  sent.tag = ring.tag;
  sent.payload = ring.payload;
  sent.urgency = host::Urgency::kCritical;
  sent.actions = {{"answer", "Answer"}};
  EXPECT_EQ(peer.take(1), Heard{host::Notify{.notification = sent}});
  EXPECT_EQ(code(app.notify({.body = "no title"})), ErrorCode::kInvalidArgument);
  ring.actions.resize(5, {.id = "a", .label = "A"});
  EXPECT_EQ(code(app.notify(ring)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(app.notify({.title = "t", .body = std::string(40'000, 'x')})),
            ErrorCode::kTooLarge);
}

TEST_F(HostedAppTest, AsksARestartedHostForAllAgainButNotForAClosedConnection) {
  App app = create();
  TcpPair closed;
  const auto tag = app.tag(tcp.ours.get());
  ASSERT_TRUE(tag && app.enable_backgrounding(closed.ours.get()));
  const auto task = app.begin_background_task("work", [] {});
  ASSERT_TRUE(task && app.set_keep_alive_timeout(seconds(600), [] {}));
  peer.take(4);
  peer.stop();
  ASSERT_TRUE(dispatch_until(app, [&] { return !app.host(); }));
  EXPECT_EQ(app.host().error().code, ErrorCode::kNoHost);
  EXPECT_FALSE(tag->is_wake_capable());
  EXPECT_EQ(code(app.notify({.title = "ring"})), ErrorCode::kNoHost);

  closed = TcpPair();  // closes both ends; the descriptors' numbers may be used again
  peer.listen();
  EXPECT_EQ(peer.take(3), (Heard{host::Tag{.fd = tcp.ours.get()}, host::BeginTask{.name = "work"},
                                 host::SetKeepAlive{.timeout_s = 600}}));
  EXPECT_TRUE(dispatch_until(app, [&] { return app.host().has_value(); }));
}

TEST_F(HostedAppTest, IsInTheForegroundAndInNoCallWhileItsHostIsGone) {
  App app = create();
  int told = 0;
  app.on_foreground([&] { ++told; });
  app.on_background([&] { ++told; });
  peer.send(host::CallStateChanged{host::CallState::kActive});
  ASSERT_TRUE(dispatch_until(app, [&] { return app.call_state() == CallState::kActive; }));
  ASSERT_EQ(app.state(), AppState::kBackground);
  peer.stop();
  ASSERT_TRUE(dispatch_until(app, [&] { return !app.host(); }));
  EXPECT_EQ(app.state(), AppState::kForeground);
  EXPECT_EQ(app.call_state(), CallState::kEnded);
  peer.listen();
  ASSERT_TRUE(dispatch_until(app, [&] { return app.host().has_value(); }));
  EXPECT_EQ(app.state(), AppState::kBackground);
  EXPECT_EQ(told, 0) << "nobody brought it to the front";
}

TEST_F(HostedAppTest, SaysWhyTheHostRefusesThisProcess) {
  peer.greet_with(host::Reply{0, base::ErrorCode::kPermission, "no app of this host", 0});
  const App app = create();
  EXPECT_EQ(app.host().error(),
            (Error{ErrorCode::kPermission,
                   "the Wakeline host refuses this process: no app of this host"}));
}

TEST_F(HostedAppTest, WaitsTwoSecondsForASilentHost) {
  peer.greet_with(std::nullopt);
  const App app = create();
  EXPECT_EQ(app.host().error(), (Error{ErrorCode::kTimeout, "the Wakeline host does not answer"}));
}

TEST_F(HostedAppTest, C5ATagFromBeforeTheWelcomeIsAskedForWhenTheHostAnswersAtLast) {
  peer.greet_with(std::nullopt);  // silent, as a host that is busy
  App app = create();
  ASSERT_FALSE(app.host());
  const auto tag = app.tag(tcp.ours.get());
  ASSERT_TRUE(tag);
  EXPECT_FALSE(tag->is_wake_capable());
  peer.greet_with(TestHost::welcome());
  EXPECT_TRUE(std::holds_alternative<host::Tag>(peer.take(1)[0]));
  EXPECT_EQ(peer.descriptors(), 1U);
  EXPECT_TRUE(dispatch_until(app, [&] { return tag->is_wake_capable(); }));
}

TEST_F(HostedAppTest, C5ATagIsAskedForAgainWhenAHostThatDidNotKnowThisProcessDoes) {
  peer.greet_with(host::Reply{0, base::ErrorCode::kPermission, "no app of this host", 0});
  App app = create();
  const auto tag = app.tag(tcp.ours.get());
  ASSERT_TRUE(tag);
  peer.greet_with(TestHost::welcome());
  EXPECT_TRUE(std::holds_alternative<host::Tag>(peer.take(1)[0]));
}

TEST_F(HostedAppTest, MayBeDestroyedInItsHandlerAndBeforeItsTags) {
  std::optional<App> app = create();
  auto tag = app->tag(tcp.ours.get());
  ASSERT_TRUE(tag);
  app->on_woken([&](WakeCause) { app.reset(); });
  peer.send(host::Woken{.cause = host::WakeCause::kControl});
  const base::Instant end = io::now() + seconds(10);
  while (app && io::now() < end) app->dispatch();
  EXPECT_FALSE(app);
  EXPECT_TRUE(tag->is_wake_capable());
}

}  // namespace
}  // namespace wakeline::app::test
