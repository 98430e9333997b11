// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/stream.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "app/contract.h"
#include "app/core.h"
#include "app/loop_core.h"
#include "io/tcp_race.h"
#include "io/tls.h"
#include "io/transport.h"
#include "io/unique_fd.h"

namespace wakeline::app {

/// Kernel keep-alive of our own tagged sockets (C39): below what most NATs forget after.
inline constexpr base::Duration kStreamKeepAlive = std::chrono::minutes(4);
inline constexpr std::chrono::milliseconds kStreamOpenTimeout = std::chrono::seconds(30);
/// One record of TLS, which is what a stream holds of each direction at most.
inline constexpr std::size_t kStreamBlock = 16'384;

/// What a StreamPair is. The library's thread connects and tags; all else happens in the threads of
/// the app, under `mutex_`. Handlers run without it, under `delivering_`.
class StreamCore : public std::enable_shared_from_this<StreamCore> {
 public:
  StreamCore(std::shared_ptr<Core> core, std::string host, std::uint16_t port);
  StreamCore(std::shared_ptr<Core> core, int fd, SocketOwner owner);
  StreamCore(const StreamCore&) = delete;
  StreamCore& operator=(const StreamCore&) = delete;
  ~StreamCore() { close(); }

  // As StreamPair.
  Result<void> set_service_type(ServiceType type);
  Result<void> set_open_timeout(std::chrono::milliseconds timeout);
  Result<void> use_tls(const TlsOptions& options);
  Result<void> open(std::shared_ptr<LoopCore> loop, StreamPair::Handler handler);
  void close();
  Result<std::size_t> read(void* into, std::size_t size);
  Result<std::size_t> write(std::string_view bytes);
  StreamState state() const;
  std::optional<Error> error() const;
  int fd() const;
  Result<void> tagged() const;
  bool is_wake_capable() const;

 private:
  /// What the library's thread does for an opening; touched there alone.
  struct Opening;
  struct Opened {
    base::Result<io::UniqueFd> fd;
    TagKey tag = 0;
    Result<void> tagged;
  };
  struct Tls {
    std::shared_ptr<io::TlsContext> context;
    std::string name;
  };

  static void begin(Core& core, const std::shared_ptr<Opening>& opening,
                    std::function<void(std::shared_ptr<Opened>)> done);
  void start_timer();
  // In the loop's thread.
  void on_opened(Opened& opened);
  void on_ready(std::uint32_t events);
  void on_late();
  void deliver(StreamEvent event);
  // Under mutex_.
  template <class Task>
  void later(Task task);
  void tell(StreamEvent event);
  Result<void> begin_tls();
  void step_handshake();
  void on_open();
  void look();
  bool flush();
  void end();
  void fail(const base::Error& error);
  void watch();
  void unwatch();
  std::string about() const;

  const std::shared_ptr<Core> core_;
  const std::string host_;
  const std::uint16_t port_ = 0;
  const bool owns_socket_;

  std::recursive_mutex delivering_;
  mutable std::mutex mutex_;
  // Below: under mutex_.
  StreamState state_ = StreamState::kNotOpen;
  ServiceType type_ = ServiceType::kDefault;
  std::chrono::milliseconds open_timeout_ = kStreamOpenTimeout;
  std::optional<Error> error_;
  int fd_ = -1;
  TagKey tag_ = 0;
  Result<void> tagged_;
  std::shared_ptr<LoopCore> loop_;
  std::shared_ptr<StreamPair::Handler> handler_;
  std::shared_ptr<Opening> opening_;
  RunLoop::TimerId timer_ = 0;
  std::uint64_t watched_ = 0;
  std::uint32_t watched_events_ = 0;
  std::optional<Tls> tls_;
  std::optional<io::Transport> transport_;
  bool shaking_ = false;  ///< TLS is not up yet
  bool tls_wants_write_ = false;
  bool told_bytes_ = false;   ///< and `read` was not called since
  bool wants_space_ = false;  ///< kCanAcceptBytes is owed
  bool peer_ended_ = false;
  std::string held_;  ///< decrypted, not yet read
  std::string out_;   ///< accepted, not yet taken by TLS
};

}  // namespace wakeline::app
