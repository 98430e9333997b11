// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>
#include <wakeline/secret.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include <boost/crc.hpp>

#include "app/errors.h"
#include "io/file.h"

// Which files there are:
//   GUARDED/.unlocked     empty; readable: so is everything beside it
//   GUARDED/NAME          magic, CRC-32 of the bytes (big-endian), the bytes
//   OPEN/.made            empty; GUARDED/.unlocked was made once
//   OPEN/NAME.known       empty; the secret was written and not erased since
namespace wakeline {
namespace {

using app::to_public;
using Code = base::ErrorCode;

constexpr std::string_view kMagic = "WLS1";
constexpr std::size_t kHeader = 8;
constexpr std::size_t kNameMax = 64;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && name[0] != '.' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

std::string checksum_of(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t sum = crc.checksum();
  std::string text;
  for (const int shift : {24, 16, 8, 0}) text += static_cast<char>((sum >> shift) & 0xff);
  return text;
}

/// Whether the file is there and can be opened: with a locked file system the name may be listed
/// and the file not be opened.
bool is_readable(const std::string& path) {
  return static_cast<bool>(io::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
}

std::optional<std::string> content_of(std::string_view file) {
  if (file.size() < kHeader || !file.starts_with(kMagic)) return std::nullopt;
  const std::string_view bytes = file.substr(kHeader);
  if (file.substr(kMagic.size(), kHeader - kMagic.size()) != checksum_of(bytes)) {
    return std::nullopt;
  }
  return std::string(bytes);
}

Error wrong_name() {
  return to_public(Code::kInvalidArgument, "secret: no name of 1 to 64 of A-Z a-z 0-9 . _ -");
}
Error is_locked() {
  return to_public(Code::kPermission, "secret: the folder is locked until the user logs in");
}

}  // namespace

std::string_view name(SecretState state) {
  static constexpr std::array<std::string_view, 4> kWords = {"readable", "locked", "absent",
                                                             "corrupt"};
  return kWords.at(static_cast<std::size_t>(state));
}

bool SecretFolder::locked() const {
  return is_readable(open_ + "/.made") && !is_readable(guarded_ + "/.unlocked");
}

Secret SecretFolder::read(std::string_view secret) const {
  if (!is_name(secret)) return {SecretState::kAbsent, {}};
  const std::string word(secret);
  const bool known = is_readable(open_ + "/" + word + ".known");
  if (locked()) return {known ? SecretState::kLocked : SecretState::kAbsent, {}};
  const auto file = io::read_file(guarded_ + "/" + word, kSecretMax + kHeader);
  if (!file) {
    const Code code = file.error().code;
    if (code == Code::kNotFound) {
      return {known ? SecretState::kCorrupt : SecretState::kAbsent, {}};
    }
    const bool kept = code == Code::kPermission || file.error().os_error == ENOKEY;
    return {kept ? SecretState::kLocked : SecretState::kCorrupt, {}};
  }
  auto bytes = content_of(*file);
  if (!bytes) return {SecretState::kCorrupt, {}};
  return {SecretState::kReadable, *std::move(bytes)};
}

Result<void> SecretFolder::write(std::string_view secret, std::string_view bytes) const {
  if (!is_name(secret)) return wrong_name();
  if (bytes.size() > kSecretMax) return to_public(Code::kTooLarge, "secret");
  // Below a volume that is not mounted now it would be written in the clear, and be hidden later.
  if (locked()) return is_locked();
  const std::string word(secret);
  std::string file(kMagic);
  file += checksum_of(bytes);
  file += bytes;
  for (const std::string& folder : {guarded_, open_}) {
    if (auto made = io::make_folder(folder); !made) return to_public(made.error(), folder);
  }
  // The secret before the word that it is known: a crash between them leaves a secret that is
  // found as soon as it can be read, never one that is missed.
  const std::pair<std::string, std::string_view> files[] = {{guarded_ + "/.unlocked", {}},
                                                            {open_ + "/.made", {}},
                                                            {guarded_ + "/" + word, file},
                                                            {open_ + "/" + word + ".known", {}}};
  for (const auto& [path, content] : files) {
    if (auto written = io::write_file(path, content); !written) {
      return to_public(written.error(), path);
    }
  }
  return {};
}

Result<void> SecretFolder::erase(std::string_view secret) const {
  if (!is_name(secret)) return wrong_name();
  if (locked()) return is_locked();
  const std::string word(secret);
  for (const std::string& path : {open_ + "/" + word + ".known", guarded_ + "/" + word}) {
    if (auto removed = io::remove_file(path); !removed) return to_public(removed.error(), path);
  }
  return {};
}

}  // namespace wakeline
