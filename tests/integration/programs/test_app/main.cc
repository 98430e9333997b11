// SPDX-License-Identifier: Apache-2.0
// An app for the host's tests that speaks the protocol of host_message.h by itself, without the
// library. Its manifest gives it WAKELINE_TEST_PORT: it connects there twice, first the line on
// which it reports ("report"), then the line that it tags ("line"). Each text line that it reads on
// either is a command (commands.cc), answered on the same connection or reported.
#include <csignal>

#include "app.h"

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  return wakeline::test_app::App().run();
}
