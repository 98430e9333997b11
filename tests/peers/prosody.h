// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "bench/peers/xmpp_setup.h"
#include "io/tls.h"
#include "peer_program.h"

namespace wakeline::peers {

/// An XMPP server of our own on 127.0.0.1 for the domain localhost, with stream management and
/// messages kept for who is away. Accounts alice and bob, password "secret".
class Prosody {
 public:
  struct Options {
    int read_timeout_s = 840;             ///< without a byte: it asks, or gives the connection up
    int hibernation_s = 120;              ///< a session without a connection can be resumed
    std::string certified = "localhost";  ///< the name in its certificate
  };
  explicit Prosody(std::string folder) : Prosody(std::move(folder), Options()) {}
  Prosody(std::string folder, const Options& options)
      : port(free_port()), folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_ + "/data");
    EXPECT_TRUE(io::make_self_signed(ca_file(), folder_ + "/key.pem", {options.certified}));
    std::ofstream(config()) << bench::prosody_config({.folder = folder_,
                                                      .port = port,
                                                      .read_timeout_s = options.read_timeout_s,
                                                      .hibernation_s = options.hibernation_s});
    for (const char* name : {"alice", "bob"}) {
      PeerProgram control(
          bench::prosody_command("prosodyctl", config(), {"register", name, "localhost", "secret"}),
          folder_ + "/prosodyctl.log");
      EXPECT_EQ(control.wait(), 0) << control.output();
    }
  }

  void start() {
    program_ = std::make_unique<PeerProgram>(bench::prosody_command("prosody", config(), {"-F"}),
                                             folder_ + "/prosody.log");
    EXPECT_TRUE(wait_port(port)) << program_->output();
  }
  void crash() { program_->crash(); }
  PeerProgram& program() { return *program_; }

  /// Bob writes to Alice, with a program that is there for that.
  void send(const std::string& text) const {
    const std::string script =
        "printf '%s\\n' \"$1\" | exec go-sendxmpp -n -u bob@localhost -p secret -j localhost:" +
        std::to_string(port) + " alice@localhost";
    PeerProgram sender({"sh", "-c", script, "sh", text}, folder_ + "/sender.log");
    EXPECT_EQ(sender.wait(), 0) << sender.output();
  }

  std::string ca_file() const { return folder_ + "/certificate.pem"; }
  const std::uint16_t port;

 private:
  std::string config() const { return folder_ + "/prosody.cfg.lua"; }

  std::string folder_;
  std::unique_ptr<PeerProgram> program_;
};

}  // namespace wakeline::peers
