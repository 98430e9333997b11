// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "linux/cgroup.h"

namespace wakeline::sys {
namespace {

TEST(CgroupMount, IsFoundOnAPureAndOnAHybridMachine) {
  EXPECT_EQ(parse_cgroup_mount("25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
                               "29 25 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"),
            (CgroupMount{"/sys/fs/cgroup", "/"}));
  EXPECT_EQ(parse_cgroup_mount("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
                               "37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
                               "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"),
            (CgroupMount{"/sys/fs/cgroup/unified", "/"}));
}

TEST(CgroupMount, PrefersTheOneThatShowsTheWholeTree) {
  EXPECT_EQ(parse_cgroup_mount("1 2 0:3 /box/a /mnt/my\\040box rw - cgroup2 none rw\n"),
            (CgroupMount{"/mnt/my box", "/box/a"}));
  EXPECT_EQ(parse_cgroup_mount("1 2 0:3 /box /mnt/box rw - cgroup2 none rw\n"
                               "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 none rw\n"
                               "1 2 0:3 / /mnt/second rw - cgroup2 none rw"),
            (CgroupMount{"/sys/fs/cgroup", "/"}));
}

TEST(CgroupMount, IsNotFoundWhereThereIsNone) {
  EXPECT_EQ(parse_cgroup_mount("").error().code, base::ErrorCode::kNotFound);
  EXPECT_EQ(parse_cgroup_mount("cgroup2 cgroup2\n1 2 0:3 / /x rw - cgroup cgroup2 rw").error().code,
            base::ErrorCode::kNotFound);
}

}  // namespace
}  // namespace wakeline::sys
