// SPDX-License-Identifier: Apache-2.0
#include "wire/manifest.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "wire/host_message.h"

namespace wakeline::wire {

void PrintTo(const ManifestError& error, std::ostream* out) { *out << to_string(error, "file"); }

namespace {

using base::ErrorCode;
using Words = std::vector<std::string>;

// The host shows a manifest's id and name in its messages.
static_assert(kAppNameMax <= host::kNameMax);

std::string entry(std::string_view lines) {
  return "[Desktop Entry]\nType=Application\nName=n\nExec=x\n" + std::string(lines);
}

std::string with_exec(std::string_view exec) {
  return "[Desktop Entry]\nType=Application\nName=n\nExec=" + std::string(exec) + "\n";
}

TEST(Manifest, ReadsADesktopEntry) {
  const auto manifest = parse_desktop_entry(R"(# A doorbell.

[Desktop Entry]
Type=Application
Name = Door bell 
Name[de]=Klingel
Name[de]=Türklingel
Icon=bell
Exec=/usr/bin/doorbell --server "tls://localhost" %U
Path=/var/lib/door\sbell
X-Wakeline-Id=doorbell
X-Wakeline-BackgroundModes=voip;audio;
X-Wakeline-Environment=LEVEL=debug;LIST=a\;b;EMPTY=

[Desktop Action ring]
Name=Ring
Exec=/usr/bin/ring
Exec=again
no key at all
)",
                                            "file");
  ASSERT_TRUE(manifest) << testing::PrintToString(manifest.error());
  Manifest expected;
  expected.id = "doorbell";
  expected.name = "Door bell";
  expected.command = {"/usr/bin/doorbell", "--server", "tls://localhost"};
  expected.working_directory = "/var/lib/door bell";
  expected.environment = {"LEVEL=debug", "LIST=a;b", "EMPTY="};
  expected.voip = true;
  expected.audio = true;
  EXPECT_EQ(*manifest, expected);
}

TEST(Manifest, ReadsWhatAProgramThatKnowsNothingOfUsNeeds) {
  const auto manifest = parse_desktop_entry(entry(R"(X-Wakeline-Voip=tcp:5061,5060,5061
X-Wakeline-KeepAlive=600
X-Wakeline-TcpKeepAlive=240
X-Wakeline-Media=udp:20000-20200
X-Wakeline-MergePings=25
X-Wakeline-ExitsOnSuspend=true
X-Wakeline-Relaunch=false
X-Wakeline-Reclaim=true
X-Wakeline-Ipc=wake
X-Wakeline-NotificationStyle=alert
)"),
                                            "id");
  ASSERT_TRUE(manifest) << testing::PrintToString(manifest.error());
  EXPECT_TRUE(manifest->voip);
  EXPECT_EQ(manifest->sockets, (SocketRule{false, {5060, 5061}}));
  EXPECT_EQ(manifest->keep_alive, std::chrono::seconds(600));
  EXPECT_EQ(manifest->tcp_keep_alive, std::chrono::seconds(240));
  EXPECT_EQ(manifest->media, (MediaRule{20'000, 20'200}));
  EXPECT_TRUE(manifest->audio);
  EXPECT_EQ(manifest->merge_pings, std::chrono::seconds(25));
  EXPECT_TRUE(manifest->exits_on_suspend);
  EXPECT_FALSE(manifest->relaunch);
  EXPECT_TRUE(manifest->reclaim);
  EXPECT_EQ(manifest->ipc, IpcPolicy::kWake);
  EXPECT_EQ(manifest->style, NotificationStyle::kAlert);
}

TEST(Manifest, WarnsOfAnUnknownKeyOfOursAndRunsTheAppNevertheless) {
  std::vector<ManifestError> warnings;
  const auto manifest =
      parse_desktop_entry(entry("X-Wakeline-Mode=voip\nX-Other=1\n"), "id", &warnings);
  ASSERT_TRUE(manifest) << testing::PrintToString(manifest.error());
  ASSERT_EQ(warnings.size(), 1U);
  const std::string told = to_string(warnings[0], "f");
  EXPECT_TRUE(told.starts_with("f:5: X-Wakeline-Mode: unknown key, passed over; known: ")) << told;
  EXPECT_NE(told.find("X-Wakeline-BackgroundModes"), std::string::npos);
}

TEST(Manifest, GoesByTheFilesNameWithoutAnIdOfItsOwn) {
  const auto manifest = parse_desktop_entry(entry(""), "org.example.bell");
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->id, "org.example.bell");
  EXPECT_FALSE(manifest->voip);
  EXPECT_FALSE(manifest->audio);
  EXPECT_EQ(manifest->working_directory, "");
}

TEST(Manifest, TakesLinesThatEndAsOnWindowsAndALastOneThatDoesNotEnd) {
  const auto manifest = parse_desktop_entry(
      "[Desktop Entry]\r\nType=Application\r\nName=n\r\nExec=x\r\nPath=/p", "a");
  ASSERT_TRUE(manifest) << testing::PrintToString(manifest.error());
  EXPECT_EQ(manifest->name, "n");
  EXPECT_EQ(manifest->working_directory, "/p");
}

TEST(Manifest, SplitsExecAsTheSpecificationSays) {
  struct Case {
    const char* exec;
    Words words;
  };
  const Case cases[] = {
      {"a", {"a"}},
      {"a  b c", {"a", "b", "c"}},
      {R"(a "b c" "")", {"a", "b c", ""}},
      // The specification's own: four backslashes in the file are one in the argument.
      {R"(a "\\\\" "\\$x" "\\"q\\"" "\\`")", {"a", "\\", "$x", "\"q\"", "`"}},
      {R"("a b" ';')", {}},
      {"a %u %F %i %c %k %d %D %n %N %v %m %f %U", {"a"}},
      {"a --file=%f 100%% \"%%\"", {"a", "--file=", "100%", "%"}},
      {R"("a;b" "'c'" "*" "#")", {"a;b", "'c'", "*", "#"}},
      {R"(a\sb)", {"a", "b"}},
      {R"(a "b\nc")", {"a", "b\nc"}},
      {"a b=c {d} [e] :/.,-_+@!^", {"a", "b=c", "{d}", "[e]", ":/.,-_+@!^"}},
      {"a \xC3\xA9", {"a", "\xC3\xA9"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.exec);
    const auto manifest = parse_desktop_entry(with_exec(one.exec), "id");
    if (one.words.empty()) {
      EXPECT_FALSE(manifest);
    } else {
      ASSERT_TRUE(manifest) << testing::PrintToString(manifest.error());
      EXPECT_EQ(manifest->command, one.words);
    }
  }
}

TEST(Manifest, SaysWhereAFaultIs) {
  struct Case {
    std::string text;
    const char* told;
  };
  const Case cases[] = {
      {"", "f: no [Desktop Entry]"},
      {"\xff", "f: not UTF-8 text"},
      {std::string("#\0", 2), "f: not UTF-8 text"},
      {"Name=x\n", "f:1: a line before the first [group]"},
      {"[Other]\nName=x\n", "f: no [Desktop Entry]"},
      {"[Desktop Entry\n", "f:1: a group is written [name]"},
      {"[a]b]\n", "f:1: a group is written [name]"},
      {entry("[Desktop Entry]\n"), "f:5: [Desktop Entry] twice"},
      {entry("hello\n"), "f:5: 'hello' is not key=value"},
      {entry("a b=1\n"), "f:5: 'a b' is no key"},
      {entry("=1\n"), "f:5: '' is no key"},
      {entry("Name[de=1\n"), "f:5: 'Name[de' is no key"},
      {entry("Name=again\n"), "f:5: Name: twice; first in line 3"},
      {entry("X-Other=1\nX-Other=1\n"), "f:6: X-Other: twice; first in line 5"},
      {"[Desktop Entry]\nName=n\nExec=x\n", "f: Type: missing; an app has Type=Application"},
      {"[Desktop Entry]\nType=Link\n", "f:2: Type: must be Application"},
      {"[Desktop Entry]\nType=Application\nExec=x\n", "f: Name: missing"},
      {"[Desktop Entry]\nType=Application\nName=\n", "f:3: Name: must not be empty"},
      {"[Desktop Entry]\nType=Application\nName=a\\q\n",
       R"(f:3: Name: a backslash must be one of \s \n \t \r \\)"},
      {"[Desktop Entry]\nType=Application\nName=n\n", "f: Exec: missing"},
      {with_exec(""), "f:4: Exec: names no program"},
      {with_exec("%u"), "f:4: Exec: names no program"},
      {with_exec("\"\" a"), "f:4: Exec: names no program"},
      {with_exec("A=1 x"), "f:4: Exec: the program's name must not hold '='"},
      {with_exec("a 'b'"), "f:4: Exec: an argument with ''' must stand in double quotes"},
      {with_exec("a b\"c\""), "f:4: Exec: an argument with '\"' must stand in double quotes"},
      {with_exec("a \"b\"c"), "f:4: Exec: an argument must stand in double quotes as a whole"},
      {with_exec("a \"b"), "f:4: Exec: a double quote is not closed"},
      {with_exec("a \"$b\""), R"(f:4: Exec: in double quotes, write \" \` \$ \\ for " ` $ \)"},
      {with_exec("a \"%f\""), "f:4: Exec: a field code must not stand in double quotes"},
      {with_exec("a %x"),
       "f:4: Exec: '%' begins an unknown field code; write %% for a percent sign"},
      {with_exec("a %"),
       "f:4: Exec: '%' begins an unknown field code; write %% for a percent sign"},
      {entry("Path=tmp\n"), "f:5: Path: must start with '/'"},
      {entry("X-Wakeline-Voip=udp:1\n"),
       "f:5: X-Wakeline-Voip: 'udp:1' is neither 'all' nor 'tcp:PORT,PORT'"},
      {entry("X-Wakeline-Voip=tcp:1,,2\n"), "f:5: X-Wakeline-Voip: '' is no port from 1 to 65535"},
      {entry("X-Wakeline-BackgroundModes=voip\nX-Wakeline-KeepAlive=10min\n"),
       "f:6: X-Wakeline-KeepAlive: must be a whole number of seconds from 1 to 604800"},
      {entry("X-Wakeline-Voip=all\nX-Wakeline-TcpKeepAlive=0\n"),
       "f:6: X-Wakeline-TcpKeepAlive: must be a whole number of seconds from 1 to 32767"},
      {entry("X-Wakeline-TcpKeepAlive=60\n"),
       "f:5: X-Wakeline-TcpKeepAlive: needs X-Wakeline-Voip, which says of which sockets"},
      {entry("X-Wakeline-KeepAlive=600\n"),
       "f:5: X-Wakeline-KeepAlive: needs X-Wakeline-BackgroundModes=voip; or X-Wakeline-Voip"},
      {entry("X-Wakeline-Reclaim=yes\n"), "f:5: X-Wakeline-Reclaim: must be true or false"},
      {entry("X-Wakeline-Ipc=none\n"),
       "f:5: X-Wakeline-Ipc: 'none' is none of: drain, wake, ignore"},
      {entry("X-Wakeline-NotificationStyle=loud\n"),
       "f:5: X-Wakeline-NotificationStyle: 'loud' is none of: banner, alert, none"},
      {entry("X-Wakeline-BackgroundModes=voop;\n"),
       "f:5: X-Wakeline-BackgroundModes: unknown mode 'voop'; known: voip, audio"},
      {entry("X-Wakeline-BackgroundModes=voip\\\n"),
       R"(f:5: X-Wakeline-BackgroundModes: a backslash must be one of \; \s \n \t \r \\)"},
      {entry("X-Wakeline-Environment=A\n"), "f:5: X-Wakeline-Environment: 'A' is not NAME=value"},
      {entry("X-Wakeline-Environment=1A=1\n"),
       "f:5: X-Wakeline-Environment: '1A=1' is not NAME=value"},
      {entry("X-Wakeline-Environment=A=1;A=2\n"), "f:5: X-Wakeline-Environment: 'A' twice"},
      {entry("X-Wakeline-Id=.a\n"),
       "f:5: X-Wakeline-Id: '.a' is no id: 1 to 64 of a-z, 0-9, '.', '_', '-', not starting with "
       "'.'"},
  };
  for (const Case& one : cases) {
    const auto manifest = parse_desktop_entry(one.text, "id");
    ASSERT_FALSE(manifest) << one.told;
    EXPECT_EQ(to_string(manifest.error(), "f"), one.told);
    EXPECT_EQ(manifest.error().code, ErrorCode::kMalformed);
  }
}

TEST(Manifest, AsksForAnotherNameOfTheFileWhereThatIsNoId) {
  const auto manifest = parse_desktop_entry(entry(""), "Door Bell");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(to_string(manifest.error(), "Door Bell.desktop"),
            "Door Bell.desktop: X-Wakeline-Id: 'Door Bell' is no id: 1 to 64 of a-z, 0-9, '.', "
            "'_', '-', not starting with '.'; rename the file or set X-Wakeline-Id");
}

TEST(Manifest, KeepsItsLimits) {
  const auto error_of = [](const std::string& text) {
    const auto manifest = parse_desktop_entry(text, "id");
    return manifest ? ErrorCode::kOk : manifest.error().code;
  };
  const auto arguments = [](std::size_t count) {
    std::string exec = "a";
    for (std::size_t i = 1; i < count; ++i) exec += " b";
    return with_exec(exec);
  };
  EXPECT_EQ(error_of(arguments(kArgumentsMax)), ErrorCode::kOk);
  EXPECT_EQ(error_of(arguments(kArgumentsMax + 1)), ErrorCode::kTooLarge);

  const auto variables = [](std::size_t count) {
    std::string list = "X-Wakeline-Environment=";
    for (std::size_t i = 0; i < count; ++i) list += "A" + std::to_string(i) + "=1;";
    return entry(list);
  };
  EXPECT_EQ(error_of(variables(kArgumentsMax)), ErrorCode::kOk);
  EXPECT_EQ(error_of(variables(kArgumentsMax + 1)), ErrorCode::kTooLarge);

  const auto named = [](std::size_t size) {
    return "[Desktop Entry]\nType=Application\nExec=x\nName=" + std::string(size, 'n');
  };
  EXPECT_EQ(error_of(named(kAppNameMax)), ErrorCode::kOk);
  EXPECT_EQ(error_of(named(kAppNameMax + 1)), ErrorCode::kTooLarge);

  std::string text = entry("#");
  text.append(kManifestMax - text.size(), ' ');
  EXPECT_EQ(error_of(text), ErrorCode::kOk);
  EXPECT_EQ(error_of(text + " "), ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace wakeline::wire
