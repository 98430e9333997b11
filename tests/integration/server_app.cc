// SPDX-License-Identifier: Apache-2.0
// The server as a process of its own, for the tests to start, stop and kill. Arguments are
// KEY=VALUE; the ports are written to standard output, in one line, when it serves.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/log.h"
#include "programs/shifted_clock.h"
#include "server/server.h"

namespace {

using wakeline::server::Endpoint;
using wakeline::server::ServerOptions;

/// From a file that a test writes: it makes the clock jump.
bool read_clock_offset(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  void* at = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) return false;
  clock_offset = static_cast<const std::atomic<std::int64_t>*>(at);
  return true;
}

bool set(ServerOptions& options, std::string_view key, std::string_view value) {
  if (key == "folder") return options.data_folder = value, true;
  if (key == "name") return options.names.emplace_back(value), true;
  if (key == "file_tables") return options.limits.file_tables = value == "yes", true;
  if (key == "clock_offset") return read_clock_offset(std::string(value));
  if (key == "durable") return options.durable = value == "yes", true;
  if (key == "mqtts_address") return options.mqtts.value().address = value, true;
  if (key == "http_address") return options.http.value().address = value, true;
  if (key == "public_url") return options.public_url = value, true;
  if (key == "plain_off_loopback") return options.plain_off_loopback = value == "yes", true;
  if (key == "take_over") return options.take_over = true;
  if (key == "client_ca") return options.client_ca_file = value, true;
  if (key == "client_crl") return options.client_crl_file = value, true;
  if (key == "apns_url") return options.fallback.apns_url = value, true;
  if (key == "apns_id") {
    options.fallback.apns_key_id = value;
    options.fallback.apns_team_id = value;
    return true;
  }
  if (key == "apns_key") return options.fallback.apns_key_file = value, true;
  if (key == "ca_file") return options.fallback.ca_file = value, true;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) return false;
  const auto port = static_cast<std::uint16_t>(number);
  const auto ms = std::chrono::milliseconds(number);
  if (key == "mqtt") return options.mqtt = Endpoint{"127.0.0.1", port}, true;
  if (key == "mqtts") return options.mqtts = Endpoint{"127.0.0.1", port}, true;
  if (key == "http") return options.http = Endpoint{"127.0.0.1", port}, true;
  if (key == "https") return options.https = Endpoint{"127.0.0.1", port}, true;
  if (key == "queue_max") return options.limits.queue_max = number, true;
  if (key == "pages") return options.limits.store_pages_max = number, true;
  if (key == "connections") return options.limits.connections_max = number, true;
  if (key == "arriving_per_address") return options.limits.arriving_per_address_max = number, true;
  if (key == "spread_ms") return options.spread = ms, true;
  if (key == "shards") return options.limits.shards = number, true;
  if (key == "connect_ms") return options.limits.connect_timeout = ms, true;
  if (key == "request_ms") return options.limits.request_timeout = ms, true;
  if (key == "fallback_ms") return options.fallback.after = ms, true;
  if (key == "sender_rate") return options.limits.sender_rate = number, true;
  if (key == "http_per_address") return options.limits.http_connections_per_address = number, true;
  if (key == "device_rate") return options.limits.device_rate = number, true;
  if (key == "endpoint_rate") return options.limits.endpoint_rate = number, true;
  if (key == "auth_failures") return options.limits.auth_failures = number, true;
  if (key == "auth_failures_per_device")
    return options.limits.auth_failures_per_device = number, true;
  if (key == "idle_ms") return options.limits.idle_timeout = ms, true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  ServerOptions options;
  options.mqtts.reset();
  options.https.reset();
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (equals == std::string_view::npos ||
        !set(options, argument.substr(0, equals), argument.substr(equals + 1)))
      return 2;
  }
  options.successor.assign(argv, argv + argc);
  options.successor.emplace_back("take_over=yes");
  wakeline::base::set_log_level("warning");
  options.on_ready = [](const wakeline::server::Ports& ports) {
    std::printf("%u %u %u %u\n", ports.mqtt, ports.mqtts, ports.http, ports.https);
    std::fflush(stdout);
  };
  const auto server = wakeline::server::Server::create(std::move(options));
  if (!server) {
    std::fprintf(stderr, "%s\n", wakeline::server::to_string(server.error()).c_str());
    return 1;
  }
  const auto ran = (*server)->run();
  if (ran) return 0;
  std::fprintf(stderr, "%s\n", wakeline::server::to_string(ran.error()).c_str());
  return 1;
}
