// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "peer_program.h"

/// kamailio, baresip and sipp, on loopback and free ports, each in a folder of its own.
namespace wakeline::peers {

using namespace std::chrono_literals;

struct RegistrarOptions {
  std::chrono::seconds min_expires = 10s;  ///< of a registration
  std::chrono::seconds pings = 0s;         ///< OPTIONS to every contact so often; 0: none
  std::string address = "127.0.0.1";       ///< its own, and that of who calls through it
  std::vector<std::string> enter = {};     ///< starts the command behind it where that address is
};

/// kamailio as registrar and proxy, over TCP and TLS, without a database.
class Registrar {
 public:
  explicit Registrar(const std::string& folder, const RegistrarOptions& options = {});

  const std::string& address() const { return options_.address; }
  std::uint16_t tcp() const { return tcp_; }
  std::uint16_t tls() const { return tls_; }
  const std::string& certificate() const { return certificate_; }  ///< with its key
  PeerProgram& program() { return *program_; }
  /// `command` where the registrar is.
  std::vector<std::string> there(const std::vector<std::string>& command) const;

  /// Waits until it has stored `count` registrations in all since its (last) start.
  void wait_registrations(int count);
  int registrations() const { return program_->count_lines("STORED "); }
  /// From the INVITE's way into the callee's connection to the 180 that came back, by kamailio's
  /// own clock, for the next call. Negative, and a test failure, when there is none.
  std::chrono::microseconds next_ring();

  void stop() { program_->stop(); }
  void start();

 private:
  RegistrarOptions options_;
  std::string folder_;
  std::string certificate_;
  std::uint16_t tcp_ = 0;
  std::uint16_t tls_ = 0;
  std::unique_ptr<PeerProgram> program_;
};

struct PhoneOptions {
  bool tls = false;
  std::chrono::seconds expires = 3600s;  ///< of its registration
  bool answers = true;                   ///< by itself
  std::uint16_t rtp_first = 20'000;      ///< of 200 ports
  std::string address = "127.0.0.1";     ///< its own
};

/// Writes baresip's folder of configuration. Returns: the command that starts it.
std::vector<std::string> baresip(const std::string& folder, const std::string& user,
                                 const Registrar& registrar, const PhoneOptions& options = {});

struct CallOptions {
  std::chrono::milliseconds length = 200ms;  ///< after the answer, until it hangs up
  bool media = false;                        ///< echo the RTP that comes
};

/// sipp calls `user` through the registrar, once, and hangs up.
std::unique_ptr<PeerProgram> call(const std::string& folder, const Registrar& registrar,
                                  const std::string& user, const CallOptions& options = {});

}  // namespace wakeline::peers
