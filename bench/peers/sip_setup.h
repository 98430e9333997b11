// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/program.h"

/// kamailio and baresip, with what they are told. The password is "secret".
namespace wakeline::bench {

/// A registrar and proxy without a database.
struct KamailioSetup {
  std::string address = "127.0.0.1";
  std::uint16_t tcp = 0;
  std::uint16_t tls = 0;                                        ///< where there is a certificate
  std::string certificate{};                                    ///< PEM with its key; empty: no TLS
  std::chrono::seconds min_expires = std::chrono::seconds(10);  ///< of a registration
  std::chrono::seconds pings{};  ///< OPTIONS to every contact so often; 0: none
};

/// The text of kamailio.cfg. It writes "STORED …", "SENT TIME" and "REPLY CODE TIME" to its log.
std::string kamailio_config(const KamailioSetup& setup);

struct BaresipSetup {
  std::string user;
  std::string address = "127.0.0.1";    ///< its own
  std::string registrar = "127.0.0.1";  ///< where that is
  std::uint16_t port = 0;               ///< of the registrar
  bool tls = false;
  std::string certificate{};
  bool answers = true;                                        ///< by itself
  std::chrono::seconds expires = std::chrono::seconds(3600);  ///< of its registration
  std::uint16_t rtp_first = 20'000;                           ///< of 200 ports
};

/// Writes baresip's folder of configuration: `baresip -f FOLDER`.
cli::Outcome<void> write_baresip(const std::string& folder, const BaresipSetup& setup);

}  // namespace wakeline::bench
