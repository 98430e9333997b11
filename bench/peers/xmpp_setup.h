// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wakeline::bench {

/// A prosody of one's own on 127.0.0.1 for the domain localhost, with stream management and
/// messages kept for who is away.
struct ProsodySetup {
  std::string folder;  ///< holds data/, certificate.pem and key.pem
  std::uint16_t port = 0;
  int read_timeout_s = 840;  ///< without a byte: it asks, or gives the connection up
  int hibernation_s = 120;   ///< a session without a connection can be resumed
};

/// The text of prosody.cfg.lua.
std::string prosody_config(const ProsodySetup& setup);
/// prosody or prosodyctl, with what root has to say to it.
std::vector<std::string> prosody_command(const std::string& program, const std::string& config,
                                         const std::vector<std::string>& arguments);

}  // namespace wakeline::bench
