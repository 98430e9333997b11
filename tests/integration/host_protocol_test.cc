// SPDX-License-Identifier: Apache-2.0
// Who may speak with the host, and what it answers to what it should not accept.
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "host/options.h"
#include "host_fixture.h"

namespace wakeline::host {
namespace {

namespace msg = wire::host;
using base::ErrorCode;

class HostProtocol : public HostTest {
 protected:
  /// A connection of the test itself, which is no app of the host.
  io::UniqueFd connect_stranger() const {
    io::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!fd) std::abort();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket_path(folder + "/run");
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  static void say(const io::UniqueFd& fd, std::string_view text) {
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  /// The host's next message; nullopt at the end of the connection.
  static std::optional<msg::Message> hear(const io::UniqueFd& fd) {
    const timeval patience{std::chrono::duration_cast<std::chrono::seconds>(kPatience).count(), 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char bytes[msg::kMessageMax];
    const ssize_t size = ::recv(fd.get(), bytes, sizeof bytes, 0);
    EXPECT_GE(size, 0) << "no answer";
    if (size <= 0) return std::nullopt;
    auto message = msg::decode({bytes, static_cast<std::size_t>(size)});
    EXPECT_TRUE(message);
    return message ? std::optional(*message) : std::nullopt;
  }
  static msg::Reply hear_reply(const io::UniqueFd& fd) {
    const auto message = hear(fd);
    const auto* reply = message ? std::get_if<msg::Reply>(&*message) : nullptr;
    EXPECT_NE(reply, nullptr);
    return reply == nullptr ? msg::Reply{} : *reply;
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostProtocol, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(HostProtocol, RefusesAStrangerInTheRoleOfAnApp) {
  start_host();
  const io::UniqueFd fd = connect_stranger();
  say(fd, *msg::encode(msg::Hello{7, msg::kProtocolVersion, "app"}));
  const msg::Reply reply = hear_reply(fd);
  EXPECT_EQ(reply.request, 7U);
  EXPECT_EQ(reply.error, ErrorCode::kPermission);
  EXPECT_NE(reply.message.find(std::to_string(::getpid())), std::string::npos);
  EXPECT_EQ(hear(fd), std::nullopt);
}

TEST_P(HostProtocol, RefusesAnotherVersionAndAnotherRole) {
  start_host();
  const io::UniqueFd newer = connect_stranger();
  say(newer, R"({"v":9,"type":"hello","request":1,"role":"control"})");
  EXPECT_EQ(hear_reply(newer).error, ErrorCode::kUnsupported);
  const io::UniqueFd other = connect_stranger();
  say(other, R"({"v":1,"type":"hello","request":1,"role":"king"})");
  const msg::Reply reply = hear_reply(other);
  EXPECT_EQ(reply.error, ErrorCode::kMalformed);
  EXPECT_EQ(reply.message.substr(0, 5), "role:") << reply.message;
}

TEST_P(HostProtocol, AnswersRequestsBeforeTheHelloWithARefusal) {
  start_host();
  const io::UniqueFd fd = connect_stranger();
  say(fd, *msg::encode(msg::List{3}));
  const msg::Reply reply = hear_reply(fd);
  EXPECT_EQ(reply.request, 3U);
  EXPECT_EQ(reply.error, ErrorCode::kUnauthorized);
  // And the connection goes on.
  say(fd, *msg::encode(msg::Hello{4, msg::kProtocolVersion, "control"}));
  const auto welcome = hear(fd);
  EXPECT_TRUE(welcome && std::holds_alternative<msg::Welcome>(*welcome));
}

TEST_P(HostProtocol, NamesTheFaultOfAMalformedDatagramAndEndsTheConnectionAfterSixteen) {
  start_host();
  const io::UniqueFd fd = connect_stranger();
  say(fd, *msg::encode(msg::Hello{1, msg::kProtocolVersion, "control"}));
  ASSERT_TRUE(hear(fd));
  for (int i = 0; i < 16; ++i) {
    say(fd, i % 2 == 0 ? R"({"v":1,"type":"control","request":5,"command":"launch"})" : "{");
    const msg::Reply reply = hear_reply(fd);
    EXPECT_EQ(reply.error, ErrorCode::kMalformed) << i;
    if (i % 2 == 0) {
      EXPECT_EQ(reply.request, 5U);
      EXPECT_EQ(reply.message.substr(0, 4), "app:") << reply.message;
    }
  }
  say(fd, *msg::encode(msg::Follow{6, 0}));
  EXPECT_EQ(hear_reply(fd).error, ErrorCode::kOk);
  say(fd, "{");
  EXPECT_EQ(hear_reply(fd).error, ErrorCode::kMalformed);
  EXPECT_EQ(hear(fd), std::nullopt);
  EXPECT_TRUE(control->list());
}

TEST_P(HostProtocol, KeepsTheRolesApart) {
  write_manifest("app");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("raw " + *msg::encode(msg::List{3}));
  EXPECT_EQ(app.report.expect("reply").substr(0, 16), "reply permission");
  const io::UniqueFd fd = connect_stranger();
  say(fd, *msg::encode(msg::Hello{1, msg::kProtocolVersion, "control"}));
  ASSERT_TRUE(hear(fd));
  say(fd, *msg::encode(msg::BeginTask{2, "x"}));
  EXPECT_EQ(hear_reply(fd).error, ErrorCode::kPermission);
}

TEST_P(HostProtocol, RefusesEachDescriptorThatIsNoConnectionOfTheApp) {  // C4
  write_manifest("tags");
  start_host({"profile=ios"});
  TestApp app = accept_app();
  const std::string tag = tag_of(app);
  wait_ledger("tags", "tag");
  const std::pair<const char*, const char*> refusals[] = {{"udp", "not_tcp"},
                                                          {"listener", "listening"},
                                                          {"file", "not_socket"},
                                                          {"unconnected", "not_connected"},
                                                          {"other", "not_owned"}};
  for (const auto& [kind, error] : refusals) {
    app.report.command(std::string("tag ") + kind);
    const std::string reply = app.report.expect("reply");
    EXPECT_EQ(reply.substr(0, std::strlen("reply ") + std::strlen(error)),
              std::string("reply ") + error);
    EXPECT_GT(reply.size(), std::string("reply 0 ").size() + std::strlen(error)) << "no advice";
    wait_ledger("tags", "refuse", error);
  }
  app.report.command("tag none");
  EXPECT_EQ(app.report.expect("reply").substr(0, 22), "reply invalid_argument");
  // Tagged twice it stays one tag, and the socket works on.
  app.report.command("tag line");
  EXPECT_EQ(tag_of(app), tag);
  EXPECT_EQ(info("tags").tags, 1U);
  app.line.command("ping 1");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
}

TEST_P(HostProtocol, SaysWhatIsMissingWhenItMayNotLookIntoTheApp) {  // C4
  // With CAP_SYS_PTRACE the host may look into every process.
  without_ptrace = true;
  write_manifest("shy");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("undumpable");
  app.report.expect("undumpable");
  app.report.command("tag line");
  const std::string reply = app.report.expect("reply");
  EXPECT_EQ(reply.substr(0, 16), "reply permission");
  EXPECT_NE(reply.find("PR_SET_DUMPABLE"), std::string::npos);
  wait_ledger("shy", "refuse", "permission");
}

TEST_P(HostProtocol, TellsWhetherATagCanStillWakeTheApp) {  // C5
  write_manifest("query");
  start_host();
  TestApp app = accept_app();
  const std::string tag = tag_of(app);
  app.report.command("query " + tag);
  EXPECT_EQ(app.report.expect("reply"), "reply ok 1 ");
  app.report.command("untag " + tag);
  EXPECT_EQ(app.report.expect("reply"), "reply ok 0 ");
  app.report.command("query " + tag);
  EXPECT_EQ(app.report.expect("reply"), "reply ok 0 ");
  wait_ledger("query", "untag");
}

TEST_P(HostProtocol, GivesALongListOfAppsInParts) {
  for (int i = 0; i < 70; ++i) {
    write_file(
        "app" + std::to_string(i) + ".desktop",
        "[Desktop Entry]\nType=Application\nName=" + std::string(64, 'n') + "\nExec=/bin/true\n");
  }
  start_host();
  const auto apps = control->list();
  ASSERT_TRUE(apps) << apps.error().message;
  EXPECT_EQ(apps->size(), 70U);
}

}  // namespace
}  // namespace wakeline::host
