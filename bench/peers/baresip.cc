// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "bed.h"
#include "io/file.h"
#include "loopback.h"
#include "peers/sip_setup.h"
#include "peers/subject.h"

namespace wakeline::bench {
namespace {

constexpr std::uint16_t kRtp[kSides] = {24'000, 24'300};

constexpr const char* kSound =
    "v=0\r\no=bob 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 24900 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// A softphone, hanging on a kamailio.
class Baresip final : public Subject {
 public:
  const char* name() const override { return "baresip"; }
  std::vector<Need> needs() const override {
    return {{"baresip", "baresip-core"}, {"kamailio", "kamailio"}};
  }
  Outcome<void> start_server(const std::string& folder) override {
    port_ = free_port();
    const std::string config = folder + "/kamailio.cfg";
    if (!io::write_file(config, kamailio_config({.tcp = port_})))
      return std::unexpected(config + ": cannot be written");
    auto registrar =
        cli::Program::start(ends_with_us({find_program("kamailio"), "-f", config, "-DD", "-E", "-m",
                                          "64", "-M", "8", "-Y", folder}),
                            folder + "/kamailio.log");
    if (!registrar) return std::unexpected(registrar.error());
    registrar_ = std::move(*registrar);
    if (auto open = await_port(port_); !open) return open;
    auto line = TextLine::connect(port_);
    if (!line) return std::unexpected(line.error());
    caller_ = std::move(*line);
    return {};
  }
  std::uint16_t port() const override { return port_; }
  Outcome<std::string> command(Side side, const std::string& folder) override {
    const std::string own = fmt::format("{}/{}", folder, kUsers[side]);
    BaresipSetup setup{.user = kUsers[side], .port = port_};
    setup.answers = false;
    setup.rtp_first = kRtp[side];
    if (auto written = write_baresip(own, setup); !written) return std::unexpected(written.error());
    return fmt::format("exec {} -f {}", find_program("baresip"), own);
  }
  std::string greeting() const override { return "200 OK"; }
  const char* reaction() const override { return "INVITE given to the proxy → 180 Ringing back"; }

  /// A call that is given up when it has rung. Source: RFC 3261 §9, §13.
  Outcome<std::int64_t> ring(Side side, Screen& /*screen*/) override {
    ++number_;
    caller_.skip();
    const std::int64_t start = monotonic_ns();
    if (const auto sent = caller_.send(request("INVITE", side, "", kSound)); !sent)
      return std::unexpected(sent.error());
    const auto rung = caller_.await("SIP/2.0 180 ");
    if (!rung) return std::unexpected(rung.error());
    const std::int64_t took = monotonic_ns() - start;
    if (const auto sent = caller_.send(request("CANCEL", side, "", "")); !sent)
      return std::unexpected(sent.error());
    if (const auto over = caller_.await("SIP/2.0 487 "); !over)
      return std::unexpected(over.error());
    const auto header = caller_.await("\r\n\r\n");
    if (!header) return std::unexpected(header.error());
    if (const auto sent = caller_.send(request("ACK", side, tag_in(*header), "")); !sent)
      return std::unexpected(sent.error());
    return took;
  }

 private:
  /// ";tag=…" of the line To, which an ACK repeats.
  static std::string tag_in(const std::string& header) {
    const auto to = header.find("\r\nTo:");
    const auto at = to == std::string::npos ? to : header.find(";tag=", to);
    if (at == std::string::npos) return {};
    return header.substr(at, header.find("\r\n", at) - at);
  }
  std::string request(const char* method, Side side, const std::string& to_tag,
                      const std::string& body) const {
    const std::uint16_t own = caller_.local_port();
    return fmt::format(
        "{0} sip:{1}@127.0.0.1 SIP/2.0\r\n"
        "Via: SIP/2.0/TCP 127.0.0.1:{2};branch=z9hG4bKbench{3}\r\n"
        "From: <sip:bob@127.0.0.1:{2}>;tag=bench{3}\r\nTo: <sip:{1}@127.0.0.1>{4}\r\n"
        "Call-ID: bench{3}@127.0.0.1\r\nCSeq: 1 {0}\r\n"
        "Contact: <sip:bob@127.0.0.1:{2};transport=tcp>\r\nMax-Forwards: 70\r\n"
        "{5}Content-Length: {6}\r\n\r\n{7}",
        method, kUsers[side], own, number_, to_tag,
        body.empty() ? "" : "Content-Type: application/sdp\r\n", body.size(), body);
  }

  std::uint16_t port_ = 0;
  cli::Program registrar_;
  TextLine caller_;
  int number_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_baresip() { return std::make_unique<Baresip>(); }

}  // namespace wakeline::bench
