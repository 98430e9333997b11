// SPDX-License-Identifier: Apache-2.0
#include "io/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "io/testing.h"

namespace wakeline::io {
namespace {

std::size_t files_in(const TestFolder& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    ++count;
  }
  return count;
}

TEST(File, IsReplacedWholeAndLeavesNothingBeside) {
  const TestFolder folder;
  const std::string path = folder.file("state");
  ASSERT_TRUE(write_file(path, "one"));
  ASSERT_TRUE(write_file(path, std::string(200'000, 'x'), 0644));
  EXPECT_EQ(read_file(path, 200'000), std::string(200'000, 'x'));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(File, IsReadableByItsOwnerAloneUnlessToldOtherwise) {
  const TestFolder folder;
  ASSERT_TRUE(write_file(folder.file("secret"), "s"));
  struct stat status{};
  ASSERT_EQ(::stat(folder.file("secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(File, ThatCannotBeReplacedLeavesNoTemporaryFile) {
  const TestFolder folder;
  ASSERT_TRUE(make_folder(folder.file("state")));  // a folder has the name
  EXPECT_FALSE(write_file(folder.file("state"), "x"));
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(File, OfAnotherKindIsNotWaitedFor) {
  const TestFolder folder;
  const std::string path = folder.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(code_of(read_regular_file(path, 10)), base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(read_regular_file(folder.path(), 10)), base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(read_regular_file(folder.file("none"), 10)), base::ErrorCode::kNotFound);
  ASSERT_TRUE(write_file(folder.file("file"), "text"));
  EXPECT_EQ(read_regular_file(folder.file("file"), 10), "text");
  EXPECT_EQ(code_of(read_regular_file(folder.file("file"), 3)), base::ErrorCode::kTooLarge);
}

TEST(OwnFolder, IsNobodyElsesToWrite) {
  const TestFolder folder;
  const std::string path = folder.file("run");
  EXPECT_EQ(code_of(check_own_folder(path)), base::ErrorCode::kNotFound);
  ASSERT_TRUE(write_file(folder.file("file"), "x"));
  EXPECT_FALSE(check_own_folder(folder.file("file")));
  ASSERT_TRUE(make_folder(path));
  EXPECT_TRUE(check_own_folder(path));
  ASSERT_EQ(::symlink(path.c_str(), folder.file("link").c_str()), 0);
  EXPECT_TRUE(check_own_folder(folder.file("link")));
  for (const mode_t mode : {0720, 0702, 01777}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_EQ(code_of(check_own_folder(path)), base::ErrorCode::kPermission);
  }
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  EXPECT_TRUE(check_own_folder(path));
  if (::geteuid() != 0) return;  // the rest takes root
  ASSERT_EQ(::lchown(folder.file("link").c_str(), 65'534, 65'534), 0);
  EXPECT_EQ(code_of(check_own_folder(folder.file("link"))), base::ErrorCode::kPermission);
  ASSERT_EQ(::chown(path.c_str(), 65'534, 65'534), 0);
  EXPECT_EQ(code_of(check_own_folder(path)), base::ErrorCode::kPermission);
}

unsigned mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode;
}

TEST(Output, ReplacesAFileWholeAndKeepsWhoMayReadIt) {
  const TestFolder folder;
  const std::string path = folder.file("page");
  ASSERT_TRUE(write_output(path, "one", OutputMode::kShared));
  EXPECT_EQ(mode_of(path) & 07777, 0644u);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  ASSERT_TRUE(write_output(path, "two", OutputMode::kShared));
  EXPECT_EQ(mode_of(path) & 07777, 0640u);
  EXPECT_EQ(read_file(path, 100), "two");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(Output, ThatIsSecretIsItsOwnersAloneWhateverWasThere) {
  const TestFolder folder;
  ASSERT_TRUE(write_output(folder.file("page"), "one", OutputMode::kShared));
  for (const char* name : {"page", "new"}) {
    ASSERT_TRUE(write_output(folder.file(name), "token", OutputMode::kSecret));
    EXPECT_EQ(mode_of(folder.file(name)) & 07777, 0600u);
  }
}

TEST(Output, GoesThroughLinksAndLeavesThem) {
  const TestFolder folder;
  ASSERT_TRUE(make_folder(folder.file("deep")));
  // One to a file that is not there yet, by way of another one.
  ASSERT_EQ(::symlink("deep/link", folder.file("link").c_str()), 0);
  ASSERT_EQ(::symlink("page", folder.file("deep/link").c_str()), 0);
  for (const char* text : {"one", "two"}) {
    ASSERT_TRUE(write_output(folder.file("link"), text, OutputMode::kShared));
    EXPECT_EQ(read_file(folder.file("deep/page"), 100), text);
    EXPECT_TRUE(S_ISLNK(mode_of(folder.file("link"))));
    EXPECT_TRUE(S_ISLNK(mode_of(folder.file("deep/link"))));
  }
}

TEST(Output, GoesToTheReaderOfAFifo) {
  const TestFolder folder;
  const std::string path = folder.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const std::string text(200'000, 'x');  // more than a pipe holds
  base::Result<void> written;
  std::thread writer([&] { written = write_output(path, text, OutputMode::kSecret); });
  EXPECT_EQ(read_file(path, text.size()), text);
  writer.join();
  EXPECT_TRUE(written);
  EXPECT_TRUE(S_ISFIFO(mode_of(path)));
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(Output, WhoseReaderGoesAwayIsAnErrorAndNoDeadlySignal) {
  const TestFolder folder;
  const std::string path = folder.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  base::Result<void> written;
  std::thread writer(
      [&] { written = write_output(path, std::string(200'000, 'x'), OutputMode::kShared); });
  {
    const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  writer.join();
  EXPECT_EQ(code_of(written), base::ErrorCode::kClosed);
}

/// A device as /dev/full in a folder of the test's: a program that replaced it would do no harm.
bool make_full_device(const std::string& path) {
  return ::mknod(path.c_str(), S_IFCHR | 0600, ::makedev(1, 7)) == 0 &&
         UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

TEST(Output, ToADeviceThatTakesNothingIsAnErrorAndLeavesTheDevice) {
  const TestFolder folder;
  const std::string full = folder.file("full");
  if (!make_full_device(full)) GTEST_SKIP() << "no devices can be made here";
  EXPECT_EQ(code_of(write_output(full, "x", OutputMode::kShared)), base::ErrorCode::kStorageFull);
  EXPECT_TRUE(S_ISCHR(mode_of(full)));
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(Output, ToAPlaceThatIsNoneLeavesNothing) {
  const TestFolder folder;
  ASSERT_TRUE(make_folder(folder.file("state")));
  EXPECT_FALSE(write_output(folder.file("state"), "x", OutputMode::kShared));
  EXPECT_FALSE(write_output(folder.file("none/page"), "x", OutputMode::kShared));
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(File, OverTheProcesssLimitIsAnErrorAndNoDeadlySignal) {
  const TestFolder folder;
  ASSERT_TRUE(write_file(folder.file("state"), "old"));
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const rlimit small{.rlim_cur = 4'096, .rlim_max = former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = write_file(folder.file("state"), std::string(10'000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_EQ(code_of(written), base::ErrorCode::kStorageFull);
  EXPECT_EQ(read_file(folder.file("state"), 10), "old");
  EXPECT_EQ(files_in(folder), 1u);
  // Nothing waits for the day on which somebody unblocks the signal; it is as it was.
  sigset_t signals;
  sigpending(&signals);
  EXPECT_EQ(sigismember(&signals, SIGXFSZ), 0);
  pthread_sigmask(SIG_BLOCK, nullptr, &signals);
  EXPECT_EQ(sigismember(&signals, SIGXFSZ), 0);
}

TEST(File, ThatADeadProcessLeftUnfinishedIsGoneWithTheNextWriteAndWithItsFile) {
  const TestFolder folder;
  const std::string path = folder.file("state");
  const auto leave = [&path] { ASSERT_TRUE(write_file(path + ".wakeline-new", "half")); };
  leave();
  ASSERT_TRUE(write_file(path, "whole"));
  EXPECT_EQ(read_file(path, 10), "whole");
  EXPECT_EQ(files_in(folder), 1u);
  leave();
  ASSERT_TRUE(remove_file(path));
  EXPECT_EQ(files_in(folder), 0u);
  EXPECT_TRUE(remove_file(path));
  ASSERT_TRUE(make_folder(path));
  EXPECT_FALSE(remove_file(path));
}

TEST(File, IsWrittenBesideOneThatAnotherProcessHasNotFinished) {
  const TestFolder folder;
  const std::string path = folder.file("state");
  auto others = lock_file(path + ".wakeline-new");
  ASSERT_TRUE(others);
  ASSERT_TRUE(write_file(path, "ours"));
  EXPECT_EQ(read_file(path, 10), "ours");
  EXPECT_EQ(files_in(folder), 2u);
  // Nor does anybody remove it, before that process is gone.
  ASSERT_TRUE(remove_file(path));
  EXPECT_EQ(files_in(folder), 1u);
  std::vector<UniqueFd> more;
  for (int i = 1; i < 8; ++i)
    more.push_back(*lock_file(path + ".wakeline-new" + std::to_string(i)));
  EXPECT_EQ(code_of(write_file(path, "ours")), base::ErrorCode::kBusy);
  more.clear();
  others->reset();
  ASSERT_TRUE(remove_file(path));
  EXPECT_EQ(files_in(folder), 0u);
}

TEST(File, IsWholeAfterManyHaveWrittenItAtOnceAndNothingIsLeft) {
  const TestFolder folder;
  const std::string path = folder.file("state");
  constexpr int kWriters = 4;
  constexpr int kTimes = 50;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&path, text = std::string(10'000, static_cast<char>('a' + i))] {
      for (int n = 0; n < kTimes; ++n) ASSERT_TRUE(write_file(path, text));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const auto text = read_file(path, 10'001);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, std::string(10'000, text->front()));
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(File, IsNotWrittenThroughALinkThatSomebodyLaidInTheWay) {
  const TestFolder folder;
  const std::string path = folder.file("state");
  ASSERT_TRUE(write_file(folder.file("precious"), "keep me"));
  std::filesystem::create_symlink("precious", path + ".wakeline-new");
  ASSERT_TRUE(write_file(path, "ours"));
  EXPECT_EQ(read_file(folder.file("precious"), 10), "keep me");
  EXPECT_FALSE(std::filesystem::is_symlink(path));
}

TEST(File, HasANameOfItsOwnWhileItIsUnfinished) {
  EXPECT_TRUE(is_unfinished("state.wakeline-new"));
  EXPECT_TRUE(is_unfinished("state.wakeline-new7"));
  EXPECT_FALSE(is_unfinished("state"));
  EXPECT_FALSE(is_unfinished("state.wakeline-new.desktop"));
}

TEST(File, TellsAbsentFromTooLarge) {
  const TestFolder folder;
  EXPECT_EQ(code_of(read_file(folder.file("none"), 10)), base::ErrorCode::kNotFound);
  EXPECT_EQ(code_of(write_file(folder.file("none/x"), "")), base::ErrorCode::kNotFound);
  ASSERT_TRUE(write_file(folder.file("ten"), "0123456789"));
  EXPECT_EQ(read_file(folder.file("ten"), 10), "0123456789");
  EXPECT_EQ(code_of(read_file(folder.file("ten"), 9)), base::ErrorCode::kTooLarge);
  EXPECT_EQ(code_of(read_file(folder.path(), 10)), base::ErrorCode::kOs);
}

TEST(Lock, IsForOneUntilItIsGivenBack) {
  const TestFolder folder;
  auto lock = lock_file(folder.file("lock"));
  ASSERT_TRUE(lock);
  EXPECT_EQ(code_of(lock_file(folder.file("lock"))), base::ErrorCode::kBusy);
  lock->reset();
  EXPECT_TRUE(lock_file(folder.file("lock")));
  EXPECT_EQ(code_of(lock_file(folder.file("none/lock"))), base::ErrorCode::kNotFound);
}

TEST(Folder, IsMadeWithItsParentsAndMayBeThereAlready) {
  const TestFolder folder;
  EXPECT_TRUE(make_folder(folder.file("a/b/c")));
  EXPECT_TRUE(make_folder(folder.file("a/b/c/")));
  EXPECT_TRUE(std::filesystem::is_directory(folder.file("a/b/c")));
  ASSERT_TRUE(write_file(folder.file("file"), ""));
  EXPECT_EQ(code_of(make_folder(folder.file("file/sub"))), base::ErrorCode::kOs);
}

TEST(Folder, DefaultsFollowTheEnvironment) {
  ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  ::setenv("XDG_STATE_HOME", "/home/u/state", 1);
  EXPECT_EQ(default_runtime_folder(), "/run/user/7/wakeline");
  EXPECT_EQ(default_state_folder(), "/home/u/state/wakeline");
  ::unsetenv("XDG_RUNTIME_DIR");
  ::unsetenv("XDG_STATE_HOME");
  ::setenv("HOME", "/home/u", 1);
  const bool root = ::geteuid() == 0;
  EXPECT_EQ(default_runtime_folder(),
            root ? "/run/wakeline" : "/tmp/wakeline-" + std::to_string(::geteuid()));
  EXPECT_EQ(default_state_folder(), root ? "/var/lib/wakeline" : "/home/u/.local/state/wakeline");
}

}  // namespace
}  // namespace wakeline::io
