// SPDX-License-Identifier: Apache-2.0
// C26 with the guard that Linux itself has: a folder whose key (fscrypt) is taken away and given
// back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fscrypt.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>
#include <wakeline/secret.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace wakeline {
namespace {

/// An ext4 filesystem of the test's own, in a file, mounted where nobody else sees it.
class LockedFolder : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may mount a filesystem";
    std::string pattern = testing::TempDir() + "wakeline-fscrypt-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    mount_ = folder_ + "/mount";
    std::filesystem::create_directory(mount_);
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "no mounts of one's own: " << std::strerror(errno);
    }
    const std::string image = folder_ + "/image";
    const std::string make = "truncate -s 16M " + image + " && mkfs.ext4 -q -O encrypt -b 4096 " +
                             image + " && mount -o loop " + image + " " + mount_;
    if (std::system(make.c_str()) != 0) GTEST_SKIP() << "no ext4 with encryption on a loop device";
    mounted_ = true;
    root_ = ::open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!unlock()) GTEST_SKIP() << "this kernel has no fscrypt: " << std::strerror(errno);
    ASSERT_TRUE(encrypt(mount_ + "/home")) << std::strerror(errno);
  }
  void TearDown() override {
    if (root_ >= 0) ::close(root_);
    if (mounted_) ::umount2(mount_.c_str(), MNT_DETACH);
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  bool unlock() {
    alignas(fscrypt_add_key_arg) char bytes[sizeof(fscrypt_add_key_arg) + FSCRYPT_MAX_KEY_SIZE]{};
    auto* add = reinterpret_cast<fscrypt_add_key_arg*>(bytes);
    add->key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
    add->raw_size = FSCRYPT_MAX_KEY_SIZE;
    std::memset(add->raw, 7, FSCRYPT_MAX_KEY_SIZE);
    if (::ioctl(root_, FS_IOC_ADD_ENCRYPTION_KEY, add) != 0) return false;
    key_ = add->key_spec;
    return true;
  }
  bool lock() {
    ::sync();  // what is dirty cannot be locked
    fscrypt_remove_key_arg remove{};
    remove.key_spec = key_;
    return ::ioctl(root_, FS_IOC_REMOVE_ENCRYPTION_KEY, &remove) == 0 &&
           (remove.removal_status_flags & FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY) == 0;
  }
  bool encrypt(const std::string& path) {
    std::filesystem::create_directory(path);
    fscrypt_policy_v2 policy{};
    policy.version = FSCRYPT_POLICY_V2;
    policy.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS;
    policy.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS;
    policy.flags = FSCRYPT_POLICY_FLAGS_PAD_32;
    std::memcpy(policy.master_key_identifier, key_.u.identifier, FSCRYPT_KEY_IDENTIFIER_SIZE);
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = ::ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, &policy) == 0;
    ::close(fd);
    return done;
  }
  std::string mount_;

 private:
  std::string folder_;
  bool mounted_ = false;
  int root_ = -1;
  fscrypt_key_specifier key_{};
};

TEST_F(LockedFolder, C26SecretsAreLockedWithTheUsersKeyAndReadableWithIt) {
  const SecretFolder secrets(mount_ + "/home/secrets", mount_ + "/open");
  ASSERT_TRUE(secrets.write("token", "top secret"));
  for (int login = 0; login < 2; ++login) {
    ASSERT_TRUE(lock()) << std::strerror(errno);
    EXPECT_FALSE(std::filesystem::exists(mount_ + "/home/secrets/token"));
    EXPECT_EQ(secrets.read("token"), (Secret{SecretState::kLocked, {}}));
    EXPECT_EQ(secrets.read("other").state, SecretState::kAbsent);
    // Nothing is written, or forgotten, that the user could not see.
    EXPECT_FALSE(secrets.write("token", "another"));
    EXPECT_FALSE(secrets.write("new", "one"));
    EXPECT_FALSE(secrets.erase("token"));
    ASSERT_TRUE(unlock());
    EXPECT_EQ(secrets.read("token"), (Secret{SecretState::kReadable, "top secret"}));
    EXPECT_EQ(secrets.read("new").state, SecretState::kAbsent);
  }
}

}  // namespace
}  // namespace wakeline
