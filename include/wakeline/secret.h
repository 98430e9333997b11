// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>
#include <wakeline/export.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace wakeline {

inline constexpr std::size_t kSecretMax = 65'536;  ///< bytes of one secret

/// What an app that is launched before the user has logged in must tell apart (C26).
enum class SecretState : std::uint8_t {
  kReadable,  ///< it was read
  kLocked,    ///< it is there, and cannot be read yet: wait, and do not ask the user for it anew
  kAbsent,    ///< there is none
  kCorrupt,   ///< it was there, and what is left of it is not what was written
};
/// The stable word of a state: "locked".
WAKELINE_API std::string_view name(SecretState state);

/// A secret as it was found.
struct Secret {
  SecretState state = SecretState::kAbsent;  ///< how it is
  std::string bytes = {};                    ///< where it is readable
  friend bool operator==(const Secret&, const Secret&) = default;
};

/// Small secrets of an app, in a folder that is locked until the user logs in: in an encrypted
/// home, on a volume that is mounted then. Which secrets there are stands in a second folder that
/// is always readable; that is how kLocked and kAbsent are told apart before.
///
/// It encrypts nothing itself: that is the matter of what guards the folder. One process at a time.
class WAKELINE_API SecretFolder {
 public:
  /// Both are made by the first `write`. `guarded` must not hold anything else.
  SecretFolder(std::string guarded, std::string open)
      : guarded_(std::move(guarded)), open_(std::move(open)) {}

  /// `secret`: 1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot; another name is kAbsent.
  Secret read(std::string_view secret) const;
  /// Durable when it returns; a crash leaves the old secret or the new one.
  /// Errors: kPermission (locked now), kInvalidArgument (the name), kTooLarge, kStorageFull, kOs.
  Result<void> write(std::string_view secret, std::string_view bytes) const;
  /// Errors: kPermission (locked now), kInvalidArgument, kOs. One that is absent is no error.
  Result<void> erase(std::string_view secret) const;

 private:
  bool locked() const;

  std::string guarded_;
  std::string open_;
};

}  // namespace wakeline
