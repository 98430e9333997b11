// SPDX-License-Identifier: Apache-2.0
#include "wire/info_plist.h"

#include <gtest/gtest.h>
#include <plist/plist.h>

#include <cstdlib>

namespace wakeline::wire {
namespace {

using base::ErrorCode;

std::string plist(std::string_view entries) {
  return R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"
  "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
)" + std::string(entries) +
         "</dict></plist>\n";
}

constexpr const char* kNeeded =
    "<key>CFBundleIdentifier</key><string>com.example.Phone</string>"
    "<key>CFBundleExecutable</key><string>Phone</string>";

std::string needed(std::string_view more) {
  return plist(std::string(kNeeded) + std::string(more));
}

/// The same list in Apple's binary form.
std::string binary(const std::string& xml) {
  plist_t root = nullptr;
  plist_from_xml(xml.data(), static_cast<std::uint32_t>(xml.size()), &root);
  char* bytes = nullptr;
  std::uint32_t size = 0;
  plist_to_bin(root, &bytes, &size);
  std::string result(bytes, size);
  std::free(bytes);
  plist_free(root);
  return result;
}

TEST(InfoPlist, C2ReadsTheManifestOfAPhoneAppInBothForms) {
  const std::string xml = needed(
      "<key>CFBundleDisplayName</key><string>My Phone</string>"
      "<key>UIBackgroundModes</key><array><string>voip</string><string>audio</string></array>"
      "<key>UIApplicationExitsOnSuspend</key><false/>"
      "<key>UIRequiresPersistentWiFi</key><true/>");
  Manifest expected;
  expected.id = "com.example.phone";
  expected.name = "My Phone";
  expected.command = {"/apps/Phone.app/Phone"};
  expected.working_directory = "/apps/Phone.app";
  expected.voip = expected.audio = true;
  for (const std::string& form : {xml, binary(xml)}) {
    EXPECT_TRUE(is_plist(form));
    std::vector<ManifestError> warnings;
    const auto manifest = parse_info_plist(form, "/apps/Phone.app", &warnings);
    ASSERT_TRUE(manifest) << to_string(manifest.error(), "Info.plist");
    EXPECT_EQ(*manifest, expected);
    EXPECT_TRUE(warnings.empty());
  }
}

TEST(InfoPlist, TakesDefaultsForWhatIsMissing) {
  const auto manifest =
      parse_info_plist(needed("<key>UIApplicationExitsOnSuspend</key><true/>"), "/apps/Phone.app");
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->name, "com.example.phone");
  EXPECT_TRUE(manifest->exits_on_suspend);
  EXPECT_FALSE(manifest->voip);
}

TEST(InfoPlist, WarnsOfAModeThatIsNotOffered) {
  std::vector<ManifestError> warnings;
  const auto manifest = parse_info_plist(
      needed("<key>UIBackgroundModes</key><array><string>location</string></array>"), "/a",
      &warnings);
  ASSERT_TRUE(manifest);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(
      to_string(warnings[0], "f"),
      "f: UIBackgroundModes: mode 'location' is not offered, passed over; known: voip, audio");
}

TEST(InfoPlist, SaysWhatIsWrong) {
  const struct {
    std::string bytes;
    const char* told;
  } cases[] = {
      {"", "f: is no property list with a dictionary at its top"},
      {"hello", "f: is no property list with a dictionary at its top"},
      {"bplist00", "f: is no property list with a dictionary at its top"},
      {binary(needed("")).substr(0, 60), "f: is no property list with a dictionary at its top"},
      {"<plist version=\"1.0\"><array/></plist>",
       "f: is no property list with a dictionary at its top"},
      {plist(""), "f: CFBundleIdentifier: missing"},
      {plist("<key>CFBundleIdentifier</key><true/>"), "f: CFBundleIdentifier: must be a string"},
      {plist("<key>CFBundleIdentifier</key><string>a b</string>"),
       "f: CFBundleIdentifier: 'a b' is no id: 1 to 64 of a-z, 0-9, '.', '_', '-', not starting "
       "with '.'"},
      {plist("<key>CFBundleIdentifier</key><string>a</string>"), "f: CFBundleExecutable: missing"},
      {needed("<key>UIBackgroundModes</key><string>voip</string>"),
       "f: UIBackgroundModes: must be an array"},
      {needed("<key>UIBackgroundModes</key><array><true/></array>"),
       "f: UIBackgroundModes: must be a string"},
      {needed("<key>UIApplicationExitsOnSuspend</key><string>YES</string>"),
       "f: UIApplicationExitsOnSuspend: must be true or false"},
  };
  for (const auto& one : cases) {
    const auto manifest = parse_info_plist(one.bytes, "/a");
    ASSERT_FALSE(manifest) << one.told;
    EXPECT_EQ(to_string(manifest.error(), "f"), one.told);
    EXPECT_EQ(manifest.error().code, ErrorCode::kMalformed);
  }
}

TEST(InfoPlist, KeepsItsLimits) {
  const auto code_of = [](const std::string& bytes) {
    const auto manifest = parse_info_plist(bytes, "/a");
    return manifest ? ErrorCode::kOk : manifest.error().code;
  };
  EXPECT_EQ(code_of(needed("<key>CFBundleName</key><string>" + std::string(65, 'n') + "</string>")),
            ErrorCode::kTooLarge);
  std::string modes;
  for (std::size_t i = 0; i <= kPlistEntriesMax; ++i) modes += "<string>voip</string>";
  EXPECT_EQ(code_of(needed("<key>UIBackgroundModes</key><array>" + modes + "</array>")),
            ErrorCode::kTooLarge);
  EXPECT_EQ(code_of(needed(std::string(kInfoPlistMax, ' '))), ErrorCode::kTooLarge);
  std::string deep;
  for (int i = 0; i < 2'000; ++i) deep += "<array>";
  EXPECT_EQ(code_of(plist("<key>a</key>" + deep)), ErrorCode::kMalformed);
}

}  // namespace
}  // namespace wakeline::wire
