// SPDX-License-Identifier: Apache-2.0
#include "server/device_line.h"

#include <utility>

namespace wakeline::server {

namespace websocket = wire::websocket;

io::StepResult DeviceLine::handshake() {
  const io::StepResult result = transport_.handshake();
  if (result.step == io::Step::kDone) shaken_ = true;
  return result;
}

DeviceLine::Buffers& DeviceLine::buffers() {
  if (!buffers_) buffers_ = std::make_unique<Buffers>();
  return *buffers_;
}

void DeviceLine::drop_empty() {
  if (buffers_ && buffers_->frames.empty() && buffers_->packets.empty() && buffers_->out.empty())
    buffers_.reset();
}

void DeviceLine::queue(base::BytesView bytes) {
  if (!websocket_) return queue_raw(bytes);
  websocket::encode(websocket::Opcode::kBinary, bytes, buffers().out);
}

void DeviceLine::queue_raw(base::BytesView bytes) {
  auto& out = buffers().out;
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::size_t DeviceLine::unsent() const {
  return buffers_ ? buffers_->out.size() - buffers_->sent : 0;
}

io::Step DeviceLine::flush() {
  while (unsent() > 0) {
    const auto result = transport_.write(base::BytesView(buffers_->out).subspan(buffers_->sent));
    if (result.step != io::Step::kDone) return result.step;
    buffers_->sent += result.bytes;
  }
  if (buffers_) {
    buffers_->out = {};
    buffers_->sent = 0;
    drop_empty();
  }
  return io::Step::kDone;
}

void DeviceLine::finish() {
  if (shaken_) transport_.finish();
}

DeviceLine::State DeviceLine::take_apart() {
  State state{.fd = std::move(fd_),
              .frames = take_frames(),
              .packets = take_packets(),
              .unsent = {},
              .websocket = websocket_,
              .in_message = in_message,
              .alias_sent = alias_sent};
  if (unsent() > 0)
    state.unsent.assign(buffers_->out.begin() + static_cast<std::ptrdiff_t>(buffers_->sent),
                        buffers_->out.end());
  *this = DeviceLine();
  return state;
}

DeviceLine DeviceLine::put_together(State state) {
  const int fd = state.fd.get();
  DeviceLine line(std::move(state.fd), io::Transport::plain(fd));
  line.websocket_ = state.websocket;
  line.in_message = state.in_message;
  line.alias_sent = state.alias_sent;
  line.keep_frames(state.frames);
  line.keep_packets(state.packets);
  if (!state.unsent.empty()) line.queue_raw(state.unsent);
  return line;
}

base::Bytes DeviceLine::take_frames() {
  if (!buffers_) return {};
  base::Bytes taken = std::exchange(buffers_->frames, {});
  drop_empty();
  return taken;
}

base::Bytes DeviceLine::take_packets() {
  if (!buffers_) return {};
  base::Bytes taken = std::exchange(buffers_->packets, {});
  drop_empty();
  return taken;
}

void DeviceLine::keep_frames(base::BytesView bytes) {
  if (!bytes.empty()) buffers().frames.assign(bytes.begin(), bytes.end());
}

void DeviceLine::keep_packets(base::BytesView bytes) {
  if (!bytes.empty()) buffers().packets.assign(bytes.begin(), bytes.end());
}

}  // namespace wakeline::server
