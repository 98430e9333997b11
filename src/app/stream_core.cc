// SPDX-License-Identifier: Apache-2.0
#include "app/stream_core.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "app/errors.h"

namespace wakeline::app {
namespace {

base::BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

StreamCore::StreamCore(std::shared_ptr<Core> core, std::string host, std::uint16_t port)
    : core_(std::move(core)), host_(std::move(host)), port_(port), owns_socket_(true) {}

StreamCore::StreamCore(std::shared_ptr<Core> core, int fd, SocketOwner owner)
    : core_(std::move(core)), owns_socket_(owner == SocketOwner::kStream), fd_(fd) {}

std::string StreamCore::about() const {
  return host_.empty() ? std::string("stream") : host_ + ":" + std::to_string(port_);
}

// --- events

template <class Task>
void StreamCore::later(Task task) {
  loop_->post([weak = weak_from_this(), task] {
    if (const auto self = weak.lock()) task(*self);
  });
}

/// Each event is a task of its own, so that an exception of the handler takes no other with it.
void StreamCore::tell(StreamEvent event) {
  later([event](StreamCore& self) { self.deliver(event); });
}

void StreamCore::deliver(StreamEvent event) {
  std::shared_ptr<StreamPair::Handler> handler;  // destroyed without the locks
  const std::lock_guard delivering(delivering_);
  {
    const std::lock_guard lock(mutex_);
    if (state_ == StreamState::kClosed) return;
    handler = handler_;
  }
  (*handler)(event);
}

void StreamCore::on_ready(std::uint32_t events) {
  const std::lock_guard lock(mutex_);
  if (shaking_) return step_handshake();
  if (state_ != StreamState::kOpen && state_ != StreamState::kAtEnd) return;
  tls_wants_write_ = false;
  if (!flush()) return;
  const bool writable = (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
  if (wants_space_ && out_.empty() && writable) {
    wants_space_ = false;
    tell(StreamEvent::kCanAcceptBytes);
  }
  look();
  watch();
}

/// Whether there are bytes, the end or an error, without taking bytes off a plain socket.
void StreamCore::look() {
  if (told_bytes_ || peer_ended_ || shaking_) return;
  io::StepResult result;
  if (transport_->is_tls()) {
    held_.resize(kStreamBlock);
    result = transport_->read({reinterpret_cast<std::uint8_t*>(held_.data()), held_.size()});
    held_.resize(result.step == io::Step::kDone ? result.bytes : 0);
    if (held_.empty()) held_.shrink_to_fit();
  } else {
    char first = 0;
    const ssize_t got = ::recv(fd_, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0) return end();
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) return fail(base::os_error("recv", errno));
  }
  switch (result.step) {
    case io::Step::kDone:
      told_bytes_ = true;
      return tell(StreamEvent::kHasBytesAvailable);
    case io::Step::kEnd:
      return end();
    case io::Step::kFailed:
      return fail(result.error);
    case io::Step::kWantWrite:
      tls_wants_write_ = true;
      return;
    case io::Step::kWantRead:
      return;
  }
}

void StreamCore::end() {
  if (std::exchange(peer_ended_, true)) return;
  state_ = StreamState::kAtEnd;
  tell(StreamEvent::kEndEncountered);
}

void StreamCore::fail(const base::Error& error) {
  if (state_ == StreamState::kError || state_ == StreamState::kClosed) return;
  state_ = StreamState::kError;
  shaking_ = false;
  error_ = to_public(error, about());
  unwatch();
  loop_->cancel(std::exchange(timer_, 0));
  tell(StreamEvent::kErrorOccurred);
}

void StreamCore::watch() {
  std::uint32_t events = 0;
  if (state_ == StreamState::kOpening || state_ == StreamState::kOpen ||
      state_ == StreamState::kAtEnd) {
    if (shaking_ || (!told_bytes_ && !peer_ended_)) events |= EPOLLIN | EPOLLRDHUP;
    if (tls_wants_write_ || wants_space_ || !out_.empty()) events |= EPOLLOUT;
    // While TLS waits for the socket to take bytes, nothing else is to be done with it.
    if (shaking_ && tls_wants_write_) events = EPOLLOUT;
  }
  if (events == watched_events_) return;
  unwatch();
  // Nothing to wait for: not even for an error, which epoll would tell of again and again.
  if (events == 0) return;
  watched_ = loop_->watch(fd_, events, [weak = weak_from_this()](std::uint32_t ready) {
    if (const auto self = weak.lock()) self->on_ready(ready);
  });
  if (watched_ == 0) return fail({base::ErrorCode::kNotSocket, "epoll"});
  watched_events_ = events;
}

void StreamCore::unwatch() {
  if (watched_ != 0) loop_->unwatch(watched_);
  watched_ = 0;
  watched_events_ = 0;
}

// --- bytes

Result<std::size_t> StreamCore::read(void* into, std::size_t size) {
  const std::lock_guard lock(mutex_);
  if (!transport_ || state_ == StreamState::kClosed || state_ == StreamState::kOpening)
    return state_ == StreamState::kError ? *error_ : wrong_state("the stream is not open");
  if (size == 0 || (shaking_ && held_.empty())) return std::size_t{0};
  if (!held_.empty()) {
    const std::size_t given = std::min(size, held_.size());
    std::memcpy(into, held_.data(), given);
    held_.erase(0, given);
    if (!held_.empty()) return given;
    held_.shrink_to_fit();
    told_bytes_ = false;
    // TLS may have more, which no event of the socket tells of.
    later([](StreamCore& self) { self.on_ready(EPOLLIN); });
    return given;
  }
  if (state_ == StreamState::kError && transport_->is_tls()) return *error_;
  if (peer_ended_) return Error{ErrorCode::kClosed, about() + ": the peer ended the connection"};
  const io::StepResult result = transport_->read({static_cast<std::uint8_t*>(into), size});
  if (state_ == StreamState::kError) {  // what came before the error
    if (result.step == io::Step::kDone) return result.bytes;
    return *error_;
  }
  told_bytes_ = false;
  switch (result.step) {
    case io::Step::kDone:
      later([](StreamCore& self) { self.on_ready(EPOLLIN); });
      return result.bytes;
    case io::Step::kEnd:
      end();
      watch();
      return Error{ErrorCode::kClosed, about() + ": the peer ended the connection"};
    case io::Step::kFailed:
      fail(result.error);
      return *error_;
    case io::Step::kWantWrite:
      tls_wants_write_ = true;
      [[fallthrough]];
    case io::Step::kWantRead:
      break;
  }
  watch();
  return std::size_t{0};
}

/// Whether the stream lives on.
bool StreamCore::flush() {
  while (!out_.empty()) {
    const io::StepResult result = transport_->write(bytes_of(out_));
    if (result.step == io::Step::kDone) {
      out_.erase(0, result.bytes);
    } else if (result.step == io::Step::kFailed || result.step == io::Step::kEnd) {
      fail(result.step == io::Step::kFailed ? result.error
                                            : base::Error{base::ErrorCode::kClosed, "tls"});
      return false;
    } else {
      return true;
    }
  }
  out_.shrink_to_fit();
  return true;
}

Result<std::size_t> StreamCore::write(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (state_ == StreamState::kError) return *error_;
  if (state_ != StreamState::kOpen && state_ != StreamState::kAtEnd)
    return wrong_state("the stream is not open");
  if (bytes.empty()) return std::size_t{0};
  // kCanAcceptBytes comes when TLS stands.
  if (shaking_) return std::size_t{0};
  std::size_t taken = 0;
  if (transport_->is_tls()) {
    // OpenSSL insists on the very bytes that it could not send, so they are kept here.
    if (out_.empty()) {
      taken = std::min(bytes.size(), kStreamBlock);
      out_ = bytes.substr(0, taken);
      if (!flush()) return *error_;
    }
  } else {
    const io::StepResult result = transport_->write(bytes_of(bytes));
    if (result.step == io::Step::kFailed) {
      fail(result.error);
      return *error_;
    }
    if (result.step == io::Step::kDone) taken = result.bytes;
  }
  if (taken < bytes.size()) wants_space_ = true;
  watch();
  return taken;
}

StreamState StreamCore::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::optional<Error> StreamCore::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

int StreamCore::fd() const {
  const std::lock_guard lock(mutex_);
  return fd_;
}

Result<void> StreamCore::tagged() const {
  const std::lock_guard lock(mutex_);
  if (type_ != ServiceType::kVoip) return wrong_state("the stream is not for VoIP");
  if (tag_ == 0 && tagged_) return wrong_state("the stream is not open");
  return tagged_;
}

bool StreamCore::is_wake_capable() const {
  TagKey tag = 0;
  {
    const std::lock_guard lock(mutex_);
    tag = tag_;
  }
  if (tag == 0) return false;
  return core_->engine().wait_for<bool>([core = core_.get(), tag](auto done) {
    core->contract().is_wake_capable(tag, std::move(done));
  });
}

}  // namespace wakeline::app
