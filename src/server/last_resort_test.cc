// SPDX-License-Identifier: Apache-2.0
#include "server/last_resort.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <fstream>
#include <optional>
#include <vector>

#include "io/clock.h"
#include "io/loop.h"
#include "io/testing.h"
#include "store/store_testing.h"

namespace wakeline::server {
namespace {

/// What was asked of another service, to be answered by the test.
struct Asked {
  Http2Client::Request request;
  Http2Client::OnDone done;
};

class FakeClient : public Http2Client {
 public:
  explicit FakeClient(std::vector<Asked>& asked) : asked_(asked) {}
  void post(Request request, base::Duration, OnDone done) override {
    asked_.push_back({std::move(request), std::move(done)});
  }

 private:
  std::vector<Asked>& asked_;
};

class LastResortTest : public testing::Test {
 protected:
  void SetUp() override {
    store::add_device(path_, "door");
    arrange("ab12cd");
    auto store = store::Store::open({.path = path_}, mailbox_.post());
    ASSERT_TRUE(store) << to_string(store.error());
    store_ = std::move(*store);
    auto directory = store::Directory::open(path_, store::Database::Mode::kRead);
    ASSERT_TRUE(directory);
    directory_ = std::move(*directory);
    options_.apns_key_file = folder_.file("key.p8");
    options_.apns_key_id = options_.apns_team_id = "WAKELINE10";
    const Key key = make_p256_key();
    FILE* file = std::fopen(options_.apns_key_file.c_str(), "we");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(PEM_write_PKCS8PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    ASSERT_EQ(std::fclose(file), 0);
    auto apns = prepare_fallback(options_);
    ASSERT_TRUE(apns) << to_string(apns.error());
    apns_ = std::move(*apns);
  }
  void arrange(const std::string& address) {
    const auto directory = store::Directory::open(path_, store::Database::Mode::kWrite);
    ASSERT_TRUE(directory);
    ASSERT_TRUE((*directory)
                    ->fallbacks()
                    .set({.device = "door", .address = address, .topic = "org.example.door"}));
  }
  void push() {
    store::NewPush push = store::push_to("door");
    push.topic = "for the tables";
    push.accepted = io::wall_now();
    push.expires = push.accepted + std::chrono::hours(1);
    bool stored = false;
    ASSERT_TRUE(store_->add(push, [&](const auto& result) { stored = result.has_value(); }));
    ASSERT_TRUE(mailbox_.run_until([&] { return stored; }));
  }
  void make() {
    last_resort_ = std::make_unique<LastResort>(
        LastResort::Parts{.loop = loop_,
                          .timers = timers_,
                          .store = *store_,
                          .directory = *directory_,
                          .metrics = metrics_,
                          .apns = *apns_,
                          .gone = [this](std::string_view) { return gone_; },
                          .audit = [](std::string_view, std::string_view) {},
                          .http = std::make_unique<FakeClient>(asked_),
                          .devices_max = devices_max_},
        options_);
    asked_.clear();
  }
  /// One that has just asked the service to take a push for the device.
  void ask() {
    push();
    make();
    last_resort_->on_deadline(io::now());
    ASSERT_EQ(asked_.size(), 1U);
  }
  void answer(unsigned status, const std::string& body = {}) {
    asked_.front().done(Http2Client::Answer{.status = status, .body = body});
  }
  /// Runs what the store has posted of all that it was asked for.
  void settle() {
    bool done = false;
    ASSERT_TRUE(store_->run([](store::Database&) { return base::Result<void>(); },
                            [&](const auto&) { done = true; }));
    ASSERT_TRUE(mailbox_.run_until([&] { return done; }));
  }
  /// Lets it do all that it plans, until it has asked so often. Returns: false when it plans
  /// nothing.
  bool run_until_asked(std::size_t times) {
    while (asked_.size() < times) {
      const base::Instant at = last_resort_->next_deadline();
      if (at == base::kNever) return false;
      last_resort_->on_deadline(at);
    }
    return true;
  }
  std::optional<store::Fallback> registered() { return *directory_->fallbacks().find("door"); }

  io::TestFolder folder_;
  const std::string path_ = folder_.file("store.db");
  store::Mailbox mailbox_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::Directory> directory_;
  io::Loop loop_;
  int armed_ = 0;
  TimerQueue timers_{[this](base::Instant) { ++armed_; }};
  Metrics metrics_;
  FallbackOptions options_;
  std::optional<ApnsSigner> apns_;
  bool gone_ = true;
  std::size_t devices_max_ = LastResort::kDevicesMax;
  std::vector<Asked> asked_;
  std::unique_ptr<LastResort> last_resort_;
};

TEST_F(LastResortTest, IsLeftAloneByWhatTheStorePostsOnceItIsGone) {
  for (const unsigned status : {200U, 410U}) {
    ask();
    answer(status);  // the store is to write what came of it, and to say so
    last_resort_.reset();
    armed_ = 0;
    settle();
    EXPECT_EQ(armed_, 0) << status;
  }
  EXPECT_FALSE(registered());
}

TEST_F(LastResortTest, AsksAtOnceForADeviceThatIsGoneWhateverItsPushWaited) {
  options_.after = std::chrono::hours(1);  // it is gone for that long
  ask();
}

TEST_F(LastResortTest, AsksOnceForADeviceThatComesAndGoesMeanwhile) {
  ask();
  for (const bool gone : {false, true}) {
    gone_ = gone;
    last_resort_->on_deadline(io::now());
  }
  EXPECT_EQ(asked_.size(), 1U);
  answer(200);
  gone_ = false;  // nor while the store has yet to write that it was sent
  last_resort_->on_deadline(io::now());
  gone_ = true;
  last_resort_->on_deadline(io::now());
  EXPECT_EQ(asked_.size(), 1U);
  settle();
  EXPECT_EQ(registered()->sent_through, 1U);
}

TEST_F(LastResortTest, NamesTheFileThatIsWrong) {
  const auto wrong_file = [](const FallbackOptions& options) {
    const auto prepared = prepare_fallback(options);
    return prepared ? std::string() : prepared.error().what;
  };
  const std::string other = folder_.file("other.pem");
  std::ofstream(other) << "no PEM";
  FallbackOptions options = options_;
  options.ca_file = other;
  EXPECT_EQ(wrong_file(options), other);
  options.ca_file = folder_.file("nowhere.pem");
  EXPECT_EQ(wrong_file(options), options.ca_file);
  options = options_;
  options.apns_key_file = other;
  EXPECT_EQ(wrong_file(options), other);
  options.apns_key_file = folder_.file("nowhere.pem");
  EXPECT_EQ(wrong_file(options), options.apns_key_file);
  options = options_;
  options.apns_team_id.clear();
  EXPECT_EQ(wrong_file(options), options.apns_key_file);
  EXPECT_TRUE(prepare_fallback({}));
}

TEST_F(LastResortTest, KeepsAnAddressThatOurOwnSetupMayMakeLookWrong) {
  const struct {
    unsigned status;
    const char* body;
  } rows[] = {{404, R"({"reason":"BadPath"})"},
              {404, "<html>of a proxy</html>"},
              {405, ""},
              {400, R"({"reason":"BadDeviceToken"})"},
              {400, R"({"reason":"DeviceTokenNotForTopic"})"}};
  store::Sequence sequence = 0;
  for (const auto& row : rows) {
    ask();
    ++sequence;
    answer(row.status, row.body);
    settle();
    const auto still = registered();
    ASSERT_TRUE(still) << row.status << row.body;
    EXPECT_LT(still->sent_through, sequence) << row.status << row.body;  // it is tried again
  }
  ask();
  answer(410, R"({"reason":"Unregistered"})");
  settle();
  EXPECT_FALSE(registered());
}

TEST_F(LastResortTest, TriesANewAddressAtOnceWhateverWasWrongWithTheOldOne) {
  ask();
  answer(400, R"({"reason":"BadDeviceToken"})");
  last_resort_->on_deadline(io::now());
  EXPECT_EQ(asked_.size(), 1U);  // not for an hour
  arrange("ef34");
  push();
  last_resort_->on_deadline(io::now());
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_TRUE(asked_.back().request.url.ends_with("/ef34"));
}

TEST_F(LastResortTest, SendsWhatWaitsToAnAddressThatMendsTheOldOne) {
  ask();
  answer(400, R"({"reason":"BadDeviceToken"})");
  arrange("ef34");
  last_resort_->on_deadline(io::now());
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_TRUE(asked_.back().request.url.ends_with("/ef34"));
  asked_.back().done(Http2Client::Answer{.status = 200});
  settle();
  arrange("ef34");  // an app that registers at each start gets nothing twice
  last_resort_->on_deadline(io::now());
  EXPECT_EQ(asked_.size(), 2U);
}

/// The look after a full one finds nobody, and must not be the last.
TEST_F(LastResortTest, ForgetsNobodyWhereOneLookTakesExactlyAllDevices) {
  devices_max_ = 1;
  gone_ = false;
  push();
  make();
  for (int looks = 0; looks < 10; ++looks) {
    ASSERT_TRUE(last_resort_->next_deadline() != base::kNever);
    last_resort_->on_deadline(last_resort_->next_deadline());
  }
  gone_ = true;  // for long enough
  ASSERT_TRUE(run_until_asked(1));
  answer(503);
  ASSERT_TRUE(run_until_asked(2));  // when it may be tried again
  asked_.back().done(Http2Client::Answer{.status = 200});
  settle();
  EXPECT_FALSE(run_until_asked(3));  // nothing waits any more
}

TEST_F(LastResortTest, LogsNoAddress) {
  for (const unsigned status : {400U, 404U, 410U}) {
    ask();
    testing::internal::CaptureStderr();
    answer(status, "Cannot POST /3/device/ab12cd");
    settle();
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find("door: "), std::string::npos) << log;
    EXPECT_EQ(log.find("ab12cd"), std::string::npos) << log;
  }
}

}  // namespace
}  // namespace wakeline::server
