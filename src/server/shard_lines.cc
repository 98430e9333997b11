// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/device_shard.h"
#include "server/websocket_handshake.h"

/// The shard's lines: from the socket through TLS and WebSocket frames to packets, and back. Each
/// step gives back the key of the line as it is afterwards; 0: it is gone.
namespace wakeline::server {

namespace mqtt = wire::mqtt;
namespace websocket = wire::websocket;
using base::ErrorCode;
using base::LogLevel;
using session::Reason;

namespace {

constexpr int kReadsMax = 8;  // blocks of one line before others have their turn

/// Appends what came to what was kept, where something was.
base::BytesView joined(base::Bytes& kept, base::BytesView bytes) {
  if (kept.empty()) return bytes;
  kept.insert(kept.end(), bytes.begin(), bytes.end());
  return kept;
}

}  // namespace

DeviceLine* DeviceShard::line_of(Key key) {
  if ((key & kGuest) != 0) {
    const auto it = guests_.find(key);
    return it == guests_.end() ? nullptr : &it->second->line;
  }
  const auto slot = static_cast<Slot>(key);
  if (slot >= devices_.size()) return nullptr;
  KnownDevice& device = devices_[slot];
  const bool same = device.used && device.line.open() && key_of(slot) == key;
  return same ? &device.line : nullptr;
}

DeviceShard::Key DeviceShard::key_of(Slot slot) const {
  // 30 bits: the highest two tell guests and ports.
  return Key{devices_[slot].generation & 0x3FFF'FFFF} << 32 | slot;
}

/// Has the poller tell these events of the line. Returns: false when it cannot (it is then none of
/// those that it knew).
bool DeviceShard::watch(DeviceLine& line, std::uint32_t events, Key key) {
  if (line.watched()) {
    poller_->change(line.fd(), events, key);
    return true;
  }
  const auto added = poller_->add(line.fd(), events, key);
  if (!added) base::log(LogLevel::kError, "mqtt", "{}", base::to_string(added.error()));
  line.set_watched(added.has_value());
  return added.has_value();
}

void DeviceShard::unwatch(DeviceLine& line) {
  if (!line.watched()) return;
  poller_->remove(line.fd());
  line.set_watched(false);
}

void DeviceShard::on_line(Key key, std::uint32_t events) {
  DeviceLine* line = line_of(key);
  if (line == nullptr) return;  // it ended in this turn
  if (!line->shaken()) {
    const io::StepResult result = line->handshake();
    if (result.step == io::Step::kWantRead || result.step == io::Step::kWantWrite) {
      const bool writes = result.step == io::Step::kWantWrite;
      if (writes != std::exchange(line->waits_to_write, writes))
        static_cast<void>(watch(*line, writes ? EPOLLOUT : EPOLLIN, key));
      return;
    }
    if (result.step != io::Step::kDone) {
      base::log(LogLevel::kDebug, "mqtt", "tls: {}", base::to_string(result.error));
      return on_line_end(key);
    }
    if (std::exchange(line->waits_to_write, false)) static_cast<void>(watch(*line, EPOLLIN, key));
  } else if ((events & EPOLLOUT) != 0) {
    flush(key);
    if (line_of(key) == nullptr) return;
  }
  read(key);
}

void DeviceShard::read(Key key) {
  for (int i = 0; i < kReadsMax; ++i) {
    DeviceLine* line = line_of(key);
    if (line == nullptr) return;
    const io::StepResult result = line->read(block_);
    if (result.step == io::Step::kWantRead) return;
    if (result.step == io::Step::kWantWrite) {
      line->waits_to_write = true;
      static_cast<void>(watch(*line, EPOLLIN | EPOLLOUT, key));
      return;
    }
    if (result.step != io::Step::kDone) return on_line_end(key);
    const bool whole_block = result.bytes == block_.size();
    const bool tls = line->is_tls();
    key = on_raw(key, base::BytesView(block_).first(result.bytes));
    if (key == 0) return;
    if ((key & kGuest) != 0) {
      const auto it = guests_.find(key);
      if (it != guests_.end() && it->second->phase == Guest::Phase::kArrived) return settle(key);
    }
    if (!whole_block && !tls) return;  // the next read would say that there is nothing
  }
}

/// Bytes as they come from the socket or from TLS.
DeviceShard::Key DeviceShard::on_raw(Key key, base::BytesView bytes) {
  DeviceLine& line = *line_of(key);
  const bool guest = (key & kGuest) != 0;
  if (guest && guests_.at(key)->phase == Guest::Phase::kLeaving) return key;  // dropped
  if (line.is_websocket()) return on_frames(key, bytes);
  if (guest && !line.mid_packet()) {
    base::Bytes kept = line.take_frames();
    const base::BytesView all = joined(kept, bytes);
    // A CONNECT begins with 0x10; a browser's devices come with an HTTP request.
    if (!all.empty() && all[0] == 'G') return on_handshake(key, all);
  }
  return on_packets(key, bytes);
}

DeviceShard::Key DeviceShard::on_handshake(Key key, base::BytesView bytes) {
  DeviceLine& line = *line_of(key);
  const Handshake handshake = answer_handshake(bytes);
  if (handshake.consumed == 0) {
    line.keep_frames(bytes);
    return key;
  }
  line.queue_raw(base::as_bytes(handshake.answer));
  mark_dirty(key, line);
  if (!handshake.accepted) {
    guests_.at(key)->phase = Guest::Phase::kLeaving;
    leave_by_.push_back({now_ + kLeavingMax, key});
    return key;
  }
  line.become_websocket();
  return on_frames(key, bytes.subspan(handshake.consumed));
}

DeviceShard::Key DeviceShard::on_frames(Key key, base::BytesView bytes) {
  base::Bytes kept = line_of(key)->take_frames();
  bytes = joined(kept, bytes);
  while (!bytes.empty()) {
    DeviceLine* line = line_of(key);
    if (line == nullptr) return 0;
    const bool guest = (key & kGuest) != 0;
    if (guest) {
      const Guest::Phase phase = guests_.at(key)->phase;
      if (phase == Guest::Phase::kLeaving) return key;  // dropped
      if (phase == Guest::Phase::kArrived) break;       // its shard goes on
    }
    // As with packets: nobody has us keep more than a CONNECT before we know who it is.
    const auto decoded = websocket::decode(bytes, websocket::From::kClient,
                                           guest ? mqtt::kConnectMax : mqtt::kPacketMax);
    if (!decoded) return on_bad_bytes(key, decoded.error().code);
    if (decoded->consumed == 0) break;
    bytes = bytes.subspan(decoded->consumed);
    const websocket::Frame& frame = decoded->frame;
    switch (frame.opcode) {
      case websocket::Opcode::kPing: {
        base::Bytes pong;
        websocket::encode(websocket::Opcode::kPong, frame.payload, pong);
        line->queue_raw(pong);
        mark_dirty(key, *line);
        continue;
      }
      case websocket::Opcode::kPong:
        continue;
      case websocket::Opcode::kClose: {  // answered with the same code (§5.5.1)
        base::Bytes reply;
        websocket::encode(
            websocket::Opcode::kClose,
            base::BytesView(frame.payload).first(std::min<std::size_t>(frame.payload.size(), 2)),
            reply);
        line->queue_raw(reply);
        static_cast<void>(line->flush());
        on_line_end(key);
        return 0;
      }
      case websocket::Opcode::kText:  // MQTT-6.0.0-1
        return on_bad_bytes(key, ErrorCode::kMalformed);
      case websocket::Opcode::kBinary:
      case websocket::Opcode::kContinuation:
        break;
    }
    if ((frame.opcode == websocket::Opcode::kContinuation) != line->in_message)
      return on_bad_bytes(key, ErrorCode::kMalformed);
    line->in_message = !frame.final;
    // Packets need not keep to frames (MQTT-6.0.0-2).
    key = on_packets(key, frame.payload);
    if (key == 0) return 0;
  }
  if (DeviceLine* line = line_of(key); line != nullptr) line->keep_frames(bytes);
  return key;
}

DeviceShard::Key DeviceShard::on_packets(Key key, base::BytesView bytes) {
  base::Bytes kept = line_of(key)->take_packets();
  bytes = joined(kept, bytes);
  while (!bytes.empty()) {
    const bool guest = (key & kGuest) != 0;
    mqtt::Version version = mqtt::Version::k5;
    if (guest) {
      const Guest& known = *guests_.at(key);
      if (known.phase == Guest::Phase::kLeaving) return key;
      if (known.phase == Guest::Phase::kArrived) break;
    } else {
      version = devices_[static_cast<Slot>(key)].session.version();
    }
    // Until a peer has authenticated it may have us keep no more than a CONNECT.
    const auto decoded = mqtt::decode(bytes, version, guest ? mqtt::kConnectMax : mqtt::kPacketMax);
    if (!decoded) {
      // What is not served is a version before CONNECT, when nothing else may be said, and a number
      // of topics behind it.
      ErrorCode error = decoded.error().code;
      if (error == ErrorCode::kUnsupported && mqtt::begins_connect(bytes) != guest)
        error = ErrorCode::kMalformed;
      return on_bad_bytes(key, error);
    }
    if (decoded->consumed == 0) break;
    bytes = bytes.subspan(decoded->consumed);
    key = on_packet(key, decoded->packet);
    if (key == 0) return 0;
  }
  if (DeviceLine* line = line_of(key); line != nullptr) line->keep_packets(bytes);
  return key;
}

DeviceShard::Key DeviceShard::on_packet(Key key, const mqtt::Packet& packet) {
  if ((key & kGuest) != 0) {
    if (guests_.at(key)->phase == Guest::Phase::kProbing) return on_probe_packet(key, packet);
    if (const auto* connect = std::get_if<mqtt::Connect>(&packet)) return on_connect(key, *connect);
    drop_guest(key);  // MQTT-3.1.0-1
    return 0;
  }
  const auto slot = static_cast<Slot>(key);
  KnownDevice& device = devices_[slot];
  device.session.on_packet(now_, config_, device.name, packet, asked_);
  carry_out(slot);
  return line_of(key) == nullptr ? 0 : key;
}

DeviceShard::Key DeviceShard::on_bad_bytes(Key key, ErrorCode error) {
  if ((key & kGuest) != 0) {
    if (error == ErrorCode::kUnsupported) {
      mqtt::Connect unknown;
      unknown.version = mqtt::Version::k311;
      refuse(key, unknown, {.reason = Reason::kUnsupportedVersion});
      return key;
    }
    drop_guest(key);
    return 0;
  }
  const auto slot = static_cast<Slot>(key);
  devices_[slot].session.on_malformed(now_, error, asked_);
  carry_out(slot);
  return 0;
}

void DeviceShard::on_line_end(Key key) {
  if ((key & kGuest) != 0) return drop_guest(key);
  const auto slot = static_cast<Slot>(key);
  KnownDevice& device = devices_[slot];
  unwatch(device.line);
  device.line = DeviceLine();
  ++device.generation;
  --common_->connections;
  departures_.note(device.name, now_);
  device.session.on_closed(now_);
  carry_out(slot);
}

void DeviceShard::send(Key key, base::BytesView bytes) {
  DeviceLine* line = line_of(key);
  if (line == nullptr) return;
  line->queue(bytes);
  mark_dirty(key, *line);
}

void DeviceShard::mark_dirty(Key key, DeviceLine& line) {
  if (!std::exchange(line.dirty, true)) dirty_.push_back(key);
}

/// What the turn wrote goes out in one piece for each line.
void DeviceShard::flush_dirty() {
  if (paused_) {  // what is queued goes along; those who leave are served
    for (const Key key : std::exchange(dirty_, {})) {
      DeviceLine* line = line_of(key);
      if (line == nullptr) continue;
      line->dirty = false;
      if ((key & kGuest) != 0) flush(key);
    }
    return;
  }
  // A line that fails may have its session write to others.
  while (!dirty_.empty()) {
    for (const Key key : std::exchange(dirty_, {})) {
      DeviceLine* line = line_of(key);
      if (line == nullptr) continue;
      line->dirty = false;
      flush(key);
    }
  }
}

void DeviceShard::flush(Key key) {
  DeviceLine& line = *line_of(key);
  const io::Step step = line.flush();
  const bool waits = step == io::Step::kWantWrite;
  if (step == io::Step::kFailed || step == io::Step::kEnd || line.unsent() > kLineUnsentMax)
    return on_line_end(key);
  if (waits != std::exchange(line.waits_to_write, waits))
    static_cast<void>(watch(line, waits ? EPOLLIN | EPOLLOUT : EPOLLIN, key));
  if (step != io::Step::kDone) return;
  if ((key & kGuest) != 0) {
    if (guests_.at(key)->phase == Guest::Phase::kLeaving) line.finish();
    return;
  }
  const auto slot = static_cast<Slot>(key);
  session::Session& session = devices_[slot].session;
  if (!session.awaits_writing()) return;
  session.on_written(asked_);
  carry_out(slot);
}

void DeviceShard::drop_guest(Key key) {
  const auto it = guests_.find(key);
  if (it == guests_.end()) return;
  Guest& guest = *it->second;
  if (const auto probe = probes_.find(guest.device); probe != probes_.end() && probe->second == key)
    probes_.erase(probe);
  if (guest.place) --arriving_;
  if (guest.line.open()) {
    unwatch(guest.line);
    --common_->connections;
  }
  guests_.erase(it);
}

/// Lets a line go: what is queued is sent, then the end is said, and what still comes is read, as a
/// socket that is closed over unread bytes takes our last words back.
void DeviceShard::dismiss(DeviceLine line) {
  if (line.is_websocket()) {
    base::Bytes last;
    websocket::encode(websocket::Opcode::kClose,
                      websocket::close_payload(websocket::CloseCode::kNormal), last);
    line.queue_raw(last);
  }
  const Key leaving = ++last_guest_;
  if (!watch(line, EPOLLIN, leaving)) {
    --common_->connections;
    return;
  }
  line.waits_to_write = line.dirty = false;
  auto guest = std::make_unique<Guest>();
  guest->line = std::move(line);
  guest->phase = Guest::Phase::kLeaving;
  DeviceLine& kept = guest->line;
  guests_.emplace(leaving, std::move(guest));
  leave_by_.push_back({now_ + kLeavingMax, leaving});
  mark_dirty(leaving, kept);
}

}  // namespace wakeline::server
