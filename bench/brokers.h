// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/program.h"
#include "fleet.h"
#include "folder.h"

/// The servers that `wakeline bench server` measures: ours, the floor, and peers that are
/// installed.
namespace wakeline::bench {

/// A server under measurement.
struct Broker {
  std::string name;
  cli::Program program;
  std::uint16_t plain = 0;
  std::uint16_t tls = 0;   ///< 0: none
  std::uint16_t http = 0;  ///< 0: pushes come by MQTT
  std::string bearer{};
  std::string ca_file{};
  /// How its devices speak: MQTT, or one text after which they wait for what comes.
  wire::mqtt::Version version = wire::mqtt::Version::k5;
  Fleet::Greeting greeting{};
  bool durable = false;  ///< a push is on the disk before it is answered
  bool delivers = true;  ///< pushes are measured
};

/// Devices "device-0" … of one token, in the store of our server.
inline constexpr const char* kDevicePrefix = "device-";
inline constexpr const char* kDeviceToken = "bench";

struct OurOptions {
  std::size_t devices = 0;
  unsigned shards = 0;       ///< 0: as it decides
  bool file_tables = false;  ///< see limits.file_tables
  bool durable = true;       ///< see push.durable
};
cli::Outcome<Broker> start_wakeline(const Folder& folder, const OurOptions& options);
/// `bench-holder`: a bare epoll loop that holds sockets. `durable`: what is published is synced to
/// the disk before it goes on.
cli::Outcome<Broker> start_floor(const Folder& folder, bool durable = false);

/// A program that others wrote. `start` is called where `path` can be executed.
struct Peer {
  std::string name;
  std::string path;
  std::string package;  ///< of Debian
  std::function<cli::Outcome<Broker>(const Folder&, const Broker& ours)> start;
};
const std::vector<Peer>& peers();

/// User memory of a process and its children, in bytes.
double anonymous_bytes(pid_t pid);
/// Processor time of them, in ms.
double processor_ms(pid_t pid);

}  // namespace wakeline::bench
