// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/loop.h"
#include "io/seqpacket.h"
#include "io/unique_fd.h"
#include "server/device_shard.h"

namespace wakeline::server {

/// Which of the server's ports a listening socket is.
enum class PortKind : std::uint8_t { kMqtt, kMqtts, kHttp, kHttps, kOperators };

/// What one server process leaves to the next: it holds the same sockets and knows the same
/// sessions, so that no device on a plain line notices.
struct Inheritance {
  struct Port {
    PortKind kind;
    io::UniqueFd fd;
  };
  io::UniqueFd lock;  ///< of the data folder
  std::vector<Port> ports;
  std::vector<FrozenDevice> devices;
};

/// The new process, before it claims anything: the ports of the server that listens at `path`,
/// which serves on. Errors: kNotFound (nobody listens), kClosed (an older version, that is not to
/// be asked so), kTimeout, kMalformed, kOs.
base::Result<std::vector<Inheritance::Port>> ask_for_ports(const std::string& path);
/// The old process's answer to that.
base::Result<void> show_ports(int channel, const std::vector<Inheritance::Port>& ports);

/// The new process: asks the server that listens at `path` for everything, and waits until that
/// uses the folder no more. Devices come one by one, so that not all need a place in one file
/// table. `channel` is to be told `say_taken` before it serves, and where that fails it must not;
/// closed without that, the old one goes on. Errors: kNotFound (nobody listens), kTimeout,
/// kMalformed (another version), kClosed, kOs.
struct Claimed {
  io::UniqueFd channel;
  Inheritance inheritance;  ///< with the first device at the most
  bool whole = false;       ///< no more devices come
};
base::Result<Claimed> claim_inheritance(const std::string& path);
/// The next device; nothing when there are no more. Errors: kTimeout, kMalformed, kClosed, kOs.
base::Result<std::optional<FrozenDevice>> next_device(Claimed& claimed);
base::Result<void> say_taken(int channel);
/// One message of the process before, with the descriptor that came along. Returns: whether it was
/// the last one. Errors: kMalformed.
base::Result<bool> take_message(base::BytesView bytes, io::UniqueFd fd, Inheritance& into);

/// Gives the line of a device whose line is elsewhere.
using FetchLine = std::function<base::Result<io::UniqueFd>(const FrozenDevice&)>;

/// The old process: sends everything and waits until the new one serves. What is sent stays valid
/// here. Errors: kTimeout, kClosed, kOs, those of `fetch`; then the new one serves nothing.
base::Result<void> hand_over(int channel, const Inheritance& inheritance, const FetchLine& fetch);

/// The process that made the channel; 0: it cannot be told.
pid_t process_at(int channel);

/// The words of other processes of this machine to the running server, at `path`: of the one that
/// takes over, and of commands that changed the registry beside it.
class Control {
 public:
  struct Handlers {
    std::function<void(io::UniqueFd channel)> on_ports_asked;
    std::function<void(io::UniqueFd channel)> on_upgrade;
    std::function<void(std::string device)> on_changed;
  };
  /// Errors: those of io::SeqpacketListener.
  static base::Result<std::unique_ptr<Control>> open(io::Loop& loop, const std::string& path,
                                                     Handlers handlers);
  virtual ~Control() = default;
};

/// Tells the running server to look at a device again: it is no more, or its rights are others.
/// Nothing when none runs.
void tell_changed(const std::string& path, std::string_view device);

}  // namespace wakeline::server
