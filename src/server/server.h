// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "server/admin.h"
#include "server/options.h"

namespace wakeline::server {

/// The push server: devices by MQTT, app servers by HTTP, a durable queue between them. One thread
/// serves, one writes to the disk.
class Server {
 public:
  /// Prepares the data folder (see admin.h), opens store and ports. A server that runs there keeps
  /// its store as it is, unless this one takes over.
  /// Errors: kAddressInUse, kPermission (also plain off loopback), kBusy (another server has the
  ///         data folder), kUnsupported (its schema), kStorageFull, kStorage, kMalformed and
  ///         kNotFound (a certificate or key), kInvalidArgument (an address), those of
  ///         prepare_fallback.
  static Outcome<std::unique_ptr<Server>> create(ServerOptions options);
  virtual ~Server() = default;

  virtual const FirstStart& first_start() const = 0;
  /// Serves until SIGTERM, SIGINT or `stop`; then tells the devices, and finishes what was
  /// accepted. Or until another process has taken over.
  /// Errors: where that process failed and this one can not go on, those of `create`; where the one
  ///         before goes on itself, kClosed and others of `say_taken`, and nothing was served.
  virtual Outcome<void> run() = 0;
  /// Ends `run`. Thread-safe.
  virtual void stop() = 0;
};

}  // namespace wakeline::server
