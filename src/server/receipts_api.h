// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <optional>
#include <string>

#include "server/http_front.h"
#include "server/timer_queue.h"
#include "store/store.h"

namespace wakeline::server {

inline constexpr std::string_view kReceiptsPath = "/r/";

/// Receipts of Web Push (RFC 8030 §5.1, §6.3): what became of pushes, for the app server that asked
/// for it. Its address is the permission, and nothing is stored of it. Over HTTP/1.1 the receipts
/// are fetched, and a fetch may wait for them.
class ReceiptsApi : public Timed {
 public:
  /// The longest that a fetch waits, whatever it prefers.
  static constexpr base::Duration kWaitMax = std::chrono::seconds(60);
  /// Fetches that wait at a time. For a further one, the oldest of whoever has the most of them is
  /// answered, so that nobody keeps others out.
  static constexpr std::size_t kWaitersMax = 256;

  struct Parts {
    store::Store& store;
    base::Bytes messages_secret;
    base::Bytes secret;
    std::string public_url;
  };
  ReceiptsApi(TimerQueue& timers, Parts parts);
  ~ReceiptsApi() override;

  /// Whether a push asks for a receipt: the group that it goes to, a new one or that of
  /// `Push-Receipt`; 0 when that is no address of ours.
  std::optional<std::uint64_t> asked_for(const HttpRequest& request) const;
  /// "/r/…".
  std::string path_of(std::uint64_t group) const;

  /// GET and DELETE below kReceiptsPath.
  void handle(const HttpRequest& request, const HttpFront::Respond& respond);
  /// Answers those that wait for what is there by now: also after another process wrote some.
  void on_receipts();
  /// Answers those that wait, and lets nobody wait any more.
  void stop();

  base::Instant next_deadline() const override;
  void on_deadline(base::Instant now) override;

 private:
  struct Waiter {
    std::uint64_t group;
    std::uint64_t after;
    std::string origin;
    std::string sender;  ///< see subscriber_of
    base::Instant until;
    HttpFront::Respond respond;
  };
  std::optional<std::uint64_t> read_group(std::string_view token) const;
  void fetch(std::uint64_t group, const HttpRequest& request, const HttpFront::Respond& respond);
  /// The receipts; nothing when there are none.
  std::optional<HttpResponse> answer(std::uint64_t group, std::uint64_t after,
                                     const std::string& origin);

  void make_room();

  TimerQueue& timers_;
  Parts parts_;
  std::list<Waiter> waiters_;  ///< in the order in which they came
  bool stopped_ = false;
};

}  // namespace wakeline::server
