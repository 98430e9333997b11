// SPDX-License-Identifier: Apache-2.0
// Where the program writes what it has to say.
#include <sys/stat.h>

#include <filesystem>

#include "program_fixture.h"

namespace wakeline::cli {
namespace {

class ProgramOutput : public ProgramTest {
 protected:
  void SetUp() override { write("calm.toml", kCalm); }
  static bool is_page(const std::string& text) {
    return text.starts_with("<!doctype html>") && text.find("</html>") != std::string::npos;
  }

 private:
  static constexpr const char* kCalm = R"(lasts = "10min"
[[network]]
name = "cell"
[[device]]
name = "phone"
[[push]]
every = "2min"
)";
};

TEST_F(ProgramOutput, IsThePageAloneWhereItIsWantedOnStdout) {
  // As /dev/stdout, and nobody's loss where it would be replaced.
  std::filesystem::create_symlink("/proc/self/fd/1", file("stdout-link"));
  for (const char* name : {"-", "stdout-link", "/proc/self/fd/1"}) {
    const Result result = wakeline({"sim", "run", "calm.toml", "--report", name});
    EXPECT_EQ(result.code, 0) << result.errors;
    EXPECT_TRUE(is_page(result.output)) << name << ": " << result.output.substr(0, 200);
    EXPECT_EQ(result.errors.find("seed 1: ok"), 0U) << result.errors;
    const Result piped = shell(std::string("\"$0\" sim run calm.toml --report ") + name + " | cat");
    EXPECT_EQ(piped.output, result.output) << name;
  }
  EXPECT_TRUE(std::filesystem::is_symlink(file("stdout-link")));
}

TEST_F(ProgramOutput, GoesToAFifoAndToAFileThroughALink) {
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  const Result result = shell("cat fifo > copy & \"$0\" sim run calm.toml --report fifo && wait");
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_NE(result.output.find("The report is in fifo\n"), std::string::npos) << result.output;
  EXPECT_TRUE(is_page(text_of(file("copy"))));
  EXPECT_TRUE(std::filesystem::is_fifo(file("fifo")));
  std::filesystem::create_symlink("page", file("link"));
  EXPECT_EQ(wakeline({"sim", "run", "calm.toml", "--report", "link"}).code, 0);
  EXPECT_TRUE(is_page(text_of(file("page"))));
  EXPECT_TRUE(std::filesystem::is_symlink(file("link")));
}

TEST_F(ProgramOutput, ThatCannotBeWrittenIsToldByItsPlace) {
  // As /dev/full, by the shell: the program is handed no name of a device that others use.
  const Result full = shell("exec \"$0\" sim run calm.toml --report - > /dev/full");
  EXPECT_EQ(full.code, 8);
  EXPECT_NE(full.errors.find("wakeline: -: "), std::string::npos) << full.errors;
  const Result absent = wakeline({"sim", "run", "calm.toml", "--report", "none/page"});
  EXPECT_EQ(absent.code, 3);
  EXPECT_NE(absent.errors.find("wakeline: none/page: "), std::string::npos) << absent.errors;
}

TEST_F(ProgramOutput, ThatIsLostOnStdoutIsAnErrorOfEveryCommand) {
  for (const std::string words : {"sim list", "sim run calm.toml", "sim run calm.toml --trace",
                                  "--help", "--version", "server --print-config", "sim digests"}) {
    const Result result = shell("exec \"$0\" " + words + " > /dev/full");
    EXPECT_EQ(result.code, 8) << words;
    EXPECT_EQ(result.errors.find("wakeline: stdout: "), 0U) << words << ": " << result.errors;
  }
  // Nobody reads, and the signal that would say so is ignored, as of a service.
  const Result unread =
      shell("mkfifo pipe && exec 3<>pipe 4>pipe 3<&- && trap '' PIPE && exec \"$0\" sim list >&4");
  EXPECT_EQ(unread.code, 8);
  EXPECT_EQ(unread.errors.find("wakeline: stdout: "), 0U) << unread.errors;
}

TEST_F(ProgramOutput, ThatIsLostHidesNoOtherError) {
  const Result unknown = shell("exec \"$0\" sim run nothing > /dev/full");
  EXPECT_EQ(unknown.code, 3);
  EXPECT_EQ(shell("exec \"$0\" sim run nothing 2> /dev/full").code, 3);
  EXPECT_EQ(shell("exec \"$0\" frobnicate 2> /dev/full").code, 2);
}

TEST_F(ProgramOutput, ThatNobodyWantsGoesIntoNoFileThatIsOpenedLater) {
  EXPECT_EQ(shell("exec \"$0\" sim run calm.toml --report page <&- >&- 2>&-").code, 0);
  EXPECT_TRUE(is_page(text_of(file("page"))));
}

}  // namespace
}  // namespace wakeline::cli
