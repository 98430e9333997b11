// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "server/options.h"

/// The server's configuration file, TOML 1.0.
namespace wakeline::server {

/// The largest file that is read, in bytes.
inline constexpr std::size_t kConfigMax = 65'536;

struct ConfigError {
  unsigned line = 0;  ///< from 1; 0: no certain one
  std::string key;    ///< "limits.queue_max"; empty: the file is no TOML
  std::string message;
};
/// "server.toml:7: limits.queue_max: must be …".
std::string to_string(const ConfigError& error, const std::string& file);

/// What the file says, on top of `defaults`. An unknown key is an error, since a misspelt one would
/// change nothing in silence.
std::expected<ServerOptions, ConfigError> read_config(std::string_view text,
                                                      ServerOptions defaults = {});

/// A file that names every key with its meaning and what `options` has.
std::string config_text(const ServerOptions& options = {});

/// Takes over the keys that a running server can.
void take_live(ServerOptions& running, const ServerOptions& wanted);

/// The keys whose values differ and which a running server does not take over, with blanks between.
std::string need_restart(const ServerOptions& running, const ServerOptions& wanted);

}  // namespace wakeline::server
