// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/info_plist.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// What was accepted keeps the promises of a manifest; a refusal says what is wrong, in UTF-8 and
/// on one line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::vector<wire::ManifestError> warnings;
  const auto manifest = wire::parse_info_plist(bytes, "/apps/a.app", &warnings);
  if (!manifest) warnings.push_back(manifest.error());
  for (const auto& warning : warnings) {
    const std::string told = wire::to_string(warning, "Info.plist");
    WL_CHECK_MSG(base::is_utf8(told) && told.find('\n') == std::string::npos, "{}", told);
    WL_CHECK(!warning.message.empty());
  }
  if (!manifest) return 0;
  WL_CHECK(wire::is_app_id(manifest->id));
  WL_CHECK(!manifest->name.empty() && manifest->name.size() <= wire::kAppNameMax);
  WL_CHECK(manifest->command.size() == 1 && manifest->command[0].starts_with('/'));
  return 0;
}
