// SPDX-License-Identifier: Apache-2.0
#include "app/link_driver.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <vector>

#include "io/testing.h"

namespace wakeline::app {
namespace {

TEST(LinkDriver, IsAnErrorWhereNoDescriptorIsLeftForIt) {
  const io::TestFolder folder;
  const auto core = *Core::create(folder.file("none.sock"));
  LinkDriver::Settings settings;
  settings.config.host = "127.0.0.1";
  settings.config.device = "door";
  settings.state_file = folder.file("door");
  settings.outbox_file = folder.file("door.outbox");

  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &former), 0);
  rlimit few = former;
  few.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<io::UniqueFd> all;
  while (io::UniqueFd fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}) all.push_back(std::move(fd));
  int refused = 0;
  for (bool made = false; !made && !all.empty(); all.pop_back()) {  // one more is free each time
    core->engine().call([&] { made = LinkDriver::create(*core, settings, {}).has_value(); });
    if (!made) ++refused;
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former), 0);
  EXPECT_EQ(refused, 2) << "it needs two timers";
  EXPECT_FALSE(all.empty());
}

}  // namespace
}  // namespace wakeline::app
