// SPDX-License-Identifier: Apache-2.0
#include "core/session/session.h"

#include <algorithm>

#include "wire/push.h"

namespace wakeline::session {

namespace mqtt = wire::mqtt;

namespace {

constexpr std::uint32_t kNeverExpires = 0xFFFF'FFFF;  // §3.1.2.11.2

}  // namespace

void Session::on_packet(Instant now, const Config& config, std::string_view device,
                        const mqtt::Packet& packet, Actions& out) {
  if (!online_) return;  // bytes that were under way when we closed
  heard(now);
  if (mqtt::is_cut(packet))
    return disconnect(now, Reason::kQuotaExceeded, "too many user properties", out);
  if (const auto* ack = std::get_if<mqtt::Ack>(&packet)) return on_ack(now, *ack, out);
  if (std::holds_alternative<mqtt::Pingreq>(packet)) return out.push(Write{mqtt::Pingresp{}});
  if (const auto* subscribe = std::get_if<mqtt::Subscribe>(&packet))
    return on_subscribe(now, device, *subscribe, out);
  if (const auto* unsubscribe = std::get_if<mqtt::Unsubscribe>(&packet))
    return on_unsubscribe(now, device, *unsubscribe, out);
  if (const auto* publish = std::get_if<mqtt::Publish>(&packet))
    return on_publish(now, device, *publish, out);
  if (const auto* last = std::get_if<mqtt::Disconnect>(&packet))
    return on_disconnect(now, config, *last, out);
  const bool again = std::holds_alternative<mqtt::Connect>(packet);  // MQTT-3.1.0-2
  const bool auth = std::holds_alternative<mqtt::Auth>(packet);  // §4.12.1: CONNECT named no method
  disconnect(now, Reason::kProtocolError,
             again  ? "a second CONNECT"
             : auth ? "AUTH without an authentication method"
                    : "a packet that only a server may send",
             out);
}

void Session::on_malformed(Instant now, base::ErrorCode error, Actions& out) {
  if (!online_) return;
  if (error == base::ErrorCode::kTooLarge)
    return disconnect(now, Reason::kPacketTooLarge, "the packet is too large", out);
  if (error == base::ErrorCode::kUnsupported)
    return disconnect(now, Reason::kQuotaExceeded, "too many topics in one packet", out);
  disconnect(now, Reason::kMalformedPacket, "the bytes are no MQTT packet", out);
}

void Session::on_closed(Instant now) {
  if (!online_) return;
  online_ = fetching_ = unasked_ = topic_alias_ = false;
  // What was to go with QoS 0, and did not, is read once more: it was never sent.
  if (std::erase_if(in_flight_, [](const InFlight& push) { return push.once; }) > 0)
    rereads_ = true;
  for (InFlight& push : in_flight_) push.sent = false;
  deadline_ = base::kNever;
  leave_will(now);
  drop_connection_state();
  if (session_expiry_s_ == 0) return forget();
  if (session_expiry_s_ != kNeverExpires)
    deadline_ = base::saturating_add(now, std::chrono::seconds(session_expiry_s_));
}

void Session::on_server_stopping(Instant now, Duration drain, Actions& out) {
  if (!online_) return;
  const bool moves = drain > Duration::zero();
  mqtt::Disconnect packet{.reason =
                              moves ? Reason::kAdministrativeAction : Reason::kServerShuttingDown};
  if (moves && packet_max_ >= kRoomy) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(drain).count();
    packet.properties.user.emplace_back(wire::property::kDrain, std::to_string(ms));
  }
  const Reason reason = packet.reason;
  if (version_ == Version::k5) out.push(Write{std::move(packet)});
  out.push(CloseLink{reason});
  // Not the device is gone, we are: its will is for the former (§3.1.2.5 lets a server defer it).
  if (extra_) extra_->will.clear();
  on_closed(now);
}

void Session::on_expelled(Instant now, Reason reason, Actions& out) {
  if (online_) disconnect(now, reason, nullptr, out);
}

void Session::on_deadline(Instant now, Actions& out) {
  if (!online_ && now >= will_at()) {
    publish_will(out);
    drop_connection_state();
  }
  if (now < deadline_) return;
  if (online_)
    disconnect(now, Reason::kKeepAliveTimeout, nullptr, out);
  else
    forget();
}

void Session::on_ack(Instant now, const mqtt::Ack& ack, Actions& out) {
  const bool v5 = version_ == Version::k5;
  if (ack.kind == mqtt::AckKind::kPuback) {
    const auto push = std::ranges::find(in_flight_, ack.packet_id, &InFlight::packet_id);
    if (push == in_flight_.end()) return;  // acknowledged twice, or gone meanwhile
    // A refusal acknowledges as well: it must not be sent again (§4.4).
    out.push(Remove{push->sequence});
    if (push->telling && extra_) extra_->withheld_through = 0;  // it was heard
    in_flight_.erase(push);
    return pump(out);
  }
  // The rest belongs to QoS 2, which we neither send nor take. A device that resumes a QoS 2 flow
  // of another server's session is told that there is none.
  mqtt::Ack answer{.packet_id = ack.packet_id};
  if (v5) answer.reason = Reason::kPacketIdNotFound;
  if (ack.kind == mqtt::AckKind::kPubrel) {
    answer.kind = mqtt::AckKind::kPubcomp;
  } else if (ack.kind == mqtt::AckKind::kPubrec && v5 &&
             std::ranges::find(in_flight_, ack.packet_id, &InFlight::packet_id) ==
                 in_flight_.end()) {
    answer.kind = mqtt::AckKind::kPubrel;
  } else {
    return disconnect(now, Reason::kProtocolError, "an answer to QoS 2, where none was sent", out);
  }
  out.push(Write{answer});
}

void Session::on_disconnect(Instant now, const Config& config, const mqtt::Disconnect& packet,
                            Actions& out) {
  if (const auto expiry = packet.properties.session_expiry_s) {
    if (*expiry != 0 && session_expiry_s_ == 0)  // §3.14.2.2.2
      return disconnect(now, Reason::kProtocolError, "session expiry after a session without one",
                        out);
    session_expiry_s_ = std::min(*expiry, config.session_expiry_max_s);
  }
  // An orderly end takes the will back, unless it says otherwise (§3.14.2.1, MQTT-3.14.4-3).
  if (extra_ && packet.reason == Reason::kSuccess) extra_->will.clear();
  out.push(CloseLink{Reason::kSuccess});
  on_closed(now);
}

/// Says why where the version can, and ends the connection.
void Session::disconnect(Instant now, Reason reason, const char* what, Actions& out) {
  if (version_ == Version::k5) {
    mqtt::Disconnect packet{.reason = reason};
    if (what != nullptr && packet_max_ >= kRoomy) packet.properties.reason_string = what;
    out.push(Write{std::move(packet)});
  }
  out.push(CloseLink{reason});
  on_closed(now);
}

void Session::heard(Instant now) {
  deadline_ = keep_alive_s_ == 0
                  ? base::kNever
                  : base::saturating_add(now, std::chrono::milliseconds(1'500) * keep_alive_s_);
}

void Session::forget() {
  exists_ = subscribed_ = once_ = unwanted_ = rereads_ = false;
  if (extra_) {
    extra_->groups.clear();
    extra_->once_groups.clear();
    drop_connection_state();
  }
  in_flight_ = {};
  sent_through_ = 0;
  deadline_ = base::kNever;
}

}  // namespace wakeline::session
