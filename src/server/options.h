// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace wakeline::server {

/// Where to listen: a numeric address, and a port, 0 for any free one.
struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};
/// "127.0.0.1:8883", "[::1]:8883". Errors: kMalformed.
base::Result<Endpoint> parse_endpoint(std::string_view text);
std::string to_string(const Endpoint& endpoint);

/// The ports that were opened; 0: not asked for.
struct Ports {
  std::uint16_t mqtt = 0;
  std::uint16_t mqtts = 0;
  std::uint16_t http = 0;
  std::uint16_t https = 0;
  std::uint16_t operators = 0;
};

/// How much of anything one peer or all together may take.
struct Limits {
  std::uint32_t connections_max = 200'000;  ///< devices' connections, with those not yet known
  /// Connections from one IPv4 address, or one IPv6 /64, that no device has logged in on yet.
  std::uint32_t arriving_per_address_max = 4'096;
  std::uint32_t shards = 0;  ///< threads that hold devices; 0: one for each processor, at most 16
  /// Each shard has a file table of its own: the limit of open files bounds a shard, not the
  /// server.
  bool file_tables = false;
  std::uint32_t http_connections_max = 1'000;
  std::uint32_t http_connections_per_address = 0;             ///< 0: no limit of its own
  base::Duration connect_timeout = std::chrono::seconds(10);  ///< TCP to a whole CONNECT, with TLS
  base::Duration request_timeout =
      std::chrono::seconds(15);                            ///< a request's first byte to its last
  base::Duration idle_timeout = std::chrono::seconds(60);  ///< between two requests
  std::uint32_t queue_max = 1'000;                         ///< pushes that wait for one device
  std::uint32_t store_pages_max = 0;                       ///< of 4 KiB; 0: what the disk gives
  std::uint16_t keep_alive_max_s = 3'600;                  ///< see session::Config
  /// Pushes in a second, over any ten; 0: no limit.
  std::uint32_t sender_rate = 0;     ///< of one app server's token
  std::uint32_t device_rate = 0;     ///< to one device, from all
  std::uint32_t endpoint_rate = 50;  ///< to one Web Push endpoint
  /// Wrong tokens in a minute before the next has to wait, by MQTT and HTTP; 0: no limit.
  std::uint32_t auth_failures = 30;             ///< from one address
  std::uint32_t auth_failures_per_device = 10;  ///< for one device, from one address
};

/// The last resort of devices that are gone (C25).
struct FallbackOptions {
  base::Duration after = std::chrono::seconds(10);  ///< not connected for so long
  std::string apns_url = "https://api.push.apple.com";
  std::string apns_key_file;  ///< PEM; empty: APNs is not used
  std::string apns_key_id;
  std::string apns_team_id;
  std::string apns_push_type = "alert";  ///< alert, background or voip
  std::string ca_file;                   ///< empty: the system's trust store
};

struct ServerOptions {
  std::string data_folder;
  /// Names and addresses that the self-signed certificate of a first start gets beside localhost,
  /// 127.0.0.1 and ::1.
  std::vector<std::string> names;
  std::optional<Endpoint> mqtt;  ///< plain
  std::optional<Endpoint> mqtts = Endpoint{"0.0.0.0", 8'883};
  /// PEM file of the authority whose certificates devices may log in with, instead of a token;
  /// empty: none.
  std::string client_ca_file;
  std::string client_crl_file;   ///< those that it has revoked; empty: none
  std::optional<Endpoint> http;  ///< plain
  std::optional<Endpoint> https = Endpoint{"0.0.0.0", 8'443};
  /// For operators' own programs, plain and without tokens: /metrics, /v1/stats and the health
  /// checks, and nothing else. On loopback, unless `plain_off_loopback`.
  std::optional<Endpoint> operators;
  /// What addresses of Web Push begin with, "https://push.example.org"; empty: the request's Host.
  std::string public_url;
  bool vapid_required = false;  ///< whoever pushes to an endpoint must say who it is (RFC 8292)
  /// A push is synced to the disk before it is answered. Without, a power cut may take the last
  /// moments of accepted pushes; a crash of the server takes none.
  bool durable = true;
  /// Plain MQTT and HTTP carry tokens in clear: off loopback only when this is set.
  bool plain_off_loopback = false;
  /// Over what time devices are told to spread their return, at least; it grows with their number.
  base::Duration spread = std::chrono::seconds(5);
  Limits limits;
  /// Take over from the server that runs on the data folder: its ports, and its devices on plain
  /// lines with their sessions.
  bool take_over = false;
  /// The command line that SIGHUP starts to take over from this server; empty: none.
  std::vector<std::string> successor;
  FallbackOptions fallback;
  std::string log_level = "info";
  std::string log_format = "text";
  /// Reads the configuration anew, at SIGUSR1; or what is wrong with it.
  std::function<std::expected<ServerOptions, std::string>()> reload;
  /// Called on the loop's thread when another process has taken over, which is that one; the server
  /// ends then.
  std::function<void(pid_t heir)> on_handed_over;
  /// Called on the loop's thread when every port is open.
  std::function<void(const Ports&)> on_ready;
};

/// Why the server, or a command on its data folder, failed; `what` names the file, port or device.
struct Failure {
  std::string what;
  base::Error error;
};
inline std::unexpected<Failure> failure(std::string what, base::Error error) {
  return std::unexpected(Failure{std::move(what), error});
}
/// "0.0.0.0:8883: bind: the address is in use".
std::string to_string(const Failure& failure);
template <class T>
using Outcome = std::expected<T, Failure>;

}  // namespace wakeline::server
