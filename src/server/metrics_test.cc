// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

using namespace std::chrono_literals;

TEST(Metrics, AreTextByFamilyWithHelpTypeAndLabels) {
  Metrics metrics;
  metrics.counter("b_total", "What \\ is\ncounted", {{"code", "201"}}).add(2);
  metrics.counter("b_total", "What \\ is\ncounted", {{"code", "a\"b"}}).add();
  metrics.counter("b_total", "", {{"code", "201"}}).add();
  metrics.gauge("a_bytes", "Now", [] { return 1.5; });
  EXPECT_EQ(metrics.text(),
            "# HELP a_bytes Now\n# TYPE a_bytes gauge\na_bytes 1.5\n"
            "# HELP b_total What \\\\ is\\ncounted\n# TYPE b_total counter\n"
            "b_total{code=\"201\"} 3\nb_total{code=\"a\\\"b\"} 1\n");
}

TEST(Metrics, CountEachSpanInItsBucketAndInThoseAbove) {
  Metrics metrics;
  auto& spans = metrics.histogram("h_seconds", "Spans", {{"kind", "x"}});
  spans.observe(100us);
  spans.observe(3ms);
  spans.observe(1h);
  const std::string text = metrics.text();
  for (const char* line :
       {"# TYPE h_seconds histogram\n", "h_seconds_bucket{kind=\"x\",le=\"0.0001\"} 1\n",
        "h_seconds_bucket{kind=\"x\",le=\"0.0025\"} 1\n",
        "h_seconds_bucket{kind=\"x\",le=\"0.005\"} 2\n",
        "h_seconds_bucket{kind=\"x\",le=\"10\"} 2\n",
        "h_seconds_bucket{kind=\"x\",le=\"+Inf\"} 3\n", "h_seconds_sum{kind=\"x\"} 3600.0031\n",
        "h_seconds_count{kind=\"x\"} 3\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

}  // namespace
}  // namespace wakeline::server
