// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/manifest.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// A manifest that was accepted keeps its header's promises; a refusal says what is wrong, in UTF-8
/// and on one line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<wire::ManifestError> warnings;
  const auto manifest = wire::parse_desktop_entry(text, "id", &warnings);
  for (const auto& warning : warnings) {
    const std::string told = wire::to_string(warning, "id.desktop");
    WL_CHECK_MSG(base::is_utf8(told) && told.find('\n') == std::string::npos, "{}", told);
  }
  if (!manifest) {
    const std::string told = wire::to_string(manifest.error(), "id.desktop");
    WL_CHECK_MSG(base::is_utf8(told) && told.find('\n') == std::string::npos, "{}", told);
    WL_CHECK(!manifest.error().message.empty());
    return 0;
  }
  WL_CHECK(!manifest->id.empty() && manifest->id.size() <= wire::kAppNameMax);
  WL_CHECK(!manifest->name.empty() && manifest->name.size() <= wire::kAppNameMax);
  WL_CHECK(!manifest->command.empty() && manifest->command.size() <= wire::kArgumentsMax);
  WL_CHECK(!manifest->command[0].empty());
  WL_CHECK(manifest->environment.size() <= wire::kArgumentsMax);
  for (const std::string& variable : manifest->environment) {
    WL_CHECK_MSG(variable.find('=') != std::string::npos, "{}", variable);
  }
  for (const std::string& argument : manifest->command) {
    WL_CHECK(argument.find('\0') == std::string::npos);
  }
  // What was read can be written, unless its escapes make it too long; the writer reads it back.
  const auto written = wire::write_desktop_entry(*manifest);
  WL_CHECK(written || written.error().code == base::ErrorCode::kTooLarge);
  return 0;
}
