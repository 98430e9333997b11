// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "io/transport.h"
#include "io/unique_fd.h"
#include "wire/websocket.h"

namespace wakeline::server {

/// Bytes that may wait unsent for one device; one that does not read is closed.
inline constexpr std::size_t kLineUnsentMax = 1 << 20;

/// One connection of a device: plain or TLS, with MQTT bare or in WebSocket frames. 32 B while
/// nothing is under way; it owns buffers only in the middle of a packet or of a write.
class DeviceLine {
 public:
  DeviceLine() = default;
  DeviceLine(io::UniqueFd fd, io::Transport transport)
      : fd_(std::move(fd)), shaken_(!transport.is_tls()), transport_(std::move(transport)) {}

  bool open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  bool is_tls() const { return transport_.is_tls(); }
  bool shaken() const { return shaken_; }
  bool is_websocket() const { return websocket_; }
  void become_websocket() { websocket_ = true; }
  /// The device's name by the certificate that it showed; empty: none.
  std::string peer_name() const { return transport_.peer_name(); }

  /// One step of the TLS handshake. Returns: as Transport; kDone when it is over.
  io::StepResult handshake();
  io::StepResult read(std::span<std::uint8_t> into) { return transport_.read(into); }
  /// Queues MQTT bytes, in a frame where it is a WebSocket.
  void queue(base::BytesView bytes);
  /// Queues bytes as they are.
  void queue_raw(base::BytesView bytes);
  /// Sends what is queued. Returns: kDone, kWantWrite, kWantRead (TLS), kFailed, kEnd.
  io::Step flush();
  std::size_t unsent() const;
  /// Says the last: a close frame, close_notify, FIN.
  void finish();

  /// The beginning of a packet or frame that was not whole yet: taken out, or put back.
  base::Bytes take_frames();
  base::Bytes take_packets();
  void keep_frames(base::BytesView bytes);
  void keep_packets(base::BytesView bytes);

  /// Whether the beginning of a packet is kept.
  bool mid_packet() const { return buffers_ && !buffers_->packets.empty(); }

  /// A plain line taken apart, for another process; it is closed here without a word.
  struct State {
    io::UniqueFd fd;
    base::Bytes frames, packets, unsent;
    bool websocket = false, in_message = false, alias_sent = false;
  };
  State take_apart();
  static DeviceLine put_together(State state);

  /// In another file table the socket has another descriptor.
  void close_descriptor() { fd_.reset(); }
  void rebind(io::UniqueFd fd) {
    fd_ = std::move(fd);
    transport_.rebind(fd_.get());
  }

  /// Whether the poller of its shard knows the socket.
  bool watched() const { return watched_; }
  void set_watched(bool watched) { watched_ = watched; }

  /// For the poller: whether it waits for the socket to take more.
  bool waits_to_write = false;
  bool dirty = false;       ///< among those to be flushed at the end of the turn
  bool in_message = false;  ///< of a WebSocket: more pieces of it follow
  bool alias_sent = false;  ///< the device knows our topic alias

 private:
  struct Buffers {
    base::Bytes frames;   ///< of a WebSocket: not a whole one yet
    base::Bytes packets;  ///< MQTT: not a whole one yet
    base::Bytes out;
    std::size_t sent = 0;
  };
  Buffers& buffers();
  void drop_empty();

  io::UniqueFd fd_;
  bool shaken_ = false;
  bool watched_ = false;
  bool websocket_ = false;
  io::Transport transport_ = io::Transport::plain(-1);
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace wakeline::server
