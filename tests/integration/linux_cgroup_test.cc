// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "linux/cgroup.h"
#include "linux/proc.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;
using test::app;

/// A tree of its own where this user may write one; elsewhere its absence is what is tested.
class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto new_tree = CgroupTree::open(name);
    if (new_tree) tree = std::move(*new_tree);
    // Without a tree the host must say why and go on with SIGSTOP.
    if (tree) return;
    const auto freezer = Freezer::open({.name = name});
    ASSERT_OK(freezer);
    EXPECT_EQ((*freezer)->mechanism(), "sigstop");
    EXPECT_EQ((*freezer)->fallback_reason(), new_tree.error());
  }
  void TearDown() override {
    if (!tree) return;
    for (const auto& id : tree->apps()) {
      auto cgroup = tree->open_app(id);
      ASSERT_OK(cgroup);
      EXPECT_OK(cgroup->kill());
      while (::waitpid(-1, nullptr, 0) > 0) {
      }
      EXPECT_OK(cgroup->remove());
    }
    EXPECT_EQ(::rmdir(tree->folder().c_str()), 0);
  }

  std::string name = test::unique_name("cgroup");
  std::optional<CgroupTree> tree;
};

TEST_F(CgroupTest, FreezesUntilItIsThawed) {
  if (!tree) return;
  auto cgroup = tree->open_app("spinner");
  ASSERT_OK(cgroup);
  const auto process = spawn(app({"spin"}), cgroup->fd());
  ASSERT_OK(process);
  EXPECT_EQ(tree->app_of(process->pid), "spinner");
  EXPECT_EQ(tree->app_of(::getpid()), std::nullopt);
  EXPECT_EQ(cgroup->processes(), (std::vector<pid_t>{process->pid}));
  const auto used = [&] { return cgroup->cpu_time().value_or(base::Duration::zero()); };
  EXPECT_TRUE(test::eventually([&] { return used() > std::chrono::milliseconds(1); }));

  EXPECT_EQ(cgroup->freeze(), FreezeOutcome::kComplete);
  EXPECT_TRUE(cgroup->frozen());
  const auto before = used();
  ::usleep(30'000);  // the span under observation, in which nothing may run
  EXPECT_EQ(used(), before);

  EXPECT_OK(cgroup->thaw());
  EXPECT_FALSE(cgroup->frozen());
  EXPECT_TRUE(test::eventually([&] { return used() > before; }));
}

TEST_F(CgroupTest, IsFoundAndRemovedAfterItsProcessesWereKilledFrozen) {
  if (!tree) return;
  auto cgroup = tree->open_app("victim");
  ASSERT_OK(cgroup);
  const auto process = spawn(app({"spin"}), cgroup->fd());
  ASSERT_OK(process);
  EXPECT_OK(cgroup->set_attribute("note", "seven"));
  EXPECT_EQ(cgroup->freeze(), FreezeOutcome::kComplete);

  auto again = tree->open_app("victim");
  ASSERT_OK(again);
  EXPECT_EQ(again->attribute("note"), "seven");
  EXPECT_EQ(again->attribute("other"), std::nullopt);
  EXPECT_TRUE(again->populated());
  EXPECT_EQ(again->remove().error().code, ErrorCode::kBusy);
  EXPECT_EQ(tree->apps(), (std::vector<std::string>{"victim"}));
  EXPECT_OK(again->kill());
  EXPECT_EQ(::waitpid(process->pid, nullptr, 0), process->pid);
  EXPECT_OK(again->remove());
  EXPECT_TRUE(tree->apps().empty());
}

TEST_F(CgroupTest, ThawTreeReachesACgroupThatIsFrozenBelowAFrozenOne) {
  if (!tree) return;
  auto outer = tree->open_app("outer");
  ASSERT_OK(outer);
  auto inner = Cgroup::open(outer->folder() + "/inner");
  ASSERT_OK(inner);
  const auto process = spawn(app({"spin"}), inner->fd());
  ASSERT_OK(process);
  EXPECT_EQ(inner->freeze(), FreezeOutcome::kComplete);
  EXPECT_EQ(outer->freeze(), FreezeOutcome::kComplete);
  EXPECT_EQ(outer->processes(), (std::vector<pid_t>{process->pid}));

  EXPECT_OK(outer->thaw());
  EXPECT_TRUE(inner->frozen()) << "a parent's thaw is not enough";
  EXPECT_EQ(outer->freeze(), FreezeOutcome::kComplete);
  EXPECT_EQ(thaw_tree(tree->folder()), 2);
  EXPECT_FALSE(inner->frozen());
  EXPECT_EQ(thaw_tree(tree->folder() + "/nothing").error().code, ErrorCode::kNotFound);
}

TEST_F(CgroupTest, RefusesAParentThatIsNoCgroup) {
  EXPECT_FALSE(CgroupTree::open(name, "/tmp"));
  if (!tree) return;
  EXPECT_EQ(CgroupTree::open(name, "/tmp").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(CgroupTree::open(name, tree->folder() + "/none").error().code, ErrorCode::kNotFound);
  const auto nested = CgroupTree::open("nested", tree->folder() + "/");
  ASSERT_OK(nested);
  EXPECT_EQ(nested->folder(), tree->folder() + "/wakeline-nested");
  EXPECT_EQ(::rmdir(nested->folder().c_str()), 0);
}

}  // namespace
}  // namespace wakeline::sys
