// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "io/stream.h"
#include "io/transport.h"

namespace wakeline::io {

/// Inside of io: what a Stream is, shared with the waits under way so that the owner may go in a
/// handler, and so that `close` outlives it.
class StreamState : public std::enable_shared_from_this<StreamState> {
 public:
  StreamState(Loop& loop, boost::asio::ip::tcp::socket socket, Transport transport);

  /// Runs the handshake; `done` is called once, maybe within this call, and not after `abort`.
  void handshake(std::function<void(base::Result<void>)> done);
  void start(Stream::OnBytes on_bytes, Stream::OnEnd on_end);
  void write(base::Bytes bytes);
  void close();
  void pause() { paused_ = true; }
  void resume();
  void when_sent(std::function<void()> done);
  /// Closes at once.
  void abort();
  /// What the owner's destructor does: `close` goes on, all else ends.
  void release();

  std::size_t unsent() const { return out_.size() - sent_; }
  int fd();
  std::string peer() const;

 private:
  /// kFailed: the end is posted, and not yet told. kClosing: sending the last, then dropping input.
  enum class Phase : std::uint8_t { kHandshake, kOpen, kFailed, kClosing, kClosed };

  void wait_readable();
  void wait_writable();
  void on_ready();
  void step_handshake();
  void read_batch();
  void flush();
  void tell_sent();
  void drain();
  void read_last_words();
  void go_on(Step step);
  void end(base::Error error);
  void fail_later(base::Error error);

  Loop& loop_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::ip::tcp::endpoint peer_;
  Transport transport_;
  Phase phase_ = Phase::kHandshake;
  bool waits_read_ = false;
  bool waits_write_ = false;
  bool peer_ended_ = false;
  bool paused_ = false;
  bool finished_ = false;
  std::size_t sent_ = 0;  // of out_
  base::Bytes out_;
  Stream::OnBytes on_bytes_;
  Stream::OnEnd on_end_;
  std::function<void()> on_sent_;
  std::function<void(base::Result<void>)> on_shaken_;
  std::unique_ptr<boost::asio::steady_timer> closing_;
};

std::unique_ptr<Stream> make_stream(std::shared_ptr<StreamState> state);

}  // namespace wakeline::io
