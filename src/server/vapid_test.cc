// SPDX-License-Identifier: Apache-2.0
#include "server/vapid.h"

#include <gtest/gtest.h>

#include "server/es256.h"

namespace wakeline::server {
namespace {

using base::ErrorCode;
using namespace std::chrono_literals;

constexpr std::int64_t kNowS = 1'700'000'000;
constexpr base::WallTime kNow{std::chrono::seconds(kNowS)};
constexpr std::string_view kOrigin = "https://push.example.org:8443";
const std::string kHeader = R"({"typ":"JWT","alg":"ES256"})";

std::string claims(std::int64_t expires, std::string_view audience = kOrigin) {
  return R"({"aud":")" + std::string(audience) + R"(","exp":)" + std::to_string(expires) +
         R"(,"sub":"mailto:ops@example.org"})";
}
std::string field(const Key& key, const std::string& its_claims,
                  const std::string& header = kHeader) {
  return "vapid t=" + make_jwt(key, header, its_claims) +
         ", k=" + base::to_base64url(public_point(key));
}

TEST(Es256, VerifiesWhatItsKeySignedAndNothingElse) {
  const Key key = make_p256_key();
  const base::Bytes message = {1, 2, 3};
  base::Bytes signature = sign_es256(key, message);
  ASSERT_EQ(signature.size(), kEs256Size);
  EXPECT_TRUE(verify_es256(public_point(key), message, signature));
  EXPECT_FALSE(verify_es256(public_point(make_p256_key()), message, signature));
  EXPECT_FALSE(verify_es256(public_point(key), base::Bytes{1, 2}, signature));
  signature[5] ^= 1;
  EXPECT_FALSE(verify_es256(public_point(key), message, signature));
  EXPECT_FALSE(verify_es256(public_point(key), message, base::Bytes(kEs256Size, 0)));
  EXPECT_FALSE(verify_es256(public_point(key), message, base::Bytes(kEs256Size, 0xFF)));
  base::Bytes off_the_curve = public_point(key);
  off_the_curve[64] ^= 1;
  EXPECT_FALSE(is_p256_point(off_the_curve));
  EXPECT_FALSE(is_p256_point(base::Bytes(65, 4)));
  EXPECT_TRUE(is_p256_point(public_point(key)));
  EXPECT_FALSE(read_p256_key("nonsense"));
}

TEST(Es256, VerifiesTheExampleOfRfc8292) {
  // RFC 8292 §2.4.
  const auto token = read_vapid(
      "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiL"
      "CJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9"
      "GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA,"
      "k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs");
  ASSERT_TRUE(token) << base::to_string(token.error());
  EXPECT_EQ(token->audiences, std::vector<std::string>{"https://push.example.net"});
  EXPECT_EQ(token->subject, "mailto:push@example.com");
  EXPECT_EQ(token->expires_s, 1'453'523'768);
  EXPECT_TRUE(verify_es256(token->key, base::as_bytes(token->signed_part), token->signature));
}

TEST(Vapid, TakesATokenForThisOriginUntilItExpires) {
  const Key key = make_p256_key();
  VapidVerifier verifier;
  const std::string good = field(key, claims(kNowS + 3'600));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(verifier.verify(good, kOrigin, kNow), public_point(key));
  EXPECT_EQ(verifier.verify(good, "https://other.example", kNow).error().code,
            ErrorCode::kPermission);
  EXPECT_TRUE(verifier.verify(good, "HTTPS://push.example.org:8443", kNow));
  EXPECT_TRUE(verifier.verify(good, kOrigin, kNow + 1h + 59s));
  EXPECT_EQ(verifier.verify(good, kOrigin, kNow + 1h + 60s).error(),
            (base::Error{ErrorCode::kPermission, "vapid exp"}));
}

TEST(Vapid, TakesATokenThatIsForSeveral) {
  const Key key = make_p256_key();
  const auto for_whom = [&](const std::string& audience) {
    return field(key, R"({"aud":)" + audience + R"(,"exp":1700000060})");
  };
  const std::string listed = for_whom(R"(["https://a.example",")" + std::string(kOrigin) + R"("])");
  VapidVerifier verifier;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(verifier.verify(listed, kOrigin, kNow), public_point(key));
  EXPECT_TRUE(verifier.verify(listed, "https://a.example", kNow));
  const std::string not_all_text = R"([1,")" + std::string(kOrigin) + R"("])";
  for (const std::string_view wrong :
       {std::string_view("[]"), std::string_view(not_all_text), std::string_view(R"({"a":1})"),
        std::string_view("\"\""), std::string_view(R"(["https://a.example"])")}) {
    EXPECT_EQ(verifier.verify(for_whom(std::string(wrong)), kOrigin, kNow).error(),
              (base::Error{ErrorCode::kPermission, "vapid aud"}))
        << wrong;
  }
  EXPECT_FALSE(verifier.verify(for_whom(R"("")"), "", kNow));  // no host, no audience
}

TEST(Vapid, KnowsTheOriginOfAnAddress) {
  EXPECT_EQ(origin_part("https://push.example.org"), "https://push.example.org");
  EXPECT_EQ(origin_part("https://push.example.org:8443/push"), "https://push.example.org:8443");
  EXPECT_EQ(origin_part("https://push.example.org:443/push"), "https://push.example.org");
  EXPECT_EQ(origin_part("http://push.example.org:80"), "http://push.example.org");
  EXPECT_EQ(origin_part("http://push.example.org:443"), "http://push.example.org:443");
  EXPECT_EQ(origin_part("https://[2001:db8::443]"), "https://[2001:db8::443]");
  EXPECT_EQ(origin_part(""), "");
}

TEST(Vapid, SaysWhatATokenShouldHaveSaid) {
  EXPECT_EQ(describe_vapid({ErrorCode::kPermission, "vapid aud"}, kOrigin),
            "the token's aud must be \"https://push.example.org:8443\"");
  EXPECT_EQ(describe_vapid({ErrorCode::kPermission, "vapid exp"}, kOrigin),
            "the token's exp must be a time in seconds within 24 hours from now");
  EXPECT_EQ(describe_vapid({ErrorCode::kPermission, "vapid signature"}, kOrigin),
            "vapid signature");
}

TEST(Vapid, RefusesWhatIsWrongAndNamesIt) {
  const Key key = make_p256_key();
  const Key other = make_p256_key();
  const std::string good = field(key, claims(kNowS + 60));
  const std::string jwt = make_jwt(key, kHeader, claims(kNowS + 60));
  const std::string k = ",k=" + base::to_base64url(public_point(key));
  const struct {
    std::string field;
    base::Error error;
  } rows[] = {
      {"", {ErrorCode::kUnauthorized, "vapid scheme"}},
      {"Bearer x", {ErrorCode::kUnauthorized, "vapid scheme"}},
      {"WebPush " + jwt, {ErrorCode::kUnauthorized, "vapid scheme"}},
      {"vapid ", {ErrorCode::kMalformed, "vapid k"}},
      {"vapid t=" + jwt, {ErrorCode::kMalformed, "vapid k"}},
      {"vapid t=" + jwt + ",k=AAAA", {ErrorCode::kMalformed, "vapid k"}},
      {"vapid t=a.b" + k, {ErrorCode::kMalformed, "vapid t"}},
      {"vapid t=e30.e30.e30" + k, {ErrorCode::kMalformed, "vapid t"}},
      {"vapid t=" + jwt.substr(0, jwt.size() - 4) + k, {ErrorCode::kMalformed, "vapid t"}},
      {field(key, claims(kNowS + 60), R"({"alg":"none"})"), {ErrorCode::kMalformed, "vapid alg"}},
      {field(key, claims(kNowS + 60), R"({"alg":"HS256"})"), {ErrorCode::kMalformed, "vapid alg"}},
      {field(key, "[]"), {ErrorCode::kMalformed, "vapid t"}},
      {field(key, R"({"aud":"x"})"), {ErrorCode::kMalformed, "vapid exp"}},
      {field(key, R"({"aud":"x","exp":"1"})"), {ErrorCode::kMalformed, "vapid exp"}},
      {field(key, R"({"aud":"x","exp":-1})"), {ErrorCode::kMalformed, "vapid exp"}},
      {field(key, R"({"aud":"x","exp":1e300})"), {ErrorCode::kMalformed, "vapid exp"}},
      {field(key, R"({"exp":1700000060})"), {ErrorCode::kPermission, "vapid aud"}},
      {field(key, claims(kNowS + 60, "https://push.example.org")),
       {ErrorCode::kPermission, "vapid aud"}},
      {field(key, claims(kNowS - 61)), {ErrorCode::kPermission, "vapid exp"}},
      {field(key, claims(kNowS + 90'000)), {ErrorCode::kPermission, "vapid exp"}},
      {"vapid t=" + jwt + ",k=" + base::to_base64url(public_point(other)),
       {ErrorCode::kPermission, "vapid signature"}},
      {"vapid t=" + std::string(3'000, 'a') + k, {ErrorCode::kTooLarge, "vapid"}},
  };
  VapidVerifier verifier;
  for (const auto& row : rows) {
    const auto result = verifier.verify(row.field, kOrigin, kNow);
    ASSERT_FALSE(result) << row.field;
    EXPECT_EQ(result.error(), row.error) << row.field << base::to_string(result.error());
  }
  EXPECT_TRUE(verifier.verify(good, kOrigin, kNow));
  EXPECT_TRUE(verifier.verify(
      "Vapid k=\"" + base::to_base64url(public_point(key)) + "\" ,\tt=\"" + jwt + "\"", kOrigin,
      kNow));
}

}  // namespace
}  // namespace wakeline::server
