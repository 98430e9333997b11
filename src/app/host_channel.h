// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/time.h"
#include "io/deadline_timer.h"
#include "io/loop.h"
#include "io/seqpacket.h"
#include "wire/host_message.h"

namespace wakeline::app {

/// How long the host may take for an answer; over it the connection counts as broken.
inline constexpr base::Duration kReplyTimeout = std::chrono::seconds(5);
/// How long it may take for its welcome: App::create waits for it.
inline constexpr base::Duration kWelcomeTimeout = std::chrono::seconds(2);
/// Between tries to find a host again: doubling from the first to the last. A host that comes back
/// suspends an app that does not tag its sockets anew within doze::kAdoptionWindow (10 s).
inline constexpr base::Duration kRetryMin = std::chrono::milliseconds(100);
inline constexpr base::Duration kRetryMax = std::chrono::seconds(4);
/// After the host said that this process is none of its apps, doubling from the first to the last:
/// a host that has just started may not have taken it over yet.
inline constexpr base::Duration kRefusedRetryMin = std::chrono::seconds(1);
inline constexpr base::Duration kRefusedRetryMax = std::chrono::minutes(5);

/// For a request whose answer changes nothing.
inline void ignore(const Result<std::uint64_t>& /*reply*/) {}

/// The connection to the host: greeting, requests with their answers, coming back. On the loop's
/// thread. A value of a reply is a Result, its error with the host's own words.
class HostChannel {
 public:
  using OnReply = std::function<void(Result<std::uint64_t>)>;
  struct Events {
    std::function<void(const wire::host::Welcome&)> on_ready;
    /// The host went, or the try to reach it failed; `absence` tells why.
    std::function<void()> on_absent;
    /// Everything but replies and welcomes.
    std::function<void(const wire::host::Message&)> on_message;
  };

  /// `path` empty: there is no host and never will be. Errors: kOs.
  static base::Result<std::unique_ptr<HostChannel>> create(io::Loop& loop, std::string path,
                                                           Events events);

  /// The first try. Exactly one of the events follows, now or later.
  void start();
  bool ready() const { return ready_; }
  /// Why there is no host; meaningful while not `ready`.
  const Error& absence() const { return absence_; }

  /// Sends a request (its number is set here) and calls `on_reply` once, later: with the answer, or
  /// with kNoHost, kTimeout or kTooLarge. `fd` rides along.
  template <class Request>
  void ask(Request request, OnReply on_reply, int fd = -1) {
    request.request = ++last_request_;
    send(request.request, request, fd, std::move(on_reply));
  }

 private:
  struct Waiting {
    base::Instant due;
    OnReply on_reply;
  };

  HostChannel(io::Loop& loop, std::string path, Events events)
      : loop_(loop), path_(std::move(path)), events_(std::move(events)) {}

  void connect();
  void send(wire::host::RequestId id, const wire::host::Message& message, int fd, OnReply on_reply);
  void answer_later(OnReply on_reply, Error error);
  void on_datagram(std::string_view datagram);
  void on_reply(const wire::host::Reply& reply);
  void on_welcome(const wire::host::Welcome& welcome);
  void on_time();
  void lose(Error why, base::Duration retry_in);
  base::Duration next_retry();
  base::Duration next_refused_retry();
  void arm();

  io::Loop& loop_;
  std::string path_;
  Events events_;
  std::unique_ptr<io::DeadlineTimer> timer_;
  std::unique_ptr<io::Seqpacket> socket_;
  bool ready_ = false;
  Error absence_;
  wire::host::RequestId last_request_ = 0;
  wire::host::RequestId hello_ = 0;  ///< the Hello that awaits its welcome; 0: none
  base::Instant hello_due_ = base::kNever;
  base::Instant retry_at_ = base::kNever;
  base::Duration retry_ = kRetryMin;
  base::Duration refused_retry_ = kRefusedRetryMin;
  std::map<wire::host::RequestId, Waiting> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace wakeline::app
