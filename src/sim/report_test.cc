// SPDX-License-Identifier: Apache-2.0
#include "sim/report.h"

#include <gtest/gtest.h>

#include "sim/scenario_file.h"

namespace wakeline::sim {
namespace {

std::string page(const Scenario& scenario, RunOptions options = {}) {
  options.recording = true;
  return to_html(scenario, run(scenario, 1, options));
}

TEST(ReportPage, HasEveryDeviceAndNothingFromElsewhere) {
  const Scenario& s = *find_scenario("hotel");
  const std::string html = page(s);
  for (const char* part :
       {"guest 0", "guest 1", "impatient", "What each device did", "Wakes by cause",
        "How long until a dead line was noticed", "Which keep-alive interval?", "NAT forgets after",
        "The longest of these without dark time", "found by the machine", "aria-label"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  for (const char* foreign : {"http:", "https:", "<script", "<link", "@import", "url("})
    EXPECT_EQ(html.find(foreign), std::string::npos) << foreign;
}

TEST(ReportPage, TakesNamesAsTextAndNotAsMarkup) {
  Scenario s = *find_scenario("crash-at-boot");
  s.title = "<b>bold</b> & \"quoted\"";
  const std::string html = page(s);
  EXPECT_EQ(html.find("<b>"), std::string::npos);
  EXPECT_NE(html.find("&lt;b&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot;"), std::string::npos);
}

TEST(ReportPage, SaysWhereARunWasStoppedAndWhatItCannotTell) {
  RunOptions options;
  options.until = std::chrono::minutes(1);
  options.keep.pushes.emplace();
  const std::string html = page(*find_scenario("crash-at-boot"), options);
  for (const char* part : {"<dt>Time</dt><dd>60 s<", "ended after 60 s", "<dt>Not judged</dt>",
                           "<dt>Push to app, p50</dt><dd>–<", "<dt>Push to app, p99</dt><dd>–<"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  const std::string whole = page(*find_scenario("crash-at-boot"));
  for (const char* part : {"ended after", "Not judged", "<dd>–<"})
    EXPECT_EQ(whole.find(part), std::string::npos) << part;
}

TEST(ReportPage, SaysWhatWasBroken) {
  Scenario s = *find_scenario("crash-at-boot");
  s.bug = Bug::kNeverFreezes;
  const std::string html = page(s);
  EXPECT_NE(html.find("promises were broken"), std::string::npos);
  EXPECT_NE(html.find("outside its windows"), std::string::npos);
}

}  // namespace
}  // namespace wakeline::sim
