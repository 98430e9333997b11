// SPDX-License-Identifier: Apache-2.0
// What a real host and a real peer do to apps whose line is a stream, and to the examples that have
// a network layer of their own.
#include "app/stream_testing.h"
#include "host_fixture.h"

namespace wakeline::host {
namespace {

using app::test::StreamPeer;
using app::test::TestCertificate;

class HostStreams : public HostTest {
 protected:
  void write_app(const std::string& id, const std::string& command) {
    write_file(
        id + ".desktop",
        "[Desktop Entry]\nType=Application\nName=Test " + id + "\nExec=" + command +
            "\nX-Wakeline-BackgroundModes=voip;\nX-Wakeline-Environment=WAKELINE_TEST_PORT=" +
            std::to_string(port()) + ";\n");
  }
  /// A stream app with its two connections; its stream is accepted, and nothing was said on it.
  struct Streamer {
    PeerConnection report;
    pid_t pid;
    StreamPeer line;
  };
  Streamer launch(const std::string& mode) {
    write_app("streamer", WAKELINE_STREAM_APP " " + mode + " " + certificate.file);
    start_host();
    PeerConnection report(accept_connection());
    const std::string hello = report.expect("report ");
    return {std::move(report), hello.empty() ? 0 : std::stoi(hello.substr(7)),
            StreamPeer(accept_connection())};
  }
  /// The sleeping app is woken by a line on its stream, and answers.
  void expect_woken(Streamer& app, const std::string& number) {
    wait_ledger("streamer", "suspend");
    ASSERT_TRUE(wait_frozen(app.pid, true));
    ASSERT_TRUE(app.line.send("ping " + number + "\n"));
    wait_ledger("streamer", "wake", "socket_data");
    app.report.expect("event has_bytes_available");
    EXPECT_EQ(app.line.receive(6 + number.size()), "pong " + number + "\n");
  }

  TestCertificate certificate{folder, "peer", {"localhost"}};
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostStreams, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(HostStreams, C3C9C32AStreamForVoipWakesItsAppWhichIsToldOfBytesEndAndAll) {
  Streamer app = launch("plain");
  EXPECT_EQ(app.report.expect("tagged"), "tagged ok");
  expect_woken(app, "1");
  expect_woken(app, "2");
  wait_ledger("streamer", "suspend");
  app.line.close();
  wait_ledger("streamer", "wake");
  EXPECT_EQ(app.report.expect("event end"), "event end_encountered");
}

TEST_P(HostStreams, C10C35AResetWakesTheAppWhoseStreamTellsOfTheError) {
  Streamer app = launch("plain");
  expect_woken(app, "1");
  wait_ledger("streamer", "suspend");
  app.line.reset();
  wait_ledger("streamer", "wake");
  EXPECT_EQ(app.report.expect("event error"), "event error_occurred");
}

TEST_P(HostStreams, C32TlsAboveATaggedSocketWakesToo) {
  Streamer app = launch("tls");
  ASSERT_TRUE(app.line.start_tls(certificate));
  EXPECT_EQ(app.report.expect("tagged"), "tagged ok");
  expect_woken(app, "1");
  expect_woken(app, "2");
}

TEST_P(HostStreams, C32StarttlsInAWakeWindowKeepsTheConnectionWakeCapable) {
  Streamer app = launch("starttls");
  expect_woken(app, "clear");
  wait_ledger("streamer", "suspend");
  ASSERT_TRUE(app.line.send("starttls\n"));
  EXPECT_EQ(app.line.receive(3), "go\n");
  ASSERT_TRUE(app.line.start_tls(certificate));
  expect_woken(app, "sealed");
}

// --- the examples

TEST_P(HostStreams, C36AnExistingReceiveLoopIsWokenWithOneLineAndComesBack) {
  write_app("adopt", WAKELINE_ADOPT " localhost " + std::to_string(port()));
  start_host();
  for (const char* text : {"first", "second"}) {  // each on a connection of its own
    PeerConnection line(accept_connection());
    wait_ledger("adopt", "tag");
    wait_ledger("adopt", "suspend");
    line.command(text);
    wait_ledger("adopt", "wake", "socket_data");
    EXPECT_EQ(wait_ledger("adopt", "notify").detail, text);
    wait_ledger("adopt", "suspend");
    line.close();
  }
  EXPECT_TRUE(accept_connection());
}

TEST_P(HostStreams, C33C19TheHandlerOfTheStreamsExamplePingsAndReconnectsWhenNobodyAnswers) {
  write_app("streams", WAKELINE_STREAMS " localhost " + std::to_string(port()) + " 2 1");
  start_host();
  PeerConnection line(accept_connection());
  EXPECT_EQ(line.expect("PING"), "PING 1");
  line.command("PONG 1");
  wait_ledger("streams", "suspend");
  line.command("NOTIFY Someone is at the door");
  wait_ledger("streams", "wake", "socket_data");
  EXPECT_EQ(wait_ledger("streams", "notify").detail, "Someone is at the door");
  // The keep-alive handler's ping is answered once, and then no more.
  EXPECT_EQ(line.expect("PING"), "PING 2");
  line.command("PONG 2");
  EXPECT_EQ(line.expect("PING"), "PING 3");
  PeerConnection again(accept_connection());
  EXPECT_TRUE(line.ended());
  EXPECT_EQ(again.expect("PING"), "PING 4");
  again.command("PONG 4");
  wait_ledger("streams", "suspend");
  again.command("NOTIFY still here");
  EXPECT_EQ(wait_ledger("streams", "notify").detail, "still here");
}

}  // namespace
}  // namespace wakeline::host
