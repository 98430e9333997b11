// SPDX-License-Identifier: Apache-2.0
#include "io/web_push_keys.h"

#include <gtest/gtest.h>

namespace wakeline::io {
namespace {

using base::ErrorCode;

// The example of RFC 8291 §5.
constexpr std::string_view kKeys =
    "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94 "
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4 "
    "BTBZMqHH6r4Tts7J_aSIgg\n";
constexpr std::string_view kBody =
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS"
    "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu"
    "lcy4a-fN";

base::Bytes body() { return *base::from_base64url(kBody); }
ErrorCode fault(const base::Bytes& bytes) {
  const auto opened = WebPushKeys::from_text(kKeys)->open(bytes);
  return opened ? ErrorCode::kOk : opened.error().code;
}

TEST(WebPushKeys, OpenTheExampleOfTheStandard) {
  const auto keys = WebPushKeys::from_text(kKeys);
  ASSERT_TRUE(keys);
  const auto text = keys->open(body());
  ASSERT_TRUE(text) << base::to_string(text.error());
  EXPECT_EQ(base::as_text(*text), "When I grow up, I want to be a watermelon");
}

TEST(WebPushKeys, RefuseABodyThatWasChangedAnywhereOrCutAnywhere) {
  for (std::size_t at = 0; at < body().size(); ++at) {
    // The record may say of itself that it is longer than it is.
    if (at >= 16 && at < 20) continue;
    base::Bytes changed = body();
    changed[at] ^= 1;
    EXPECT_NE(fault(changed), ErrorCode::kOk) << at;
  }
  for (std::size_t size = 0; size < body().size(); ++size) {
    base::Bytes cut = body();
    cut.resize(size);
    EXPECT_NE(fault(cut), ErrorCode::kOk) << size;
  }
}

TEST(WebPushKeys, SayWhatIsWrongWithABody) {
  EXPECT_EQ(fault({}), ErrorCode::kMalformed);
  EXPECT_EQ(fault(base::Bytes(kSealedMax + 1)), ErrorCode::kTooLarge);
  base::Bytes forged = body();
  forged.back() ^= 1;
  EXPECT_EQ(fault(forged), ErrorCode::kUnauthorized);
  base::Bytes off_the_curve = body();
  off_the_curve[85] ^= 1;
  EXPECT_EQ(fault(off_the_curve), ErrorCode::kMalformed);
  base::Bytes two_records = body();
  two_records[18] = 0;  // the record says that it ends early
  two_records[19] = 20;
  EXPECT_EQ(fault(two_records), ErrorCode::kMalformed);
  const auto other = WebPushKeys::generate();
  ASSERT_TRUE(other);
  EXPECT_EQ(other->open(body()).error().code, ErrorCode::kUnauthorized);
}

TEST(WebPushKeys, AreMadeNewEachTimeAndComeBackFromTheirText) {
  const auto one = WebPushKeys::generate();
  const auto other = WebPushKeys::generate();
  ASSERT_TRUE(one && other);
  EXPECT_FALSE(*one == *other);
  const auto back = WebPushKeys::from_text(one->text());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, *one);
  EXPECT_EQ(base::from_base64url(one->public_key())->size(), 65U);
  EXPECT_EQ(base::from_base64url(one->secret())->size(), 16U);
}

TEST(WebPushKeys, AreRefusedWhenTheyDoNotBelongTogether) {
  const std::string text(kKeys);
  EXPECT_FALSE(WebPushKeys::from_text(""));
  EXPECT_FALSE(WebPushKeys::from_text(text + "x"));
  EXPECT_FALSE(WebPushKeys::from_text(text.substr(5)));
  EXPECT_FALSE(WebPushKeys::from_text("r" + text.substr(1))) << "another private key";
}

}  // namespace
}  // namespace wakeline::io
