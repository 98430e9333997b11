// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "re_library.h"

/// The sound of one call: RTP over a UDP socket that is not tagged, because it lives only while
/// the app is awake. PCMU, 20 ms a packet: a tone goes out, what comes in is counted.
class Media {
 public:
  /// Opens the socket and describes it in SDP. `local`: the address that the peer sends to.
  explicit Media(const sa& local);
  Media(const Media&) = delete;
  Media& operator=(const Media&) = delete;
  ~Media();

  /// Takes the peer's SDP. False: it has no sound that we know.
  bool take(mbuf* sdp, bool is_offer);
  /// Our SDP; the caller's. Null: no memory.
  mbuf* describe(bool as_offer);

  void start();
  /// Silence, and SDP says `inactive` from now on; or back.
  void hold(bool on);
  std::string report() const;  ///< "sent 50 packets, received 49"

 private:
  static void on_timer(void* self);
  static void on_packet(const sa* source, const rtp_header* header, mbuf* packet, void* self);
  void send_packet();

  static constexpr std::uint32_t kSamples = 160;  // 20 ms of 8,000 Hz
  static constexpr std::uint32_t kPacketMs = 20;

  struct rtp_sock* rtp_ = nullptr;
  sdp_session* session_ = nullptr;
  sdp_media* audio_ = nullptr;
  tmr timer_{};
  std::array<std::uint8_t, kSamples> tone_{};
  std::uint32_t time_ = 0;
  std::uint64_t due_ms_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  bool held_ = false;
};
