// SPDX-License-Identifier: Apache-2.0
#include "cli/server_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "io/testing.h"
#include "store/database.h"

namespace wakeline::cli {
namespace {

TEST(ServerFolder, IsTheServicesWhereThatHasBeenStarted) {
  const io::TestFolder folder;
  const std::string service = folder.file("service");
  const std::string own = folder.file("own");
  EXPECT_EQ(server_folder(service, own), own);
  std::filesystem::create_directory(service);
  EXPECT_EQ(server_folder(service, own), own);
  std::ofstream(service + "/store.db") << "x";
  EXPECT_EQ(server_folder(service, own), service);
}

TEST(ServerFolder, OfTheServiceIsTheOneThatItsUnitNames) {
  std::ifstream file(WAKELINE_PACKAGING "/systemd/wakeline-server.service");
  const std::string unit(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(unit.find(std::string(" --data-folder ") + kServiceFolder + "\n"), std::string::npos);
}

TEST(ServerFolder, FailsWithAHintOfWhatToDo) {
  using base::ErrorCode;
  const auto hint = [](ErrorCode code, const char* where) {
    return std::string(hint_of({"store.db", base::Error{code, where}}));
  };
  EXPECT_NE(hint(ErrorCode::kNotFound, "no server has been started here").find("--data-folder"),
            std::string::npos);
  EXPECT_NE(hint(ErrorCode::kUnsupported, store::kOlderSchema).find("upgrade"), std::string::npos);
  EXPECT_EQ(hint(ErrorCode::kStorage, "store.step"), "");
}

}  // namespace
}  // namespace wakeline::cli
