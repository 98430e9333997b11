// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/http2_client.h"
#include "server/last_resort_message.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/timer_queue.h"
#include "store/directory.h"
#include "store/store.h"

namespace wakeline::server {

/// Reads the files that the options name. Errors: kInvalidArgument (a key without its ids),
/// kMalformed (the certificates to trust), those of read_p256_key and of io::read_file.
Outcome<ApnsSigner> prepare_fallback(const FallbackOptions& options);

/// Sends the pushes of devices that are gone their last way (C25): to the vendor's service, or to
/// another Web Push endpoint. A push that went so still waits here: the device that comes back gets
/// it with its number. What needs it is read from the store, so a restart forgets nothing; a push
/// is at most sent again.
class LastResort : public Timed {
 public:
  /// Devices that are looked at together; more wait for the next look.
  static constexpr std::size_t kDevicesMax = 1'000;

  struct Parts {
    io::Loop& loop;
    TimerQueue& timers;
    store::Store& store;
    store::Directory& directory;
    Metrics& metrics;
    ApnsSigner& apns;
    /// Whether the device has not been connected for `FallbackOptions::after`.
    std::function<bool(std::string_view device)> gone;
    std::function<void(std::string_view event, std::string_view device)> audit;
    std::unique_ptr<Http2Client> http{};    ///< none: one that trusts `FallbackOptions::ca_file`
    std::size_t devices_max = kDevicesMax;  ///< of one look
  };
  LastResort(Parts parts, const FallbackOptions& options);
  ~LastResort() override = default;

  /// A push waits for the device.
  void on_stored();

  base::Instant next_deadline() const override { return look_at_; }
  void on_deadline(base::Instant now) override;

 private:
  /// One device that is gone.
  struct Case {
    base::Instant try_at{};     ///< not before
    base::Instant looked_at{};  ///< last; a case that nobody looks at is over
    int failures = 0;
    bool under_way = false;
    std::string address{};  ///< that was tried
  };

  void look(base::Instant now);
  void consider(const store::Fallback& fallback, base::Instant now);
  void send(const store::Fallback& fallback, const store::Push& push, base::Instant now);
  void on_answer(const store::Fallback& fallback, store::Sequence sequence,
                 const base::Result<Http2Client::Answer>& answer);
  void forget_address(const store::Fallback& fallback);
  void try_again(const std::string& device, base::Duration wait);
  void note_sent(const store::Fallback& fallback, store::Sequence sequence);
  void plan(base::Instant at);
  void count(const store::Fallback& fallback, const char* result);

  Parts parts_;
  FallbackOptions options_;
  VapidSigner vapid_;
  std::unique_ptr<Http2Client> http_;
  std::unordered_map<std::string, Case> cases_;  ///< by the device's name
  base::Instant look_at_ = base::kNever;
  base::Instant round_at_{};        ///< when the round over all devices began
  store::DeviceId seen_through_{};  ///< of that round; 0: it begins anew
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what the store posts
};

}  // namespace wakeline::server
