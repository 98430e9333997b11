// SPDX-License-Identifier: Apache-2.0
// What lies in the local sockets of a frozen app: a real bus with a subscriber that sleeps, and a
// peer of a plain socket as a display server is one.
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <optional>

#include "linux/ipc_watch.h"
#include "linux_desktop.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using namespace std::chrono_literals;
using test::BusDaemon;

class IpcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto freezer = Freezer::open({.name = test::unique_name("ipc")});
    ASSERT_OK(freezer);
    freezer_ = std::move(*freezer);
    auto group = freezer_->group("app");
    ASSERT_OK(group);
    group_ = std::move(*group);
  }
  void TearDown() override {
    watch.reset();
    EXPECT_OK(group_->remove());
    if (process.pid > 0) ::waitpid(process.pid, nullptr, 0);
  }
  void open(IpcWatchOptions options) {
    auto made = IpcWatch::create(loop, options, [this](std::uint64_t app) { told.push_back(app); });
    ASSERT_OK(made);
    watch = std::move(*made);
  }
  /// Launches a program, whose output is at `output`.
  void launch(std::vector<std::string> command, const std::string& bus = {}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    output.reset(ends[0]);
    const io::UniqueFd write_end(ends[1]);
    SpawnOptions options;
    options.command = std::move(command);
    options.environment = inherit_environment({"DBUS_SESSION_BUS_ADDRESS=" + bus});
    options.output = write_end.get();
    auto launched = group_->launch(options);
    ASSERT_OK(launched);
    process = std::move(*launched);
  }
  /// Reads its output until `text` was in it.
  bool read_until(const std::string& text, base::Duration bound = 30s) {
    const auto start = io::now();
    while (seen.find(text) == std::string::npos && io::now() - start < bound) {
      pollfd wait{output.get(), POLLIN, 0};
      if (::poll(&wait, 1, 100) <= 0) continue;
      char bytes[4'096];
      const ssize_t size = ::read(output.get(), bytes, sizeof bytes);
      if (size <= 0) break;
      seen.append(bytes, static_cast<std::size_t>(size));
    }
    return seen.find(text) != std::string::npos;
  }
  std::size_t freeze_and_add(IpcRule rule) {
    EXPECT_OK(group_->freeze());
    const auto added = watch->add(1, rule, group_->processes());
    EXPECT_OK(added);
    return added.value_or(0);
  }
  void thaw() {
    watch->remove(1);
    EXPECT_OK(group_->thaw());
  }

  io::Loop loop;
  std::unique_ptr<Freezer> freezer_;
  std::unique_ptr<AppGroup> group_;
  Process process;
  io::UniqueFd output;
  std::string seen;
  std::unique_ptr<IpcWatch> watch;
  std::vector<std::uint64_t> told;
};

/// A subscriber of a real bus, which gets `count` signals while it sleeps.
class BusSubscriber : public IpcTest {
 protected:
  void start() {
    ASSERT_GE(::sd_bus_new(&sender), 0);
    ASSERT_GE(::sd_bus_set_address(sender, daemon.address().c_str()), 0);
    ASSERT_GE(::sd_bus_set_bus_client(sender, 1), 0);
    ASSERT_GE(::sd_bus_start(sender), 0);
    ASSERT_GE(::sd_bus_request_name(sender, "org.wakeline.Test", 0), 0);
    launch({"gdbus", "monitor", "--session", "--dest", "org.wakeline.Test"}, daemon.address());
    ASSERT_TRUE(read_until("is owned by"));
    // It hears of us before it sleeps; what is sent before the bus knows its wish is lost.
    bool ready = false;
    for (int i = 0; i < 100 && !ready; ++i) {
      emit("Ready", 1);
      ready = read_until("Ready", 300ms);
    }
    ASSERT_TRUE(ready);
  }
  void TearDown() override {
    ::sd_bus_flush_close_unref(sender);
    IpcTest::TearDown();
  }
  void emit(const char* name, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_GE(::sd_bus_emit_signal(sender, "/test", "org.wakeline.Test", name, ""), 0);
    }
    ASSERT_GE(::sd_bus_flush(sender), 0);
  }
  BusDaemon daemon;
  sd_bus* sender = nullptr;
};

TEST_F(BusSubscriber, IsToldOfBeforeItsSocketIsFull) {
  open({});
  start();
  ASSERT_GE(freeze_and_add(IpcRule::kDrain), 1u);
  emit("One", 1);
  emit("Storm", 100);  // some ten kilobytes: a third of what would fill it
  ASSERT_TRUE(test::run_until(loop, [&] { return !told.empty(); }, 30s));
  EXPECT_EQ(told, std::vector<std::uint64_t>{1});
  thaw();
  emit("Last", 1);
  EXPECT_TRUE(read_until("Last"));
}

TEST_F(BusSubscriber, IsToldOfALoneMessageOnlyWhenItIsOld) {
  open({.age = 300ms});
  start();
  ASSERT_GE(freeze_and_add(IpcRule::kDrain), 1u);
  const auto start_of_wait = io::now();
  emit("One", 1);
  ASSERT_TRUE(test::run_until(loop, [&] { return !told.empty(); }, 30s));
  EXPECT_GE(io::now() - start_of_wait, 300ms);
  thaw();
  EXPECT_TRUE(read_until("One"));
}

TEST_F(BusSubscriber, IsToldOfALoneMessageAtOnceWhereAllOfItCounts) {
  open({.age = std::chrono::hours(1)});
  start();
  ASSERT_GE(freeze_and_add(IpcRule::kWake), 1u);
  emit("One", 1);
  ASSERT_TRUE(test::run_until(loop, [&] { return !told.empty(); }, 30s));
  thaw();
  EXPECT_TRUE(read_until("One"));
}

/// A program that connects and reads nothing, as an app that is busy elsewhere; we are its display
/// server.
class DisplayClient : public IpcTest {
 protected:
  void connect() {
    path = testing::TempDir() + test::unique_name("display");
    listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    launch({test::app_program(), "local", path});
    server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    ASSERT_TRUE(server);
    ASSERT_TRUE(read_until("connected"));
  }
  void TearDown() override {
    ::unlink(path.c_str());
    IpcTest::TearDown();
  }
  /// Small events, as a display server sends them. Returns: how many went out.
  int send(int count) {
    const std::string event(32, 'e');
    for (int i = 0; i < count; ++i) {
      if (::send(server.get(), event.data(), event.size(), MSG_NOSIGNAL) < 0) return i;
    }
    return count;
  }
  std::string path;
  io::UniqueFd listener, server;
};

TEST_F(DisplayClient, IsToldOfLongBeforeItsServerCouldSendNoMore) {
  open({});
  connect();
  ASSERT_EQ(freeze_and_add(IpcRule::kDrain), 1u);
  // It is told after far fewer than the socket holds.
  int sent = 0;
  while (told.empty() && sent < 200) {
    ASSERT_EQ(send(1), 1);
    ++sent;
    test::run_until(loop, [&] { return !told.empty(); }, 1ms);
  }
  EXPECT_EQ(told, std::vector<std::uint64_t>{1});
  EXPECT_LE(sent, 200);
  // What lies there still when it sleeps again is no news; what comes then is.
  thaw();
  told.clear();
  ASSERT_EQ(freeze_and_add(IpcRule::kWake), 1u);
  bool posted = false;
  loop.post([&] { posted = true; });
  ASSERT_TRUE(test::run_until(loop, [&] { return posted; }));
  EXPECT_TRUE(told.empty());
  ASSERT_EQ(send(1), 1);
  ASSERT_TRUE(test::run_until(loop, [&] { return !told.empty(); }));
}

TEST_F(DisplayClient, IsToldOfWhatCameInTheLastMomentBeforeItSlept) {
  open({});
  connect();
  ASSERT_EQ(send(1), 1);
  ASSERT_EQ(freeze_and_add(IpcRule::kWake), 1u);
  EXPECT_EQ(told, std::vector<std::uint64_t>{1});
  thaw();
  told.clear();
  // The same bytes, which it has left there, give no second one.
  ASSERT_EQ(freeze_and_add(IpcRule::kWake), 1u);
  EXPECT_TRUE(told.empty());
}

TEST_F(DisplayClient, IsToldOfTheEndOfItsServerAndKeepsNothingAlive) {
  open({});
  connect();
  ASSERT_EQ(freeze_and_add(IpcRule::kDrain), 1u);
  server.reset();
  ASSERT_TRUE(test::run_until(loop, [&] { return !told.empty(); }));
  thaw();
  EXPECT_EQ(watch->size(), 0u);
}

TEST_F(DisplayClient, IsToldAgainOfAFullSocketThatLooksTheSameAfterItsRun) {
  open({});
  connect();
  ASSERT_EQ(freeze_and_add(IpcRule::kDrain), 1u);
  EXPECT_LT(send(10'000), 10'000);
  ASSERT_TRUE(test::run_until(loop, [&] { return !told.empty(); }));
  thaw();
  told.clear();
  // As much as before: it may have read all, and its server filled it anew.
  ASSERT_EQ(freeze_and_add(IpcRule::kDrain), 1u);
  EXPECT_TRUE(told.empty());
  ASSERT_TRUE(test::run_until(loop, [&] { return !told.empty(); }, 30s));
}

TEST_F(DisplayClient, ClosesItsDuplicateBeforeTheAppRuns) {
  open({});
  connect();
  ASSERT_EQ(freeze_and_add(IpcRule::kDrain), 1u);
  EXPECT_EQ(watch->add(1, IpcRule::kDrain, {}).error().code, base::ErrorCode::kAlreadyExists);
  watch->remove(1);
  EXPECT_OK(group_->kill());
  EXPECT_OK(group_->thaw());
  // Nobody holds it any more: the server reads the end.
  ASSERT_TRUE(test::eventually([&] {
    char byte = 0;
    return ::recv(server.get(), &byte, 1, 0) == 0;
  }));
}

}  // namespace
}  // namespace wakeline::sys
