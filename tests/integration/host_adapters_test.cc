// SPDX-License-Identifier: Apache-2.0
// Apps whose sockets are Boost.Asio's, libuv's, libcurl's or a thread's own, under a real host.
#include <set>

#include "host_fixture.h"

namespace wakeline::host {
namespace {

class HostAdapters : public HostTest {
 protected:
  /// The app's report and its line, when it is suspended for the first time.
  std::pair<PeerConnection, PeerConnection> sleeping(const std::string& library) {
    write_file(
        library + ".desktop",
        "[Desktop Entry]\nType=Application\nName=Test " + library +
            "\nExec=" WAKELINE_ADAPTER_APP " " + library +
            "\nX-Wakeline-BackgroundModes=voip;\nX-Wakeline-Environment=WAKELINE_TEST_PORT=" +
            std::to_string(port()) + ";\n");
    start_host();
    PeerConnection report(accept_connection());
    report.expect("report ");
    PeerConnection line(accept_connection());
    if (library == "curl") {
      line.expect("GET /events");
      line.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nbegin\n");
    }
    EXPECT_EQ(report.expect("tagged"), "tagged ok");
    if (library == "curl") {
      EXPECT_EQ(report.expect("pong"), "pong begin");
    }
    if (library == "posix") {
      EXPECT_EQ(report.expect("capable"), "capable yes");
    }
    wait_ledger(library, "suspend");
    return {std::move(report), std::move(line)};
  }

  void wakes_for_each_line_and_ends_with_its_connection(const std::string& library) {
    auto [report, line] = sleeping(library);
    for (const char* text : {"one", "two"}) {
      line.command(text);
      wait_ledger(library, "wake", "socket_data");
      std::set<std::string> said;
      for (int i = 0; i < 2; ++i) said.insert(report.line().value_or("nothing"));
      EXPECT_EQ(said, (std::set<std::string>{std::string("pong ") + text, "woken socket_data"}));
      wait_ledger(library, "suspend");
    }
    line.close();
    wait_ledger(library, "wake");
    wait_ledger(library, "exit");
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostAdapters, testing::Values("cgroup"), parameter_name);

TEST_P(HostAdapters, C36AnAsioSocketWakesItsApp) {
  wakes_for_each_line_and_ends_with_its_connection("asio");
}

TEST_P(HostAdapters, C36ALibuvHandleWakesItsApp) {
  wakes_for_each_line_and_ends_with_its_connection("libuv");
}

TEST_P(HostAdapters, C36ASocketOfAThreadThatReadsWakesItsApp) {
  wakes_for_each_line_and_ends_with_its_connection("posix");
}

TEST_P(HostAdapters, C3AUrlRequestForVoipWakesItsApp) {
  wakes_for_each_line_and_ends_with_its_connection("curl");
}

}  // namespace
}  // namespace wakeline::host
