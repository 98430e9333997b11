// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

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
    std::ofstream(config()) << "daemonize = false\n"
                            << "pidfile = '" << folder_ << "/prosody.pid'\n"
                            << "data_path = '" << folder_ << "/data'\n"
                            << "run_as_root = true\n"
                            << "modules_enabled = { 'roster'; 'saslauth'; 'tls'; 'disco'; 'ping';"
                               " 'smacks'; 'offline'; 'posix' }\n"
                            << "modules_disabled = { 's2s'; 's2s_auth_certs' }\n"
                            << "c2s_require_encryption = false\n"
                            << "allow_unencrypted_plain_auth = true\n"
                            << "authentication = 'internal_plain'\nstorage = 'internal'\n"
                            << "c2s_interfaces = { '127.0.0.1' }\nc2s_ports = { " << port << " }\n"
                            << "c2s_direct_tls_ports = {}\nlegacy_ssl_ports = {}\n"
                            << "s2s_ports = {}\nhttp_ports = {}\nhttps_ports = {}\n"
                            << "ssl = { certificate = '" << ca_file() << "'; key = '" << folder_
                            << "/key.pem' }\n"
                            << "smacks_hibernation_time = " << options.hibernation_s
                            << "\nsmacks_max_unacked_stanzas = 0\n"
                            << "network_settings = { read_timeout = " << options.read_timeout_s
                            << " }\n"
                            << "log = { info = '*console' }\nVirtualHost 'localhost'\n";
    for (const char* name : {"alice", "bob"}) {
      PeerProgram control(as_root({"prosodyctl"}, {"register", name, "localhost", "secret"}),
                          folder_ + "/prosodyctl.log");
      EXPECT_EQ(control.wait(), 0) << control.output();
    }
  }

  void start() {
    program_ =
        std::make_unique<PeerProgram>(as_root({"prosody"}, {"-F"}), folder_ + "/prosody.log");
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
  std::vector<std::string> as_root(std::vector<std::string> command,
                                   const std::vector<std::string>& arguments) const {
    if (::geteuid() == 0) command.emplace_back("--root");
    command.insert(command.end(), {"--config", config()});
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }

  std::string folder_;
  std::unique_ptr<PeerProgram> program_;
};

}  // namespace wakeline::peers
