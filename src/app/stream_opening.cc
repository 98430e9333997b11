// SPDX-License-Identifier: Apache-2.0
// A stream from its settings to its opening, with TLS, and its end.
#include <sys/socket.h>

#include <array>
#include <utility>

#include "app/errors.h"
#include "app/stream_core.h"
#include "base/log.h"
#include "io/stream.h"

namespace wakeline::app {
namespace {

/// Closing a socket with unread bytes sends a reset, which may take our last words with it.
void drop_unread(int fd) {
  std::array<char, kStreamBlock> block;
  for (int i = 0; i < 4; ++i) {
    if (::recv(fd, block.data(), block.size(), MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

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
  timer_ = loop_->call_after(base::bounded(open_timeout_), [weak = weak_from_this()] {
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

// --- the end

void StreamCore::close() {
  std::shared_ptr<StreamPair::Handler> handler;  // destroyed without the locks
  const std::lock_guard delivering(delivering_);
  std::shared_ptr<Opening> opening;
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

}  // namespace wakeline::app
