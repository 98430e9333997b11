// SPDX-License-Identifier: Apache-2.0
#include "media.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace {

constexpr std::uint16_t kFirstPort = 16'384;
constexpr std::uint16_t kLastPort = 32'767;
constexpr std::uint8_t kPcmu = 0;  // RFC 3551

/// ITU-T G.711: sign, exponent and four bits of a 14 bit sample.
std::uint8_t to_mu_law(double sample) {
  const bool negative = sample < 0;
  const int value = std::min(static_cast<int>(std::fabs(sample) * 8'158), 8'158) + 33;
  int exponent = 0;
  while ((value >> (exponent + 6)) != 0) ++exponent;
  const int mantissa = (value >> (exponent + 1)) & 0x0f;
  return static_cast<std::uint8_t>(~((negative ? 0x80 : 0) | exponent << 4 | mantissa));
}

}  // namespace

Media::Media(const sa& local) {
  // 400 Hz: eight whole periods a packet, so that every packet is the same.
  for (std::size_t i = 0; i < tone_.size(); ++i) {
    tone_[i] = to_mu_law(0.3 * std::sin(2 * M_PI * 400 * static_cast<double>(i) / 8'000));
  }
  tmr_init(&timer_);
  if (rtp_listen(&rtp_, IPPROTO_UDP, &local, kFirstPort, kLastPort, false, on_packet, nullptr,
                 this) != 0) {
    return;
  }
  if (sdp_session_alloc(&session_, &local) != 0 ||
      sdp_media_add(&audio_, session_, "audio", sa_port(rtp_local(rtp_)), "RTP/AVP") != 0) {
    return;
  }
  sdp_format_add(nullptr, audio_, false, "0", "PCMU", 8'000, 1, nullptr, nullptr, nullptr, false,
                 nullptr);
}

Media::~Media() {
  tmr_cancel(&timer_);
  mem_deref(session_);
  mem_deref(rtp_);
}

bool Media::take(mbuf* sdp, bool is_offer) {
  if (audio_ == nullptr || sdp_decode(session_, sdp, is_offer) != 0) return false;
  return sdp_media_rformat(audio_, "PCMU") != nullptr;
}

mbuf* Media::describe(bool as_offer) {
  mbuf* text = nullptr;
  if (session_ == nullptr || sdp_encode(&text, session_, as_offer) != 0) return nullptr;
  return text;
}

void Media::start() {
  due_ms_ = tmr_jiffies();
  send_packet();
}

void Media::hold(bool on) {
  held_ = on;
  if (audio_ != nullptr) sdp_media_set_ldir(audio_, on ? SDP_INACTIVE : SDP_SENDRECV);
}

std::string Media::report() const {
  return "sent " + std::to_string(sent_) + " packets, received " + std::to_string(received_);
}

void Media::on_timer(void* self) { static_cast<Media*>(self)->send_packet(); }

void Media::on_packet(const sa* /*source*/, const rtp_header* header, mbuf* /*packet*/,
                      void* self) {
  auto* media = static_cast<Media*>(self);
  if (header->pt == kPcmu && !media->held_) ++media->received_;
}

void Media::send_packet() {
  due_ms_ += kPacketMs;
  const std::uint64_t now = tmr_jiffies();
  tmr_start(&timer_, due_ms_ > now ? due_ms_ - now : 0, on_timer, this);
  time_ += kSamples;
  const sa* peer = sdp_media_raddr(audio_);
  if (held_ || peer == nullptr || !sa_isset(peer, SA_ALL)) return;
  mbuf* packet = mbuf_alloc(RTP_HEADER_SIZE + tone_.size());
  if (packet == nullptr) return;
  packet->pos = packet->end = RTP_HEADER_SIZE;
  mbuf_write_mem(packet, tone_.data(), tone_.size());
  packet->pos = RTP_HEADER_SIZE;
  if (rtp_send(rtp_, peer, false, sent_ == 0, kPcmu, time_, packet) == 0) ++sent_;
  mem_deref(packet);
}
