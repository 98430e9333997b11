// SPDX-License-Identifier: Apache-2.0
#include "app/stream_core.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "app/errors.h"
#include "app/socket_check.h"
#include "base/log.h"
#include "io/stream.h"

namespace wakeline::app {
namespace {

Error wrong_state(std::string message) { return {ErrorCode::kWrongState, std::move(message)}; }

base::BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Closing a socket with unread bytes sends a reset, which may take our last words with it.
void drop_unread(int fd) {
  std::array<char, kStreamBlock> block;
  for (int i = 0; i < 4; ++i) {
    if (::recv(fd, block.data(), block.size(), MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

StreamCore::StreamCore(std::shared_ptr<Core> core, std::string host, std::uint16_t port)
    : core_(std::move(core)), host_(std::move(host)), port_(port), owns_socket_(true) {}

StreamCore::StreamCore(std::shared_ptr<Core> core, int fd, SocketOwner owner)
    : core_(std::move(core)), owns_socket_(owner == SocketOwner::kStream), fd_(fd) {}

std::string StreamCore::about() const {
  return host_.empty() ? std::string("stream") : host_ + ":" + std::to_string(port_);
}

Result<void> StreamCore::set_service_type(ServiceType type) {
  const std::lock_guard lock(mutex_);
  if (state_ != StreamState::kNotOpen)
    return wrong_state("the service type is set before the stream is opened");
  type_ = type;
  return {};
}

Result<void> StreamCore::set_open_timeout(std::chrono::milliseconds timeout) {
  const std::lock_guard lock(mutex_);
  if (state_ != StreamState::kNotOpen)
    return wrong_state("the timeout is set before the stream is opened");
  open_timeout_ = timeout;
  return {};
}

Result<void> StreamCore::use_tls(const TlsOptions& options) {
  const std::string& name = options.name.empty() ? host_ : options.name;
  if (name.empty())
    return Error{ErrorCode::kInvalidArgument, "TLS needs the name that the certificate carries"};
  auto context = io::TlsContext::client(options.ca_file);
  if (!context) return to_public(context.error(), options.ca_file);
  const std::lock_guard lock(mutex_);
  if (tls_) return wrong_state("TLS is on already");
  if (state_ != StreamState::kNotOpen && state_ != StreamState::kOpen)
    return wrong_state("TLS begins before the opening, or on an open stream");
  tls_ = Tls{std::move(*context), name};
  if (state_ == StreamState::kNotOpen) return {};
  start_timer();
  return begin_tls();
}

// --- opening

struct StreamCore::Opening {
  std::string host;
  std::uint16_t port = 0;
  int fd = -1;  ///< -1: to be connected
  bool voip = false;
  std::unique_ptr<io::TcpRace> race;
  TagKey tag = 0;
  bool cancelled = false;
};

/// In the library's thread. It holds no reference to the stream, whose last one would end that
/// thread.
void StreamCore::begin(Core& core, const std::shared_ptr<Opening>& opening,
                       std::function<void(std::shared_ptr<Opened>)> done) {
  const auto with_socket = [&core, opening, done](base::Result<io::UniqueFd> fd, int socket) {
    auto opened = std::make_shared<Opened>(Opened{std::move(fd), 0, {}});
    if (!opening->voip || socket < 0) return done(std::move(opened));
    if (opened->fd && *opened->fd) {
      // Not worth failing for: the line is only found dead later.
      static_cast<void>(io::set_keep_alive(socket, {.idle = kStreamKeepAlive}));
    }
    opening->tag =
        core.contract().tag(socket, [opening, opened, done](const Result<TagKey>& answer) {
          if (opening->cancelled) return;
          if (answer) {
            opened->tag = *answer;
          } else {
            opened->tagged = answer.error();
          }
          done(opened);
        });
  };
  if (opening->fd >= 0) return with_socket(io::UniqueFd(), opening->fd);
  opening->race = io::race_tcp(core.engine().loop(), opening->host, opening->port,
                               [with_socket](base::Result<io::UniqueFd> won) {
                                 const int socket = won ? won->get() : -1;
                                 with_socket(std::move(won), socket);
                               });
}

Result<void> StreamCore::open(std::shared_ptr<LoopCore> loop, StreamPair::Handler handler) {
  if (!handler) return Error{ErrorCode::kNoHandler, "a stream needs a handler for its events"};
  const std::lock_guard lock(mutex_);
  if (state_ != StreamState::kNotOpen) return wrong_state("a stream is opened once");
  state_ = StreamState::kOpening;
  loop_ = std::move(loop);
  handler_ = std::make_shared<StreamPair::Handler>(std::move(handler));
  opening_ = std::make_shared<Opening>();
  opening_->host = host_;
  opening_->port = port_;
  opening_->fd = fd_;
  opening_->voip = type_ == ServiceType::kVoip;
  start_timer();
  core_->engine().loop().post(
      [core = core_.get(), opening = opening_, loop_core = loop_, weak = weak_from_this()] {
        if (opening->cancelled) return;
        begin(*core, opening, [loop_core, weak](std::shared_ptr<Opened> opened) {
          loop_core->post([weak, opened] {
            if (const auto self = weak.lock()) self->on_opened(*opened);
          });
        });
      });
  return {};
}

void StreamCore::start_timer() {
  loop_->cancel(timer_);
  timer_ = loop_->call_after(open_timeout_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_late();
  });
}

void StreamCore::on_late() {
  const std::lock_guard lock(mutex_);
  if (state_ == StreamState::kOpening || (state_ == StreamState::kOpen && shaking_))
    fail({base::ErrorCode::kTimeout, shaking_ ? "tls.handshake" : "connect"});
}

void StreamCore::on_opened(Opened& opened) {
  const std::lock_guard lock(mutex_);
  if (state_ != StreamState::kOpening) return;
  if (!opened.fd) return fail(opened.fd.error());
  if (owns_socket_ && fd_ < 0) fd_ = opened.fd->release();
  tag_ = opened.tag;
  tagged_ = opened.tagged;
  if (!tagged_)
    base::log(base::LogLevel::kWarning, "stream", "{} cannot wake this app: {}", about(),
              tagged_.error().message);
  if (tls_) {
    // Its outcome is an event.
    static_cast<void>(begin_tls());
  } else {
    transport_ = io::Transport::plain(fd_);
    on_open();
  }
}

Result<void> StreamCore::begin_tls() {
  auto made = io::Transport::tls_client(fd_, tls_->context->native(), tls_->name);
  if (!made) {
    fail(made.error());
    return to_public(made.error(), about());
  }
  transport_ = std::move(*made);
  shaking_ = true;
  told_bytes_ = false;  // what waits is of the handshake
  step_handshake();
  return {};
}

void StreamCore::step_handshake() {
  const io::StepResult result = transport_->handshake();
  tls_wants_write_ = result.step == io::Step::kWantWrite;
  switch (result.step) {
    case io::Step::kDone:
      shaking_ = false;
      return on_open();
    case io::Step::kWantRead:
    case io::Step::kWantWrite:
      return watch();
    case io::Step::kEnd:
      return fail({base::ErrorCode::kClosed, "tls.handshake"});
    case io::Step::kFailed:
      return fail(result.error);
  }
}

/// The stream can be used: at the opening, and again when STARTTLS is done.
void StreamCore::on_open() {
  loop_->cancel(std::exchange(timer_, 0));
  if (state_ == StreamState::kOpening) {
    state_ = StreamState::kOpen;
    tell(StreamEvent::kOpenCompleted);
  }
  wants_space_ = false;
  tell(StreamEvent::kCanAcceptBytes);
  // What came with the last of the handshake lies where no event of the socket tells of it.
  look();
  watch();
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
  const std::lock_guard delivering(delivering_);
  std::shared_ptr<StreamPair::Handler> handler;
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

// --- the end

void StreamCore::close() {
  const std::lock_guard delivering(delivering_);
  std::shared_ptr<Opening> opening;
  std::shared_ptr<StreamPair::Handler> handler;  // destroyed without the lock
  TagKey tag = 0;
  int fd = -1;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == StreamState::kClosed) return;
    if (loop_) {
      unwatch();
      loop_->cancel(std::exchange(timer_, 0));
    }
    const bool usable = transport_ && !shaking_ && state_ != StreamState::kError;
    state_ = StreamState::kClosed;
    if (usable && (transport_->is_tls() || owns_socket_)) transport_->finish();
    transport_.reset();
    handler = std::move(handler_);
    opening = std::move(opening_);
    tag = std::exchange(tag_, 0);
    fd = std::exchange(fd_, -1);
    held_ = {};
    out_ = {};
  }
  if (opening) {
    // Untagged before it is closed, so that the host never watches another one of its number.
    core_->engine().call([core = core_.get(), opening, tag] {
      opening->cancelled = true;
      opening->race.reset();
      core->contract().untag(tag != 0 ? tag : opening->tag);
    });
  }
  if (owns_socket_ && fd >= 0) {
    drop_unread(fd);
    ::close(fd);
  }
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
