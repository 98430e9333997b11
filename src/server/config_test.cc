// SPDX-License-Identifier: Apache-2.0
#include "server/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace wakeline::server {
namespace {

std::string error_of(std::string_view text) {
  const auto read = read_config(text);
  return read ? "" : to_string(read.error(), "f");
}

TEST(Config, SaysWhatTheFileSaysOnTopOfTheDefaults) {
  const auto read = read_config(
      "[listen]\nhttp = \"127.0.0.1:8080\"\nmqtts = \"off\"\n"
      "[limits]\nqueue_max = 5\nidle_timeout_s = 7\n"
      "[push]\nvapid_required = true\npublic_url = \"https://push.example.org\"\n"
      "[tls]\nnames = [\"a.example\", \"10.0.0.1\"]\n[log]\nlevel = \"debug\"\n");
  ASSERT_TRUE(read) << to_string(read.error(), "f");
  EXPECT_EQ(read->http, (Endpoint{"127.0.0.1", 8'080}));
  EXPECT_EQ(read->mqtts, std::nullopt);
  EXPECT_EQ(read->https, (Endpoint{"0.0.0.0", 8'443}));
  EXPECT_EQ(read->limits.queue_max, 5U);
  EXPECT_EQ(read->limits.idle_timeout, std::chrono::seconds(7));
  EXPECT_TRUE(read->vapid_required);
  EXPECT_EQ(read->public_url, "https://push.example.org");
  EXPECT_EQ(read->names, (std::vector<std::string>{"a.example", "10.0.0.1"}));
  EXPECT_EQ(read->log_level, "debug");
  ASSERT_TRUE(read_config(""));
}

TEST(Config, NamesTheKeyAndTheLineThatIsWrong) {
  const struct {
    std::string text;
    std::string error;
  } rows[] = {
      {"[limits]\n\nqueue_maks = 5\n", "f:3: limits.queue_maks: is unknown; known here: conn"},
      {"[limit]\nqueue_max = 5\n", "f:1: limit: is unknown; known sections: listen"},
      {"queue_max = 5\n", "f:1: queue_max: is unknown; known sections"},
      {"[limits]\nqueue_max = -1\n", "f:2: limits.queue_max: must be a whole number from 1"},
      {"[limits]\nqueue_max = \"5\"\n", "f:2: limits.queue_max: must be a whole number"},
      {"[limits]\nqueue_max = 4294967296\n", "f:2: limits.queue_max: must be a whole number"},
      {"[limits]\nqueue_max = 0\n", "f:2: limits.queue_max: must be a whole number from 1"},
      {"[limits]\nconnections_max = 0\n", "f:2: limits.connections_max: must be a whole"},
      {"[limits]\narriving_per_address_max = 0\n", "f:2: limits.arriving_per_address_max: must"},
      {"[limits]\nhttp_connections_max = 0\n", "f:2: limits.http_connections_max: must be a"},
      {"[limits]\nkeep_alive_max_s = 0\n", "f:2: limits.keep_alive_max_s: must be a whole"},
      {"[limits]\nshards = 4294967295\n", "f:2: limits.shards: must be a whole number from 0 to"},
      {"[limits]\nkeep_alive_max_s = 65536\n", "f:2: limits.keep_alive_max_s: must be a whole"},
      {"[limits]\nidle_timeout_s = 0\n", "f:2: limits.idle_timeout_s: must be a whole number of"},
      {"[listen]\nhttps = 8443\n", "f:2: listen.https: must be \"ADDRESS:PORT\""},
      {"[listen]\nhttps = \"localhost:1\"\n", "f:2: listen.https: must be"},
      {"[push]\npublic_url = \"push.example.org\"\n", "f:2: push.public_url: must begin with"},
      {"[push]\nvapid_required = 1\n", "f:2: push.vapid_required: must be true or false"},
      {"[tls]\nnames = \"a\"\n", "f:2: tls.names: must be a list"},
      {"[tls]\nnames = [1]\n", "f:2: tls.names: must be a list"},
      {"[fallback]\napns_url = \"http://push.example\"\n", "f:2: fallback.apns_url: must be a URL"},
      {"[fallback]\napns_url = \"https://\"\n", "f:2: fallback.apns_url: must be a URL that"},
      {"[fallback]\napns_push_type = \"x\"\n", "f:2: fallback.apns_push_type: must be"},
      {"[log]\nlevel = \"loud\"\n", "f:2: log.level: must be"},
      {"[log]\nlevel = \"info\"\nlevel = \"info\"\n", "f:3: "},
      {"[log\n", "f:1: "},
      {"\x01\x02", "f:1: "},
  };
  for (const auto& row : rows)
    EXPECT_TRUE(error_of(row.text).starts_with(row.error)) << error_of(row.text);
}

TEST(Config, ShowsEveryKeyAndReadsWhatItShows) {
  const std::string text = config_text();
  const auto read = read_config(text);
  ASSERT_TRUE(read) << to_string(read.error(), "f");
  EXPECT_EQ(config_text(*read), text);
  EXPECT_EQ(need_restart(*read, {}), "");
  std::ifstream file(WAKELINE_PACKAGING "/server.toml");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text)
      << "packaging/server.toml is to be what `wakeline server --print-config` says";
}

TEST(Config, OfARunningServerTakesOverWhatIsLiveAndNothingElse) {
  ServerOptions running;
  ServerOptions wanted;
  wanted.limits.device_rate = 5;
  wanted.limits.idle_timeout = std::chrono::seconds(7);
  wanted.log_level = "debug";
  wanted.limits.queue_max = 5;
  wanted.https.reset();
  take_live(running, wanted);
  EXPECT_EQ(running.limits.device_rate, 5U);
  EXPECT_EQ(running.limits.idle_timeout, std::chrono::seconds(7));
  EXPECT_EQ(running.log_level, "debug");
  EXPECT_EQ(running.limits.queue_max, ServerOptions{}.limits.queue_max);
  EXPECT_EQ(need_restart(running, wanted), "listen.https limits.queue_max");
}

TEST(Config, TellsWhatARunningServerCannotTakeOver) {
  ServerOptions wanted;
  wanted.limits.device_rate = 5;
  wanted.limits.queue_max = 5;
  wanted.https.reset();
  EXPECT_EQ(need_restart({}, wanted), "listen.https limits.queue_max");
}

}  // namespace
}  // namespace wakeline::server
