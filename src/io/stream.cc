// SPDX-License-Identifier: Apache-2.0
#include "io/stream.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "io/stream_state.h"

namespace wakeline::io {
namespace {

using boost::asio::ip::tcp;

constexpr std::size_t kReadBlock = 16'384;    // bytes of one read; a TLS record is at most this
constexpr int kReadBatch = 8;                 // reads before other handlers have their turn
constexpr std::size_t kKeptCapacity = 4'096;  // bytes of room that an idle stream may keep
constexpr auto kClosingMax = std::chrono::seconds(2);

}  // namespace

StreamState::StreamState(Loop& loop, tcp::socket socket, Transport transport)
    : loop_(loop),
      socket_(std::move(socket)),
      transport_(std::move(transport)),
      phase_(transport_.is_tls() ? Phase::kHandshake : Phase::kOpen) {
  boost::system::error_code ignored;
  peer_ = socket_.remote_endpoint(ignored);
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
}

void StreamState::handshake(std::function<void(base::Result<void>)> done) {
  if (phase_ == Phase::kOpen) return done({});
  on_shaken_ = std::move(done);
  step_handshake();
}

void StreamState::start(Stream::OnBytes on_bytes, Stream::OnEnd on_end) {
  on_bytes_ = std::move(on_bytes);
  on_end_ = std::move(on_end);
  if (phase_ == Phase::kHandshake) {
    loop_.post([self = shared_from_this()] {
      if (self->phase_ != Phase::kHandshake) return;
      // Not `self`: the state holds this function until the handshake is over.
      self->handshake([state = self.get()](base::Result<void> result) {
        if (!result) return state->end(result.error());
        state->on_ready();
      });
    });
  } else if (phase_ == Phase::kOpen) {
    wait_readable();
    // Bytes may have come with the last of the handshake, and lie decrypted where no socket event
    // tells of them.
    if (transport_.is_tls()) loop_.post([self = shared_from_this()] { self->on_ready(); });
  }
}

void StreamState::write(base::Bytes bytes) {
  if (phase_ != Phase::kHandshake && phase_ != Phase::kOpen) return;
  const bool was_empty = unsent() == 0;
  if (was_empty) {
    out_ = std::move(bytes);
    sent_ = 0;
  } else {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  // Else the write that waits goes on with these bytes.
  if (was_empty && phase_ == Phase::kOpen) flush();
  if (unsent() > kUnsentMax) fail_later({base::ErrorCode::kTooLarge, "stream unsent"});
}

void StreamState::close() {
  if (phase_ == Phase::kHandshake || phase_ == Phase::kFailed) return abort();
  if (phase_ != Phase::kOpen) return;
  phase_ = Phase::kClosing;
  closing_ = std::make_unique<boost::asio::steady_timer>(loop_.context(), kClosingMax);
  closing_->async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->abort();
  });
  // The handlers may be running now; they go when this call is over.
  loop_.post([self = shared_from_this()] {
    self->on_bytes_ = nullptr;
    self->on_end_ = nullptr;
    self->on_sent_ = nullptr;
  });
  flush();
}

/// The socket may have been found readable meanwhile, and TLS may hold bytes: nothing tells again.
void StreamState::resume() {
  if (!std::exchange(paused_, false) || phase_ != Phase::kOpen) return;
  loop_.post([self = shared_from_this()] { self->on_ready(); });
}

void StreamState::when_sent(std::function<void()> done) {
  on_sent_ = std::move(done);
  if (phase_ == Phase::kOpen && unsent() == 0) tell_sent();
}

void StreamState::tell_sent() {
  loop_.post([self = shared_from_this()] {
    if (self->phase_ != Phase::kOpen || self->unsent() > 0) return;
    if (const auto done = std::exchange(self->on_sent_, nullptr)) done();
  });
}

void StreamState::abort() {
  phase_ = Phase::kClosed;
  on_shaken_ = nullptr;
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (closing_) closing_->cancel(ignored);
}

void StreamState::release() {
  if (phase_ != Phase::kClosing) abort();
}

int StreamState::fd() { return socket_.is_open() ? socket_.native_handle() : -1; }

std::string StreamState::peer() const {
  const std::string address = peer_.address().to_string();
  return fmt::format("{}:{}", peer_.address().is_v6() ? "[" + address + "]" : address,
                     peer_.port());
}

void StreamState::wait_readable() {
  if (std::exchange(waits_read_, true)) return;
  socket_.async_wait(tcp::socket::wait_read,
                     [self = shared_from_this()](boost::system::error_code) {
                       self->waits_read_ = false;
                       self->on_ready();
                     });
}

void StreamState::wait_writable() {
  if (std::exchange(waits_write_, true)) return;
  socket_.async_wait(tcp::socket::wait_write,
                     [self = shared_from_this()](boost::system::error_code) {
                       self->waits_write_ = false;
                       self->on_ready();
                     });
}

/// The socket is readable or writable: TLS may want either for both directions, so both go on.
void StreamState::on_ready() {
  switch (phase_) {
    case Phase::kHandshake:
      return step_handshake();
    case Phase::kOpen:
      if (unsent() > 0) flush();
      if (phase_ == Phase::kOpen && on_bytes_) read_batch();
      return;
    case Phase::kClosing:
      return finished_ ? drain() : flush();
    case Phase::kFailed:
    case Phase::kClosed:
      return;
  }
}

void StreamState::go_on(Step step) {
  if (step == Step::kWantRead) wait_readable();
  if (step == Step::kWantWrite) wait_writable();
}

void StreamState::step_handshake() {
  const StepResult result = transport_.handshake();
  if (result.step == Step::kWantRead || result.step == Step::kWantWrite) return go_on(result.step);
  const auto done = std::exchange(on_shaken_, nullptr);
  if (result.step == Step::kDone) {
    phase_ = Phase::kOpen;
    return done({});
  }
  done(base::fail(result.step == Step::kFailed
                      ? result.error
                      : base::Error{base::ErrorCode::kClosed, "tls.handshake"}));
}

void StreamState::read_batch() {
  if (peer_ended_ || paused_) return;
  std::array<std::uint8_t, kReadBlock> block;
  for (int i = 0; i < kReadBatch; ++i) {
    const StepResult result = transport_.read(block);
    switch (result.step) {
      case Step::kDone:
        on_bytes_(base::BytesView(block.data(), result.bytes));
        if (phase_ != Phase::kOpen || paused_) return;
        break;
      case Step::kEnd:
        peer_ended_ = true;
        return end({base::ErrorCode::kClosed, "stream"});
      case Step::kFailed:
        return end(result.error);
      default:
        return go_on(result.step);
    }
  }
  // No wait: TLS may hold more bytes than the socket tells of.
  loop_.post([self = shared_from_this()] { self->on_ready(); });
}

void StreamState::flush() {
  while (unsent() > 0) {
    const StepResult result = transport_.write(base::BytesView(out_).subspan(sent_));
    if (result.step == Step::kWantRead || result.step == Step::kWantWrite) {
      return go_on(result.step);
    }
    if (result.step != Step::kDone) {
      if (phase_ == Phase::kClosing) return abort();
      return fail_later(result.step == Step::kFailed
                            ? result.error
                            : base::Error{base::ErrorCode::kClosed, "stream"});
    }
    sent_ += result.bytes;
  }
  sent_ = 0;
  out_.clear();
  if (out_.capacity() > kKeptCapacity) out_ = {};
  if (phase_ == Phase::kClosing) {
    finished_ = true;
    transport_.finish();
    drain();
  } else if (on_sent_) {
    tell_sent();
  }
}

/// Reads what still comes and drops it: closing a socket with unread bytes sends a reset, and that
/// makes the peer's kernel forget our last words.
void StreamState::drain() {
  std::array<std::uint8_t, kReadBlock> block;
  for (int i = 0; i < kReadBatch && !peer_ended_; ++i) {
    const StepResult result = transport_.read(block);
    if (result.step == Step::kWantRead || result.step == Step::kWantWrite) {
      return wait_readable();
    }
    peer_ended_ = result.step != Step::kDone;
  }
  if (peer_ended_) return abort();
  loop_.post([self = shared_from_this()] { self->on_ready(); });
}

/// From a handler of our own: told at once. After an orderly end the writing half stays open.
void StreamState::end(base::Error error) {
  if (!peer_ended_) abort();
  on_bytes_ = nullptr;
  const auto on_end = std::exchange(on_end_, nullptr);
  if (on_end) on_end(error);
}

/// From a call of the owner: told when that call is over.
void StreamState::fail_later(base::Error error) {
  if (phase_ == Phase::kFailed) return;
  phase_ = Phase::kFailed;
  loop_.post([self = shared_from_this(), error] {
    self->read_last_words();
    if (self->phase_ != Phase::kFailed) return;
    self->abort();
    self->end(error);
  });
}

/// A write to a peer that is gone fails while its last bytes, which may say why, wait to be read.
void StreamState::read_last_words() {
  std::array<std::uint8_t, kReadBlock> block;
  for (int i = 0; i < kReadBatch && phase_ == Phase::kFailed && on_bytes_; ++i) {
    const StepResult result = transport_.read(block);
    if (result.step != Step::kDone) return;
    on_bytes_(base::BytesView(block.data(), result.bytes));
  }
}

namespace {

class StreamHandle : public Stream {
 public:
  explicit StreamHandle(std::shared_ptr<StreamState> state) : state_(std::move(state)) {}
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;
  ~StreamHandle() override { state_->release(); }

  void start(OnBytes on_bytes, OnEnd on_end) override {
    state_->start(std::move(on_bytes), std::move(on_end));
  }
  void write(base::Bytes bytes) override { state_->write(std::move(bytes)); }
  void close() override { state_->close(); }
  void pause() override { state_->pause(); }
  void resume() override { state_->resume(); }
  std::size_t unsent() const override { return state_->unsent(); }
  void when_sent(std::function<void()> done) override { state_->when_sent(std::move(done)); }
  int fd() const override { return state_->fd(); }
  std::string peer() const override { return state_->peer(); }

 private:
  std::shared_ptr<StreamState> state_;
};

}  // namespace

std::unique_ptr<Stream> make_stream(std::shared_ptr<StreamState> state) {
  return std::make_unique<StreamHandle>(std::move(state));
}

}  // namespace wakeline::io
