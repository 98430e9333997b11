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
    auto tree = CgroupTree::open(name_);
    if (tree) tree_ = std::move(*tree);
    // Without a tree the host must say why and go on with SIGSTOP.
    if (tree_) return;
    const auto freezer = Freezer::open({.name = name_});
    ASSERT_OK(freezer);
    EXPECT_EQ((*freezer)->mechanism(), "sigstop");
    EXPECT_EQ((*freezer)->fallback_reason(), tree.error());
  }
  void TearDown() override {
    if (!tree_) return;
    for (const auto& id : tree_->apps()) {
      auto cgroup = tree_->open_app(id);
      ASSERT_OK(cgroup);
      EXPECT_OK(cgroup->kill());
      while (::waitpid(-1, nullptr, 0) > 0) {
      }
      EXPECT_OK(cgroup->remove());
    }
    EXPECT_EQ(::rmdir(tree_->folder().c_str()), 0);
  }

  std::string name_ = test::unique_name("cgroup");
  std::optional<CgroupTree> tree_;
};

TEST_F(CgroupTest, FreezesUntilItIsThawed) {
  if (!tree_) return;
  auto cgroup = tree_->open_app("spinner");
  ASSERT_OK(cgroup);
  const auto process = spawn(app({"spin"}), cgroup->fd());
  ASSERT_OK(process);
  EXPECT_EQ(tree_->app_of(process->pid), "spinner");
  EXPECT_EQ(tree_->app_of(::getpid()), std::nullopt);
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
  if (!tree_) return;
  auto cgroup = tree_->open_app("victim");
  ASSERT_OK(cgroup);
  const auto process = spawn(app({"spin"}), cgroup->fd());
  ASSERT_OK(process);
  EXPECT_OK(cgroup->set_attribute("note", "seven"));
  EXPECT_EQ(cgroup->freeze(), FreezeOutcome::kComplete);

  auto again = tree_->open_app("victim");
  ASSERT_OK(again);
  EXPECT_EQ(again->attribute("note"), "seven");
  EXPECT_EQ(again->attribute("other"), std::nullopt);
  EXPECT_TRUE(again->populated());
  EXPECT_EQ(again->remove().error().code, ErrorCode::kBusy);
  EXPECT_EQ(tree_->apps(), (std::vector<std::string>{"victim"}));
  EXPECT_OK(again->kill());
  EXPECT_EQ(::waitpid(process->pid, nullptr, 0), process->pid);
  EXPECT_OK(again->remove());
  EXPECT_TRUE(tree_->apps().empty());
}

TEST_F(CgroupTest, ThawTreeReachesACgroupThatIsFrozenBelowAFrozenOne) {
  if (!tree_) return;
  auto outer = tree_->open_app("outer");
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
  EXPECT_EQ(thaw_tree(tree_->folder()), 2);
  EXPECT_FALSE(inner->frozen());
  EXPECT_EQ(thaw_tree(tree_->folder() + "/nothing").error().code, ErrorCode::kNotFound);
}

TEST_F(CgroupTest, RefusesAParentThatIsNoCgroup) {
  EXPECT_FALSE(CgroupTree::open(name_, "/tmp"));
  if (!tree_) return;
  EXPECT_EQ(CgroupTree::open(name_, "/tmp").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(CgroupTree::open(name_, tree_->folder() + "/none").error().code, ErrorCode::kNotFound);
  const auto nested = CgroupTree::open("nested", tree_->folder() + "/");
  ASSERT_OK(nested);
  EXPECT_EQ(nested->folder(), tree_->folder() + "/wakeline-nested");
  EXPECT_EQ(::rmdir(nested->folder().c_str()), 0);
}

}  // namespace
}  // namespace wakeline::sys
