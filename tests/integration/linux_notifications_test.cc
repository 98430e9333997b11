// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>

#include "linux/notifications.h"
#include "linux_desktop.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

using test::BusDaemon;
using test::DesktopServer;
using test::Received;

class NotificationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    terminal_read.reset(ends[0]);
    terminal_write.reset(ends[1]);
  }
  void open(const std::string& address, base::Duration bound = std::chrono::seconds(5)) {
    notifier = make_desktop_notifier(
        loop, {.bus_address = address, .terminal = terminal_write.get(), .answer_bound = bound},
        {.on_action =
             [this](std::uint64_t key, const std::string& action, const std::string& token) {
               actions.emplace_back(key, action);
               tokens.push_back(token);
             },
         .on_closed = [this](std::uint64_t key,
                             CloseCause cause) { closed.emplace_back(key, cause); }});
  }
  // Shows it, and waits for the outcome.
  base::Result<void> show(std::uint64_t key, const Notice& notice) {
    std::optional<base::Result<void>> outcome;
    notifier->show(key, notice, [&](base::Result<void> result) { outcome = result; });
    EXPECT_TRUE(test::run_until(loop, [&] { return outcome.has_value(); }));
    return outcome.value_or(base::fail(ErrorCode::kTimeout, "test"));
  }
  std::string terminal() {
    char text[4'096];
    const ssize_t size = ::read(terminal_read.get(), text, sizeof text);
    return {text, static_cast<std::size_t>(size > 0 ? size : 0)};
  }
  static Notice ring() {
    Notice notice;
    notice.app_name = "Doorbell";
    notice.desktop_entry = "doorbell";
    notice.title = "Someone is at the door";
    notice.body = "Front <door> & gate";
    notice.category = "call.incoming";
    notice.sound = "phone-incoming-call";
    notice.urgency = 2;
    notice.actions = {{"answer", "Answer"}, {"default", "Open"}};
    return notice;
  }

  io::Loop loop;
  io::UniqueFd terminal_read, terminal_write;
  std::unique_ptr<Notifier> notifier;
  std::vector<std::pair<std::uint64_t, std::string>> actions;
  std::vector<std::string> tokens;
  std::vector<std::pair<std::uint64_t, CloseCause>> closed;
};

// C27
TEST_F(NotificationsTest, CarryEverythingToTheServerThatUnderstandsIt) {
  const BusDaemon daemon;
  DesktopServer server(daemon.address(), {"actions", "body", "body-markup", "sound"});
  open(daemon.address());
  EXPECT_OK(show(7, ring()));
  const Received wanted{.app = "Doorbell",
                        .title = "Someone is at the door",
                        .body = "Front &lt;door&gt; &amp; gate",
                        .replaces = 0,
                        .actions = {"answer", "Answer", "default", "Open"},
                        .hints = {{"urgency", "2"},
                                  {"desktop-entry", "doorbell"},
                                  {"category", "call.incoming"},
                                  {"sound-name", "phone-incoming-call"}},
                        .display_ms = 10'000};
  EXPECT_EQ(server.received(), (std::vector<Received>{wanted}));
  EXPECT_EQ(notifier->describe(), "Test desktop 7 on the session bus");
  EXPECT_EQ(terminal(), "");
}

// C27: banner or alert is the user's setting.
TEST_F(NotificationsTest, StayAsLongAsTheUserWantsThemToStay) {
  const BusDaemon daemon;
  DesktopServer server(daemon.address(), {});
  open(daemon.address());
  Notice notice = ring();
  notice.sound.clear();
  notice.sound_file = "/usr/share/sounds/ring.oga";
  for (const auto style : {NoticeStyle::kBanner, NoticeStyle::kAlert}) {
    for (const std::uint8_t urgency : {1, 2}) {
      notice.style = style;
      notice.urgency = urgency;
      EXPECT_OK(show(7, notice));
    }
  }
  std::vector<std::int32_t> times;
  for (const auto& received : server.received()) times.push_back(received.display_ms);
  EXPECT_EQ(times, (std::vector<std::int32_t>{-1, 10'000, 0, 0}));
  EXPECT_EQ(server.received()[0].hints["sound-file"], "/usr/share/sounds/ring.oga");
  EXPECT_EQ(server.received()[0].hints.count("sound-name"), 0u);
}

TEST_F(NotificationsTest, LeaveOutWhatTheServerDoesNotUnderstand) {
  const BusDaemon daemon;
  DesktopServer server(daemon.address(), {"body"});
  open(daemon.address());
  Notice notice = ring();
  notice.category.clear();
  notice.sound.clear();
  notice.desktop_entry.clear();
  EXPECT_OK(show(7, notice));
  const Received wanted{.app = "Doorbell",
                        .title = "Someone is at the door",
                        .body = "Front <door> & gate",
                        .replaces = 0,
                        .actions = {},
                        .hints = {{"urgency", "2"}},
                        .display_ms = 10'000};
  EXPECT_EQ(server.received(), (std::vector<Received>{wanted}));
}

TEST_F(NotificationsTest, ReplaceTheOneOfTheSameKeyAlsoWhenItIsStillUnderWay) {
  const BusDaemon daemon;
  DesktopServer server(daemon.address(), {});
  open(daemon.address());
  int shown = 0;
  for (const std::uint64_t key : {7, 8, 7}) {
    notifier->show(key, ring(), [&](base::Result<void> result) { shown += result.has_value(); });
  }
  ASSERT_TRUE(test::run_until(loop, [&] { return shown == 3; }));
  std::vector<std::uint32_t> replaced;
  for (const auto& notice : server.received()) replaced.push_back(notice.replaces);
  EXPECT_EQ(replaced, (std::vector<std::uint32_t>{0, 0, 41}));
}

// C28
TEST_F(NotificationsTest, TellWhatTheUserDidWithThem) {
  const BusDaemon daemon;
  DesktopServer server(daemon.address(), {"actions"});
  open(daemon.address());
  EXPECT_OK(show(7, ring()));
  EXPECT_OK(show(8, ring()));
  server.invoke(99, "answer");  // another program's
  server.invoke(41, "answer");
  server.dismiss(42);
  server.dismiss(41);
  server.invoke(41, "answer");  // closed by now
  server.invoke(42, "default");
  ASSERT_TRUE(test::run_until(loop, [&] { return closed.size() == 2; }));
  // One more that is shown and acted upon: whatever was sent before it has been handled.
  EXPECT_OK(show(9, ring()));
  server.give_token(42, "of another");
  server.give_token(43, "focus-1");
  server.invoke(43, "default");
  ASSERT_TRUE(test::run_until(loop, [&] { return actions.size() == 2; }));
  EXPECT_EQ(tokens, (std::vector<std::string>{"", "focus-1"}));
  EXPECT_EQ(actions,
            (std::vector<std::pair<std::uint64_t, std::string>>{{7, "answer"}, {9, "default"}}));
  EXPECT_EQ(closed, (std::vector<std::pair<std::uint64_t, CloseCause>>{
                        {8, CloseCause::kDismissed}, {7, CloseCause::kDismissed}}));

  notifier->close(9);
  notifier->close(1'000);
  EXPECT_TRUE(test::run_until(loop, [&] {
    loop.post([] {});
    return server.closed() == std::vector<std::uint32_t>{43};
  }));
}

TEST_F(NotificationsTest, AreToldTheUserOnTheTerminalWithoutABus) {
  open("unix:path=/nonexistent/bus");
  const auto shown = show(7, ring());
  ASSERT_FALSE(shown);
  EXPECT_EQ(shown.error(), (base::Error{ErrorCode::kNotFound, "bus", ENOENT}));
  EXPECT_EQ(terminal(), "[Doorbell] Someone is at the door: Front <door> & gate\n");
  EXPECT_EQ(notifier->describe(), "the terminal, because: " + base::to_string(shown.error()));
}

TEST_F(NotificationsTest, FindTheServerThatComesLater) {
  const BusDaemon daemon;
  open(daemon.address());
  const auto shown = show(7, ring());
  ASSERT_FALSE(shown);
  EXPECT_EQ(shown.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(terminal(), "[Doorbell] Someone is at the door: Front <door> & gate\n");
  {
    DesktopServer server(daemon.address(), {});
    EXPECT_OK(show(7, ring()));
    EXPECT_EQ(server.received().size(), 1u);
  }
  EXPECT_FALSE(show(7, ring()));
  EXPECT_NE(terminal(), "");
  DesktopServer next(daemon.address(), {});
  EXPECT_OK(show(7, ring()));
  // The number that the first server had given is not the next one's.
  EXPECT_EQ(next.received().at(0).replaces, 0u);
}

TEST_F(NotificationsTest, OutliveTheBus) {
  auto daemon = std::make_unique<BusDaemon>();
  const std::string path = daemon->path();
  auto server = std::make_unique<DesktopServer>(daemon->address(), std::vector<std::string>{});
  open(daemon->address());
  EXPECT_OK(show(7, ring()));
  server.reset();
  daemon.reset();
  EXPECT_FALSE(show(7, ring()));
  EXPECT_EQ(terminal(), "[Doorbell] Someone is at the door: Front <door> & gate\n");
  EXPECT_FALSE(show(8, ring()));
  EXPECT_NE(terminal(), "");

  daemon = std::make_unique<BusDaemon>(path);
  server = std::make_unique<DesktopServer>(daemon->address(), std::vector<std::string>{});
  EXPECT_OK(show(9, ring()));
  EXPECT_EQ(server->received().size(), 1u);
  EXPECT_EQ(terminal(), "");
}

TEST_F(NotificationsTest, DoNotWaitForAServerThatDoesNotAnswer) {
  const BusDaemon daemon;
  DesktopServer server(daemon.address(), {}, false);
  open(daemon.address(), std::chrono::milliseconds(200));
  int failed = 0;
  for (const std::uint64_t key : {7, 8, 9}) {
    notifier->show(key, ring(), [&](base::Result<void> result) {
      failed += !result && result.error().code == ErrorCode::kTimeout;
    });
  }
  EXPECT_TRUE(test::run_until(loop, [&] { return failed == 3; }));
  const auto text = terminal();
  EXPECT_EQ(std::ranges::count(text, '\n'), 3);
}

TEST_F(NotificationsTest, CannotSteerTheTerminal) {
  notifier = make_terminal_notifier(terminal_write.get());
  Notice notice;
  notice.app_name = "Evil\n[Bank]";
  notice.title = "a\x1b[2Jb\x7f";
  notice.body =
      "c\xc2\x9b"
      "31md \xc3\xa4";
  notifier->show(1, notice, nullptr);
  EXPECT_EQ(terminal(), "[Evil [Bank]] a [2Jb : c 31md \xc3\xa4\n");
}

}  // namespace
}  // namespace wakeline::sys
