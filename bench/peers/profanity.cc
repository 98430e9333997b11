// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "bed.h"
#include "io/file.h"
#include "io/tls.h"
#include "loopback.h"
#include "peers/subject.h"
#include "peers/xmpp_setup.h"

namespace wakeline::bench {
namespace {

constexpr const char* kStream =
    "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>";
constexpr const char* kFeatures = "</stream:features>";
constexpr const char* kBobsPassword = "AGJvYgBzZWNyZXQ=";  ///< base64 of "\0bob\0secret"

/// What a user sets once; `autoping` and the rest are as they come.
constexpr const char* kSettings =
    "[ui]\nsplash=false\nvercheck=false\n[notifications]\nmessage=false\n";

/// The chat client for terminals, hanging on a prosody; its window with Bob is open.
class Profanity final : public Subject {
 public:
  const char* name() const override { return "profanity"; }
  std::vector<Need> needs() const override {
    return {{"profanity", "profanity"}, {"prosody", "prosody"}, {"prosodyctl", "prosody"}};
  }
  Outcome<void> start_server(const std::string& folder) override {
    const ProsodySetup setup{.folder = folder, .port = free_port()};
    port_ = setup.port;
    const std::string config = folder + "/prosody.cfg.lua";
    if (!io::make_folder(folder + "/data") || !io::write_file(config, prosody_config(setup)) ||
        !io::make_self_signed(folder + "/certificate.pem", folder + "/key.pem", {"localhost"}))
      return std::unexpected(folder + ": cannot be written");
    for (const char* user : {kUsers[kUsual], kUsers[kSuspended], "bob"}) {
      auto control = cli::Program::start(prosody_command(find_program("prosodyctl"), config,
                                                         {"register", user, "localhost", "secret"}),
                                         folder + "/prosodyctl.log");
      if (!control) return std::unexpected(control.error());
      if (control->wait() != 0) return std::unexpected("prosodyctl registers nobody");
    }
    auto server =
        cli::Program::start(ends_with_us(prosody_command(find_program("prosody"), config, {"-F"})),
                            folder + "/prosody.log");
    if (!server) return std::unexpected(server.error());
    server_ = std::move(*server);
    if (auto open = await_port(port_); !open) return open;
    return log_in();
  }
  std::uint16_t port() const override { return port_; }
  Outcome<std::string> command(Side side, const std::string& folder) override {
    const std::string home = fmt::format("{}/{}", folder, kUsers[side]);
    const std::string account = fmt::format(
        "[{0}]\nenabled=true\njid={0}@localhost\nresource=desk\nserver=127.0.0.1\nport={1}\n"
        "password=secret\ntls.policy=disable\n",
        kUsers[side], port_);
    if (!io::make_folder(home + "/config/profanity") ||
        !io::make_folder(home + "/data/profanity") ||
        !io::write_file(home + "/config/profanity/profrc", kSettings) ||
        !io::write_file(home + "/data/profanity/accounts", account))
      return std::unexpected(home + ": cannot be written");
    return fmt::format(
        "HOME={0} XDG_CONFIG_HOME={0}/config XDG_DATA_HOME={0}/data TERM=screen LC_ALL=C.UTF-8 "
        "exec {1} -a {2}",
        home, find_program("profanity"), kUsers[side]);
  }
  std::string greeting() const override { return "successfully"; }
  Outcome<void> on_started(Side /*side*/, Screen& screen) override {
    screen.expect("bob");
    screen.type("/msg bob@localhost\r");
    if (auto seen = screen.await(std::chrono::seconds(30)); !seen)
      return std::unexpected(seen.error());
    return {};
  }
  const char* reaction() const override {
    return "message given to the server → its text in the terminal";
  }
  Outcome<std::int64_t> ring(Side side, Screen& screen) override {
    const std::string word = ring_word(number_++);
    sender_.skip();
    screen.expect(word);
    const std::int64_t start = monotonic_ns();
    if (const auto sent = sender_.send(
            fmt::format("<message to='{}@localhost' type='chat' id='r{}'><body>{}</body></message>",
                        kUsers[side], number_, word));
        !sent)
      return std::unexpected(sent.error());
    const auto seen = screen.await(std::chrono::seconds(30));
    if (!seen) return seen;
    return *seen - start;
  }

 private:
  /// Bob's connection. Source: RFC 6120 §6, §7.
  Outcome<void> log_in() {
    auto line = TextLine::connect(port_);
    if (!line) return std::unexpected(line.error());
    sender_ = std::move(*line);
    const std::pair<std::string, const char*> steps[] = {
        {kStream, kFeatures},
        {fmt::format("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>",
                     kBobsPassword),
         "<success"},
        {kStream, kFeatures},
        {"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench"
         "</resource></bind></iq>",
         "</iq>"},
    };
    for (const auto& [words, answer] : steps) {
      if (const auto sent = sender_.send(words); !sent) return sent;
      if (const auto got = sender_.await(answer); !got) return std::unexpected(got.error());
    }
    return {};
  }

  std::uint16_t port_ = 0;
  cli::Program server_;
  TextLine sender_;
  int number_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_profanity() { return std::make_unique<Profanity>(); }

}  // namespace wakeline::bench
