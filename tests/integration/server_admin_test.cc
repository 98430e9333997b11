// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "io/file.h"
#include "io/stream.h"
#include "io/testing.h"
#include "server/admin.h"
#include "server/server.h"
#include "store/database.h"
#include "store/schema.h"

namespace wakeline::server {
namespace {

using base::ErrorCode;

unsigned mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

/// What a server's start does to its folder.
Outcome<FirstStart> prepare_data_folder(const std::string& folder,
                                        const std::vector<std::string>& names) {
  EXPECT_TRUE(io::make_folder(folder));
  const auto certificate = prepare_certificate(folder, names);
  if (!certificate) return std::unexpected(certificate.error());
  auto token = prepare_store(folder);
  if (!token) return std::unexpected(token.error());
  return FirstStart{*certificate, std::move(*token)};
}

bool some_file_holds(const std::string& folder, const std::string& text) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename() == "admin-token") continue;
    if (io::read_file(entry.path().string(), 10'000'000)->find(text) != std::string::npos)
      return true;
  }
  return false;
}

TEST(ServerAdmin, MakesTheDataFolderOnceAndTellsTheTokenOnce) {
  const io::TestFolder folder;
  const std::string data = folder.file("a/data");
  const auto first = prepare_data_folder(data, {"push.example.org"});
  ASSERT_TRUE(first) << to_string(first.error());
  EXPECT_TRUE(first->certificate);
  EXPECT_EQ(first->admin_token.size(), 43U);
  EXPECT_EQ(mode_of(data), 0700U);
  EXPECT_EQ(mode_of(data + "/key.pem"), 0600U);
  EXPECT_EQ(mode_of(data + "/admin-token"), 0600U);
  EXPECT_EQ(*io::read_file(data + "/admin-token", 100), first->admin_token + "\n");
  EXPECT_FALSE(some_file_holds(data, first->admin_token));
  const auto certificate = io::read_file(data + "/certificate.pem", 10'000);
  const auto second = prepare_data_folder(data, {});
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->certificate);
  EXPECT_TRUE(second->admin_token.empty());
  EXPECT_EQ(io::read_file(data + "/certificate.pem", 10'000), certificate);
}

TEST(ServerAdmin, GoesOnWhereAFirstStartWasCutShort) {
  const io::TestFolder folder;
  const std::string data = folder.file("data");
  ASSERT_TRUE(prepare_data_folder(data, {}));
  std::filesystem::remove(data + "/certificate.pem");
  const auto again = prepare_data_folder(data, {});
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_TRUE(again->certificate);
  std::filesystem::remove(data + "/key.pem");
  const auto keyless = prepare_data_folder(data, {});
  ASSERT_FALSE(keyless);  // a certificate of somebody's own is not thrown away
  EXPECT_EQ(keyless.error().what, data + "/key.pem");
}

TEST(ServerAdmin, AddsDevicesAndWritesTheirCredentials) {
  const io::TestFolder folder;
  const std::string data = folder.file("data");
  EXPECT_EQ(add_device(data, "door", "a.example", 1).error().error.code, ErrorCode::kNotFound);
  ASSERT_TRUE(prepare_data_folder(data, {}));
  const auto door = add_device(data, "door", "a.example", 8'883);
  ASSERT_TRUE(door) << to_string(door.error());
  EXPECT_EQ(to_text(*door), "host = a.example\nport = 8883\ndevice = door\ntoken = " + door->token +
                                "\nca_file = " + data + "/certificate.pem\n");
  EXPECT_FALSE(some_file_holds(data, door->token));
  ASSERT_TRUE(write_credentials(folder.file("door.conf"), *door));
  EXPECT_EQ(mode_of(folder.file("door.conf")), 0600U);
  EXPECT_EQ(*io::read_file(folder.file("door.conf"), 1'000), to_text(*door));

  EXPECT_EQ(add_device(data, "door", "", 1).error().error.code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(add_device(data, "-x", "", 1).error().error.code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(add_device(data, "bell", "", 1));
  const auto devices = list_devices(data);
  ASSERT_TRUE(devices);
  ASSERT_EQ(devices->size(), 2U);
  EXPECT_EQ(devices->front().name, "bell");
  EXPECT_TRUE(remove_device(data, "bell"));
  EXPECT_EQ(remove_device(data, "bell").error().error.code, ErrorCode::kNotFound);
}

TEST(ServerStart, NamesWhatIsInTheWay) {
  const io::TestFolder folder;
  ServerOptions options;
  options.data_folder = folder.file("data");
  options.mqtts = Endpoint{"127.0.0.1", 0};
  options.https.reset();
  const auto error_of = [](const ServerOptions& wrong) {
    const auto made = Server::create(wrong);
    return made ? Failure{} : made.error();
  };
  const auto running = Server::create(options);
  ASSERT_TRUE(running) << to_string(running.error());
  EXPECT_FALSE((*running)->first_start().admin_token.empty());
  EXPECT_EQ(error_of(options).error.code, ErrorCode::kBusy);
  EXPECT_EQ(error_of(options).what, options.data_folder + "/lock");

  ServerOptions other = options;
  other.data_folder = folder.file("other");
  other.http = Endpoint{"0.0.0.0", 0};
  EXPECT_EQ(to_string(error_of(other)), "0.0.0.0:0: plain text off loopback: permission denied");
  other.plain_off_loopback = true;
  EXPECT_EQ(error_of(other).what, "");
  other.mqtt = Endpoint{"no address", 1};
  EXPECT_EQ(error_of(other).error.code, ErrorCode::kInvalidArgument);
  other.mqtt.reset();
  std::ofstream(other.data_folder + "/certificate.pem") << "nonsense";
  EXPECT_EQ(error_of(other).error.code, ErrorCode::kMalformed);
  EXPECT_EQ(error_of(other).what, other.data_folder + "/certificate.pem");
}

/// The version of the tables, by the file's header; as the number of the first version's is 1.
int schema_of(const std::string& store) {
  const auto file = io::read_file(store, 100'000'000);
  return file && file->size() > 63 ? static_cast<unsigned char>((*file)[63]) : -1;
}

TEST(ServerStart, ThatIsRefusedLeavesTheRunningServersTablesAsTheyAre) {
  const io::TestFolder folder;
  ServerOptions options;
  options.data_folder = folder.file("data");
  options.mqtts = Endpoint{"127.0.0.1", 0};
  options.https.reset();
  const std::string store = options.data_folder + "/store.db";
  ASSERT_TRUE(io::make_folder(options.data_folder));
  {
    auto older = store::Database::open(store, store::Database::Mode::kWrite);
    ASSERT_TRUE(older);
    ASSERT_TRUE(
        older->run("PRAGMA journal_mode = DELETE; PRAGMA writable_schema = ON;"
                   "DELETE FROM sqlite_schema; PRAGMA writable_schema = RESET; VACUUM"));
    ASSERT_TRUE(older->run(store::kSchema));
  }
  {
    const io::UniqueFd lock(
        ::open((options.data_folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);  // as that server has it
    const auto made = Server::create(options);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().error.code, ErrorCode::kBusy);
    EXPECT_EQ(schema_of(store), 1);
    const auto added = add_device(options.data_folder, "door", "", 1);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().error, (base::Error{ErrorCode::kUnsupported, store::kOlderSchema}));
    EXPECT_EQ(schema_of(store), 1);
  }
  EXPECT_TRUE(Server::create(options));
  EXPECT_TRUE(add_device(options.data_folder, "door", "", 1));
}

TEST(ServerStart, NamesThePortThatIsTaken) {
  const io::TestFolder folder;
  io::Loop loop;
  const auto taken = io::Listener::open(loop, "127.0.0.1", 0, [](auto) {});
  ASSERT_TRUE(taken);
  ServerOptions options;
  options.data_folder = folder.file("data");
  options.mqtts = Endpoint{"127.0.0.1", (*taken)->port()};
  const auto made = Server::create(options);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().error.code, ErrorCode::kAddressInUse);
  EXPECT_EQ(made.error().what, "127.0.0.1:" + std::to_string((*taken)->port()));
}

TEST(ServerStart, EndsWhenItIsAskedTo) {
  const io::TestFolder folder;
  ServerOptions options;
  options.data_folder = folder.file("data");
  options.mqtts = Endpoint{"127.0.0.1", 0};
  options.https = Endpoint{"127.0.0.1", 0};
  Server* running = nullptr;
  options.on_ready = [&](const Ports& ports) {
    EXPECT_NE(ports.mqtts, 0);
    EXPECT_NE(ports.https, 0);
    EXPECT_EQ(ports.mqtt, 0);
    running->stop();
  };
  const auto server = Server::create(options);
  ASSERT_TRUE(server);
  running = server->get();
  running->run();
}

}  // namespace
}  // namespace wakeline::server
