// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <wakeline/secret.h>

#include <filesystem>
#include <fstream>

namespace wakeline {
namespace {

class Secrets : public testing::Test {
 protected:
  Secrets() {
    std::string pattern = testing::TempDir() + "wakeline-secret-XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  ~Secrets() override { std::filesystem::remove_all(folder); }

  std::string guarded() const { return folder + "/home/secrets"; }
  SecretFolder secrets() const { return {guarded(), folder + "/open"}; }
  /// As a home that is mounted at the login: below it lies an empty folder.
  void lock() const {
    std::filesystem::rename(folder + "/home", folder + "/away");
    std::filesystem::create_directory(folder + "/home");
  }
  void unlock() const {
    std::filesystem::remove(folder + "/home");
    std::filesystem::rename(folder + "/away", folder + "/home");
  }
  void overwrite(const std::string& bytes) const {
    std::ofstream(guarded() + "/token", std::ios::trunc) << bytes;
  }

  std::string folder;
};

TEST_F(Secrets, C26TellLockedFromAbsentFromCorrupt) {
  const SecretFolder store = secrets();
  EXPECT_EQ(store.read("token").state, SecretState::kAbsent);
  const std::string bytes("top\0secret", 10);
  ASSERT_TRUE(store.write("token", bytes));
  EXPECT_EQ(store.read("token"), (Secret{SecretState::kReadable, bytes}));
  lock();
  EXPECT_EQ(store.read("token"), (Secret{SecretState::kLocked, {}}));
  EXPECT_EQ(store.read("other").state, SecretState::kAbsent);
  unlock();
  EXPECT_EQ(store.read("token").state, SecretState::kReadable);
  overwrite("WLS1half");
  EXPECT_EQ(store.read("token"), (Secret{SecretState::kCorrupt, {}}));
  std::filesystem::remove(guarded() + "/token");
  EXPECT_EQ(store.read("token").state, SecretState::kCorrupt);
  ASSERT_TRUE(store.erase("token"));
  EXPECT_EQ(store.read("token").state, SecretState::kAbsent);
}

TEST_F(Secrets, C26FindEverySingleBitThatIsWrong) {
  const SecretFolder store = secrets();
  ASSERT_TRUE(store.write("token", "abc"));
  std::ifstream file(guarded() + "/token", std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(file), {});
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string spoilt = whole;
    spoilt[bit / 8] = static_cast<char>(spoilt[bit / 8] ^ (1 << bit % 8));
    overwrite(spoilt);
    EXPECT_EQ(store.read("token").state, SecretState::kCorrupt) << bit;
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    overwrite(whole.substr(0, size));
    EXPECT_EQ(store.read("token").state, SecretState::kCorrupt) << size;
  }
}

TEST_F(Secrets, AreNotWrittenBelowAVolumeThatIsNotMounted) {
  const SecretFolder store = secrets();
  ASSERT_TRUE(store.write("token", "abc"));
  lock();
  const auto written = store.write("token", "new");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kPermission);
  EXPECT_FALSE(store.erase("token"));
  EXPECT_TRUE(std::filesystem::is_empty(folder + "/home"));
  unlock();
  EXPECT_EQ(store.read("token").bytes, "abc");
}

TEST_F(Secrets, OfAWriteThatWasCutShortAreFoundWhenTheyCanBeRead) {
  const SecretFolder store = secrets();
  ASSERT_TRUE(store.write("token", "abc"));
  std::filesystem::remove(folder + "/open/token.known");
  EXPECT_EQ(store.read("token").state, SecretState::kReadable);
}

TEST_F(Secrets, KeepTheirLimits) {
  const SecretFolder store = secrets();
  EXPECT_TRUE(store.write("most", std::string(kSecretMax, 's')));
  EXPECT_EQ(store.read("most").bytes.size(), kSecretMax);
  EXPECT_EQ(store.write("more", std::string(kSecretMax + 1, 's')).error().code,
            ErrorCode::kTooLarge);
  for (const std::string& wrong : {std::string(), std::string(".a"), std::string("a/b"),
                                   std::string("../a"), std::string(65, 'a')}) {
    EXPECT_EQ(store.write(wrong, "s").error().code, ErrorCode::kInvalidArgument) << wrong;
    EXPECT_EQ(store.read(wrong).state, SecretState::kAbsent) << wrong;
  }
}

}  // namespace
}  // namespace wakeline
