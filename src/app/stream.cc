// SPDX-License-Identifier: Apache-2.0
#include <wakeline/stream.h>

#include <utility>

#include "app/errors.h"
#include "app/socket_check.h"
#include "app/stream_core.h"

namespace wakeline {

using app::StreamCore;

std::string_view name(StreamEvent event) {
  switch (event) {
    case StreamEvent::kOpenCompleted:
      return "open_completed";
    case StreamEvent::kHasBytesAvailable:
      return "has_bytes_available";
    case StreamEvent::kCanAcceptBytes:
      return "can_accept_bytes";
    case StreamEvent::kErrorOccurred:
      return "error_occurred";
    case StreamEvent::kEndEncountered:
      return "end_encountered";
  }
  return "unknown";
}

std::string_view name(StreamState state) {
  switch (state) {
    case StreamState::kNotOpen:
      return "not_open";
    case StreamState::kOpening:
      return "opening";
    case StreamState::kOpen:
      return "open";
    case StreamState::kAtEnd:
      return "at_end";
    case StreamState::kError:
      return "error";
    case StreamState::kClosed:
      return "closed";
  }
  return "unknown";
}

Result<StreamPair> StreamPair::to_host(App& app, const std::string& host, std::uint16_t port) {
  if (host.empty() || port == 0)
    return Error{ErrorCode::kInvalidArgument, "a stream needs a host and a port"};
  return StreamPair(std::make_shared<StreamCore>(app.core_, host, port));
}

Result<StreamPair> StreamPair::over_socket(App& app, int fd, SocketOwner owner) {
  const auto checked = app::check_socket(fd, false);
  if (!checked) return app::to_public(checked.error().code, {});
  return StreamPair(std::make_shared<StreamCore>(app.core_, fd, owner));
}

StreamPair::StreamPair(std::shared_ptr<StreamCore> core) : core_(std::move(core)) {}
StreamPair::StreamPair(StreamPair&&) noexcept = default;
StreamPair& StreamPair::operator=(StreamPair&& other) noexcept {
  if (this != &other) {
    if (core_) core_->close();
    core_ = std::move(other.core_);
  }
  return *this;
}
StreamPair::~StreamPair() {
  if (core_) core_->close();
}

Result<void> StreamPair::set_service_type(ServiceType type) {
  return core_->set_service_type(type);
}
Result<void> StreamPair::use_tls(const TlsOptions& options) { return core_->use_tls(options); }
Result<void> StreamPair::set_open_timeout(std::chrono::milliseconds timeout) {
  return core_->set_open_timeout(timeout);
}
Result<void> StreamPair::open(RunLoop& loop, Handler handler) {
  return core_->open(loop.core_, std::move(handler));
}
void StreamPair::close() { core_->close(); }

Result<std::size_t> StreamPair::read(void* into, std::size_t size) {
  return core_->read(into, size);
}
Result<std::size_t> StreamPair::write(std::string_view bytes) { return core_->write(bytes); }

StreamState StreamPair::state() const { return core_->state(); }
std::optional<Error> StreamPair::error() const { return core_->error(); }
int StreamPair::fd() const { return core_->fd(); }
Result<void> StreamPair::tagged() const { return core_->tagged(); }
bool StreamPair::is_wake_capable() const { return core_->is_wake_capable(); }

}  // namespace wakeline
