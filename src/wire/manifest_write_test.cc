// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "wire/manifest.h"

namespace wakeline::wire {
namespace {

Manifest minimal() {
  Manifest manifest;
  manifest.id = "a";
  manifest.name = "A";
  manifest.command = {"a"};
  return manifest;
}

TEST(ManifestWrite, WritesEveryFieldSoThatItIsReadBack) {
  Manifest manifest = minimal();
  manifest.name = " Door; bell\\ ";
  manifest.command = {"/opt/a b/x", "", "100%", "$HOME `x` \"q\" \\", "a\tb\nc", "'*;#?"};
  manifest.working_directory = "/var/lib/door bell";
  manifest.environment = {"A=1;2\\", "B=", "C= x "};
  manifest.voip = manifest.audio = true;
  manifest.sockets = {false, {5060}};
  manifest.keep_alive = std::chrono::seconds(600);
  manifest.tcp_keep_alive = std::chrono::seconds(240);
  manifest.media = {20'000, 20'200};
  manifest.merge_pings = std::chrono::seconds(25);
  manifest.exits_on_suspend = manifest.reclaim = true;
  manifest.relaunch = false;
  manifest.ipc = IpcPolicy::kIgnore;
  manifest.style = NotificationStyle::kNone;
  const auto text = write_desktop_entry(manifest);
  ASSERT_TRUE(text);
  std::vector<ManifestError> warnings;
  const auto read = parse_desktop_entry(*text, "other", &warnings);
  ASSERT_TRUE(read) << to_string(read.error(), *text);
  EXPECT_EQ(*read, manifest) << *text;
  EXPECT_TRUE(warnings.empty());
}

TEST(ManifestWrite, RefusesWhatNoEntryCanHold) {
  Manifest manifest = minimal();
  EXPECT_TRUE(write_desktop_entry(manifest));
  manifest.command = {"a", "\xff"};
  EXPECT_FALSE(write_desktop_entry(manifest));
  manifest.command = {"a=b"};
  EXPECT_FALSE(write_desktop_entry(manifest));
  manifest.command = {};
  EXPECT_FALSE(write_desktop_entry(manifest));
  manifest = minimal();
  manifest.id = "Not An Id";
  EXPECT_FALSE(write_desktop_entry(manifest));
  manifest = minimal();
  manifest.working_directory = "relative";
  EXPECT_FALSE(write_desktop_entry(manifest));
}

RC_GTEST_PROP(ManifestWrite, EitherRefusesOrKeepsEveryArgument,
              (const std::vector<std::string>& arguments)) {
  Manifest manifest = minimal();
  manifest.command.insert(manifest.command.end(), arguments.begin(), arguments.end());
  const auto text = write_desktop_entry(manifest);
  if (!text) return;
  const auto read = parse_desktop_entry(*text, "id");
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->command == manifest.command);
}

}  // namespace
}  // namespace wakeline::wire
