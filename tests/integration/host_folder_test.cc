// SPDX-License-Identifier: Apache-2.0
// Folders in a place where anybody may have been first, and whose host answers there.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "host/options.h"
#include "host_fixture.h"

namespace wakeline::host {
namespace {

class HostFolder : public HostTest {};
INSTANTIATE_TEST_SUITE_P(Freezer, HostFolder, testing::Values("sigstop"), parameter_name);

TEST_P(HostFolder, DoesNotStartWhereOthersMayWrite) {
  const std::string run = folder + "/run";
  ASSERT_TRUE(std::filesystem::create_directory(run));
  ASSERT_EQ(::chmod(run.c_str(), 0777), 0);
  const auto refused = wakeline({"host", "--runtime-folder", run, "--state-folder",
                                 folder + "/state", "--freezer", "sigstop"});
  EXPECT_EQ(refused.code, 5) << refused.output;
  EXPECT_NE(refused.output.find(run + ": others may write to the folder: chmod go-w"),
            std::string::npos)
      << refused.output;
  EXPECT_TRUE(std::filesystem::is_empty(run));
  ASSERT_EQ(::chmod(run.c_str(), 0755), 0);
  start_host();
}

constexpr uid_t kStranger = 65'533;
constexpr uid_t kUser = 65'532;

/// What the user's client hears when `owner` listens in the host's place and says nothing; kOk:
/// the test itself failed. Both are this process, one after the other: the kernel names the one
/// who called listen(2).
base::ErrorCode connect_as_user(uid_t owner, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const io::UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (::setresuid(owner, owner, 0) != 0 ||
      ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0777) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::setresuid(0, 0, 0) != 0 || ::setresuid(kUser, kUser, kUser) != 0) {
    return base::ErrorCode::kOk;
  }
  const auto client = ControlClient::connect(path, 100ms);
  return client ? base::ErrorCode::kOk : client.error().code;
}

TEST_P(HostFolder, GivesNothingToAStrangersHost) {
  if (::geteuid() != 0) GTEST_SKIP() << "it takes root to be several users";
  const std::string run = folder + "/run";
  ASSERT_TRUE(std::filesystem::create_directory(run));
  ASSERT_EQ(::chmod(folder.c_str(), 0711), 0);
  ASSERT_EQ(::chmod(run.c_str(), 0777), 0);
  for (const auto& [owner, heard] : {std::pair{kStranger, base::ErrorCode::kPermission},
                                     std::pair{kUser, base::ErrorCode::kTimeout}}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(static_cast<int>(connect_as_user(owner, socket_path(run))));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(heard));
    ASSERT_EQ(::unlink(socket_path(run).c_str()), 0);
  }
}

}  // namespace
}  // namespace wakeline::host
