// SPDX-License-Identifier: Apache-2.0
#include <wakeline/secret.h>
#include <wakeline/wakeline.h>

#include "app/c/boundary.h"

namespace wakeline::app::c {
namespace {

static_assert(kSecretMax == WAKELINE_SECRET_MAX);
static_assert(static_cast<int>(SecretState::kCorrupt) == WAKELINE_SECRET_CORRUPT);

constexpr std::size_t kFolderFirst = 24;

/// Runs `body(folder)` with the folders that the caller named.
template <class Body>
wakeline_error_t with_folder(const wakeline_secret_folder_t* folder, const char* secret,
                             Body body) {
  return guard([&]() -> wakeline_error_t {
    wakeline_secret_folder_t given = WAKELINE_SECRET_FOLDER_INIT;
    if (const auto bad = read_struct(folder, kFolderFirst, "folder", given)) return bad;
    if (given.guarded == nullptr || given.open == nullptr) return fail_null("folder");
    if (secret == nullptr) return fail_null("secret");
    return body(SecretFolder(given.guarded, given.open));
  });
}

}  // namespace
}  // namespace wakeline::app::c

using namespace wakeline::app::c;  // NOLINT(*-using-namespace): a source of this border alone

extern "C" {

const char* wakeline_secret_state_name(wakeline_secret_state_t state) {
  if (state < WAKELINE_SECRET_READABLE || state > WAKELINE_SECRET_CORRUPT) return "unknown";
  return wakeline::name(static_cast<wakeline::SecretState>(state)).data();  // a literal
}

wakeline_error_t wakeline_secret_read(const wakeline_secret_folder_t* folder, const char* secret,
                                      wakeline_secret_state_t* state, void* buffer, size_t capacity,
                                      size_t* size) {
  return with_folder(folder, secret, [&](const wakeline::SecretFolder& opened) -> wakeline_error_t {
    if (state == nullptr) return fail_null("state");
    if (size == nullptr) return fail_null("size");
    if (buffer == nullptr && capacity > 0) return fail_null("buffer");
    const auto read = opened.read(secret);
    if (read.bytes.size() > capacity) {
      *size = read.bytes.size();
      return fail(WAKELINE_ERROR_BUFFER, "the buffer is too small for the secret");
    }
    *state = static_cast<wakeline_secret_state_t>(read.state);
    *size = read.bytes.copy(static_cast<char*>(buffer), read.bytes.size());
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_secret_write(const wakeline_secret_folder_t* folder, const char* secret,
                                       const void* bytes, size_t size) {
  return with_folder(folder, secret, [&](const wakeline::SecretFolder& opened) -> wakeline_error_t {
    if (bytes == nullptr && size > 0) return fail_null("bytes");
    const auto written = opened.write(secret, {static_cast<const char*>(bytes), size});
    return written ? WAKELINE_OK : fail(written.error());
  });
}

wakeline_error_t wakeline_secret_erase(const wakeline_secret_folder_t* folder, const char* secret) {
  return with_folder(folder, secret, [&](const wakeline::SecretFolder& opened) -> wakeline_error_t {
    const auto erased = opened.erase(secret);
    return erased ? WAKELINE_OK : fail(erased.error());
  });
}

}  // extern "C"
