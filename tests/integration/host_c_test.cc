// SPDX-License-Identifier: Apache-2.0
// The C ABI: every group of functions without a host, and an app in C under a real one.
#include <sys/wait.h>

#include <cstdlib>

#include "host_fixture.h"

namespace wakeline::host {
namespace {

TEST(HostC, EveryGroupOfFunctionsIsAsDocumentedWithoutAHost) {
  const int status = std::system(WAKELINE_C_APP);  // NOLINT(*-env33-c,concurrency-mt-unsafe)
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "what was wrong stands above";
}

using HostCApp = HostTest;
INSTANTIATE_TEST_SUITE_P(Freezer, HostCApp, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(HostCApp, C9C28C40AnAppInCIsSuspendedWokenAndHeard) {
  write_file("c.desktop", "[Desktop Entry]\nType=Application\nName=Test c\nExec=" WAKELINE_C_APP
                          " app\nX-Wakeline-BackgroundModes=voip;\n"
                          "X-Wakeline-Environment=WAKELINE_TEST_PORT=" +
                              std::to_string(port()) + ";\n");
  start_host();
  TestApp app = accept_app();
  EXPECT_EQ(app.report.expect("host"), "host ok c");
  EXPECT_EQ(app.report.expect("tagged"), "tagged ok");
  wait_ledger("c", "suspend");
  app.line.command("ping");
  EXPECT_EQ(app.line.expect("pong"), "pong");
  EXPECT_EQ(app.report.expect("woken"), "woken socket_data");
  app.report.command("capable");
  EXPECT_EQ(app.report.expect("capable"), "capable ok yes");
  app.report.command("notify");
  EXPECT_EQ(app.report.expect("notify"), "notify ok");
  app.report.command("wake");
  EXPECT_EQ(app.report.expect("wake"), "wake ok");
  wait_ledger("c", "suspend");
  EXPECT_EQ(app.report.expect("due"), "due");
}

}  // namespace
}  // namespace wakeline::host
