// SPDX-License-Identifier: Apache-2.0
#include "wire/push.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <ostream>
#include <string>

#include "wire/values_testing.h"

namespace wakeline::wire {

void PrintTo(const JsonError& error, std::ostream* out) {
  *out << base::name(error.code) << " " << error.field << ": " << error.message;
}

namespace {

using base::ErrorCode;

TEST(PushRequest, ReadsEveryField) {
  const auto request = parse_push_request(
      R"({"device":"door-1","title":"Ring","body":"Someone is at the door","data":"{}",)"
      R"("ttl_s":60,"urgency":"high","topic":"door_1-A","idempotency_key":"k!1"})");
  ASSERT_TRUE(request) << testing::PrintToString(request.error());
  PushRequest expected;
  expected.device = "door-1";
  expected.content = {"Ring", "Someone is at the door", "{}"};
  expected.ttl_s = 60;
  expected.urgency = Urgency::kHigh;
  expected.topic = "door_1-A";
  expected.idempotency_key = "k!1";
  EXPECT_EQ(*request, expected);
}

TEST(PushRequest, NeedsOnlyADeviceAndSomethingToSay) {
  const auto request = parse_push_request(R"({"device":"d","data":"x"})");
  ASSERT_TRUE(request);
  PushRequest expected;
  expected.device = "d";
  expected.content.data = "x";
  EXPECT_EQ(*request, expected);
  EXPECT_EQ(request->ttl_s, 2'419'200U);
}

TEST(PushRequest, RefusesEachFaultAndNamesTheField) {
  struct Case {
    std::string text;
    JsonError error;
  };
  const auto malformed = ErrorCode::kMalformed;
  const auto too_large = ErrorCode::kTooLarge;
  const std::string known =
      "is unknown; known: device, user, group, ttl_s, urgency, topic, idempotency_key, title, "
      "body, data";
  const Case cases[] = {
      {"", {malformed, "", "is not JSON: incomplete JSON"}},
      {"7", {malformed, "", "must be a JSON object"}},
      {R"({"title":"t"})",
       {malformed, "device", "is missing: one of device, user and group is needed"}},
      {R"({"device":"","title":"t"})", {malformed, "device", "must not be empty"}},
      {R"({"device":"a/b","title":"t"})",
       {malformed, "device",
        "must be letters, digits, '.', '_' and '-', not starting with '.' or '-'"}},
      {R"({"device":")" + std::string(65, 'd') + R"(","title":"t"})",
       {too_large, "device", "must be at most 64 bytes"}},
      {R"({"device":"d"})",
       {malformed, "body", "is missing: one of title, body and data is needed"}},
      {R"({"device":"d","title":7})", {malformed, "title", "must be a text"}},
      {R"({"device":"d","title":")" + std::string(257, 't') + R"("})",
       {too_large, "title", "must be at most 256 bytes"}},
      {R"({"device":"d","data":")" + std::string(4'086, 't') + R"("})",
       {too_large, "data",
        "is too long: title, body and data together must be at most 4096 bytes as JSON"}},
      {R"({"device":"d","title":"t","ttl":5})", {malformed, "ttl", known}},
      {R"({"device":"d","title":"t","ttl_s":-1})",
       {malformed, "ttl_s", "must be a whole number from 0 to 2419200"}},
      {R"({"device":"d","title":"t","ttl_s":2419201})",
       {malformed, "ttl_s", "must be a whole number from 0 to 2419200"}},
      {R"({"device":"d","title":"t","urgency":"urgent"})",
       {malformed, "urgency", "must be one of: very-low, low, normal, high"}},
      {R"({"device":"d","title":"t","topic":"a b"})",
       {malformed, "topic", "must be letters, digits, '-' and '_'"}},
      {R"({"device":"d","title":"t","topic":")" + std::string(33, 't') + R"("})",
       {too_large, "topic", "must be at most 32 bytes"}},
      {R"({"device":"d","title":"t","idempotency_key":"a b"})",
       {malformed, "idempotency_key", "must be visible ASCII characters"}},
      {std::string(kPushRequestMax + 1, ' '), {too_large, "", "must be at most 32768 bytes"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.text.substr(0, 80));
    const auto request = parse_push_request(one.text);
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error(), one.error);
  }
}

TEST(PushRequest, RepeatsAnUnknownFieldShortenedBetweenTwoCharacters) {
  std::string name(63, 'x');
  name += "\u00e9\n";
  const auto request = parse_push_request("{\"" + name.substr(0, 65) + "\":1}");
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().field, std::string(63, 'x'));
}

TEST(PushRequest, TakesTheLongestBodyEvenWhenItIsEscaped) {
  // {"data":"…"} is 11 bytes round the text.
  std::string escaped;
  for (int i = 0; i < 4'085; ++i) escaped += "\\u0061";
  const auto request = parse_push_request(R"({"device":"d","data":")" + escaped + R"("})");
  ASSERT_TRUE(request) << testing::PrintToString(request.error());
  EXPECT_EQ(encode(request->content)->size(), kPushBodyMax);
}

TEST(PushContent, LeavesOutWhatIsEmpty) {
  EXPECT_EQ(base::as_text(*encode(PushContent{"Ring", "", "x\"y"})),
            R"({"title":"Ring","data":"x\"y"})");
  EXPECT_EQ(base::as_text(*encode(PushContent{})), "{}");
}

TEST(PushContent, ReadsWhatItWroteAndWhatANewerServerAdds) {
  const PushContent content{"Ring", "b\n", "\xC3\xA9"};
  EXPECT_EQ(*decode_push_content(*encode(content)), content);
  EXPECT_EQ(*decode_push_content(base::as_bytes(R"({"body":"b","badge":3})")),
            (PushContent{"", "b", ""}));
}

TEST(PushContent, RefusesWhatIsNoContent) {
  const auto error_of = [](std::string_view text) {
    return decode_push_content(base::as_bytes(text)).error().code;
  };
  EXPECT_EQ(error_of("hello"), ErrorCode::kMalformed);
  EXPECT_EQ(error_of(R"({"title":1})"), ErrorCode::kMalformed);
  EXPECT_EQ(error_of(std::string(kPushBodyMax + 1, ' ')), ErrorCode::kTooLarge);
  EXPECT_EQ(encode(PushContent{"\xff", "", ""}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(encode(PushContent{"", std::string(4'086, 'x'), ""}).error().code,
            ErrorCode::kTooLarge);
}

RC_GTEST_PROP(PushContent, ReadsEveryContentThatItWrites, ()) {
  const PushContent content{test_values::any_text(kTitleMax), test_values::any_text(600),
                            test_values::any_text(600)};
  const auto bytes = encode(content);
  RC_ASSERT(bytes.has_value());
  RC_ASSERT(*decode_push_content(*bytes) == content);
}

TEST(Push, NamesUrgenciesAsRfc8030) {
  for (const char* word : {"very-low", "low", "normal", "high"}) {
    EXPECT_EQ(name(*urgency_from_name(word)), word);
  }
  EXPECT_EQ(urgency_from_name("High"), std::nullopt);
}

TEST(Push, KnowsDeviceNames) {
  for (const char* good : {"a", "A.b_c-9", "_x"}) EXPECT_TRUE(is_device_name(good)) << good;
  EXPECT_TRUE(is_device_name(std::string(64, 'a')));
  for (const char* bad : {"", ".a", "-a", "a/b", "a+", "a#", "a b", "\xC3\xA9"}) {
    EXPECT_FALSE(is_device_name(bad)) << bad;
  }
  EXPECT_FALSE(is_device_name(std::string(65, 'a')));
  EXPECT_EQ(inbox_topic("door"), "wakeline/inbox/door");
}

TEST(PushRequest, GoesToOneDeviceOrOneUserOrOneGroup) {
  EXPECT_EQ(parse_push_request(R"({"user":"ada","title":"t"})")->user, "ada");
  EXPECT_EQ(parse_push_request(R"({"group":"staff","title":"t"})")->group, "staff");
  for (const auto& [text, field] : {std::pair{R"({"user":"ada","device":"d","title":"t"})", "user"},
                                    std::pair{R"({"group":"g","device":"d","title":"t"})", "group"},
                                    std::pair{R"({"group":"g","user":"ada","title":"t"})", "group"},
                                    std::pair{R"({"user":"","title":"t"})", "user"},
                                    std::pair{R"({"group":"a/b","title":"t"})", "group"}}) {
    const auto request = parse_push_request(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().field, field);
  }
}

TEST(PushBatch, IsOnePushOrAListAndNamesTheOneThatIsWrong) {
  const auto one = parse_push_batch(R"({"device":"d","title":"t"})");
  ASSERT_TRUE(one);
  EXPECT_FALSE(one->listed);
  EXPECT_EQ(one->pushes.size(), 1U);
  const auto two = parse_push_batch(
      R"({"pushes":[{"device":"d","title":"t"},{"user":"u","data":"x","ttl_s":5}]})");
  ASSERT_TRUE(two);
  EXPECT_TRUE(two->listed);
  ASSERT_EQ(two->pushes.size(), 2U);
  EXPECT_EQ(two->pushes[1].ttl_s, 5U);

  std::string many = R"({"pushes":[)";
  for (std::size_t i = 0; i <= kPushBatchMax; ++i) many += R"({"device":"d","title":"t"},)";
  many.back() = ']';
  many += "}";
  const struct {
    std::string text;
    std::string field;
  } rows[] = {{R"({"pushes":[]})", "pushes"},
              {R"({"pushes":{}})", "pushes"},
              {R"({"pushes":[{"device":"d","title":"t"}],"ttl_s":5})", "ttl_s"},
              {R"({"pushes":[{"device":"d","title":"t"},7]})", "pushes[1]"},
              {R"({"pushes":[{"device":"d","title":"t"},{"device":"d"}]})", "pushes[1].body"},
              {R"({"pushes":[{"device":"d","titel":"t"}]})", "pushes[0].titel"},
              {many, "pushes"}};
  for (const auto& row : rows) {
    const auto batch = parse_push_batch(row.text);
    ASSERT_FALSE(batch) << row.text.substr(0, 100);
    EXPECT_EQ(batch.error().field, row.field);
  }
  EXPECT_EQ(parse_push_batch(std::string(kPushBatchBytesMax + 1, ' ')).error().code,
            base::ErrorCode::kTooLarge);
  EXPECT_EQ(parse_push_request(R"({"pushes":[{"device":"d","title":"t"}]})").error().field,
            "pushes");
}

}  // namespace
}  // namespace wakeline::wire
