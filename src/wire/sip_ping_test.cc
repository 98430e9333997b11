// SPDX-License-Identifier: Apache-2.0
#include "wire/sip_ping.h"

#include <gtest/gtest.h>

#include <string>

namespace wakeline::wire {
namespace {

/// As kamailio 5.6 sends it to a contact behind a NAT.
const std::string kOptions =
    "OPTIONS sip:alice-0x55@127.0.0.1:38077;transport=tcp SIP/2.0\r\n"
    "Via: SIP/2.0/TCP 127.0.0.1:15060;branch=z9hG4bK2153\r\n"
    "Route: <sip:127.0.0.1:35714;transport=tcp;lr>\r\n"
    "From: <sip:ping@127.0.0.1>;tag=uloc-1-2-3\r\n"
    "To: <sip:alice-0x55@127.0.0.1:38077;transport=tcp>\r\n"
    "Call-ID: ksrulka-1\r\nCSeq: 80 OPTIONS\r\nContent-Length: 0\r\n\r\n";

std::string with(const std::string& what, const std::string& instead) {
  std::string text = kOptions;
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), instead);
}

TEST(SipPing, KnowsLineEndsAndOptionsInAnyNumberAndOrder) {
  for (const std::string& text :
       {std::string("\r\n"), std::string("\r\n\r\n"), kOptions, "\r\n\r\n" + kOptions + "\r\n",
        kOptions + kOptions, with("Content-Length: 0", "l : 0"), with("To:", "t:")}) {
    EXPECT_TRUE(holds_only_sip_pings(text)) << text;
  }
}

TEST(SipPing, LeavesNothingElseLying) {
  const std::string invite = "INVITE sip:alice@127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n";
  for (const std::string& text :
       {std::string(), std::string("\r"), std::string("\n"), std::string("\r\n\r"), invite,
        kOptions + invite, "\r\n" + invite, invite + kOptions,
        // Not all of it.
        kOptions.substr(0, kOptions.size() - 1), kOptions + "OPT",
        kOptions + kOptions.substr(0, 40),
        // Of a call, or one that asks for more.
        with("transport=tcp>\r\nCall-ID", "transport=tcp>;tag=1\r\nCall-ID"),
        with("transport=tcp>\r\nCall-ID", "transport=tcp>; Tag =1\r\nCall-ID"),
        with("CSeq: 80 OPTIONS", "Require: timer"),
        // With a body, or one of unknown length.
        with("Content-Length: 0", "Content-Length: 1") + "x",
        with("Content-Length: 0", "Content-Length: 0\r\nl: 0"), with("Content-Length: 0\r\n", ""),
        with("Content-Length: 0", "Content-Length: 00"),
        // Not SIP.
        with(" SIP/2.0", " HTTP/1.1"), with("OPTIONS sip", "OPTION sip"), with("Route:", " Route:"),
        with("Call-ID: ", "Call-ID "), with("sip:alice", "sip: alice"),
        std::string("\x17\x03\x03\x00\x20 a record of TLS"), std::string(1, '\0')}) {
    EXPECT_FALSE(holds_only_sip_pings(text)) << text;
  }
}

TEST(SipPing, HasLimitsForOneRequestAndForAll) {
  const std::string field = "X: " + std::string(kPingRequestMax, 'x') + "\r\nCall-ID";
  EXPECT_FALSE(holds_only_sip_pings(with("Call-ID", field)));
  std::string many;
  while (many.size() + 2 <= kPingBytesMax) many += "\r\n";
  EXPECT_TRUE(holds_only_sip_pings(many));
  EXPECT_FALSE(holds_only_sip_pings(many + "\r\n"));
}

}  // namespace
}  // namespace wakeline::wire
