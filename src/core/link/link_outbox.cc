// SPDX-License-Identifier: Apache-2.0
// The app's messages: to the disk, to the server, and back with an outcome.
#include <algorithm>
#include <utility>

#include "core/link/link.h"
#include "core/link/link_parts.h"

namespace wakeline::link {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// The server's disk may be what the answer waits for.
constexpr Duration kAnswerMin = seconds(5);
/// A server that wants no more for now is asked again after this, doubled up to kPauseMax.
constexpr Duration kPauseMin = seconds(15);
constexpr Duration kPauseMax = minutes(15);
constexpr std::uint32_t kPausesMax = 8;
constexpr Duration kStoreAgain = seconds(10);

}  // namespace

base::Result<std::uint64_t> Link::send(Instant now, Message message, Actions& out) {
  hold_expired_ = false;
  message.until = std::min(message.until, base::saturating_add(now, kOutboxTimeMax));
  const auto added = outbox_.add(std::move(message));
  if (!added) return base::fail(added.error());
  store_again_ = base::kNever;  // the disk may be back
  settle(now, out);
  // The one that is under way began without it.
  if (outbox_.dirty()) return outbox_serial_ + 1;
  return *added || storing_ ? outbox_serial_ : 0;
}

void Link::on_outbox_stored(Instant now, std::uint64_t serial, Actions& out) {
  if (!storing_ || serial != outbox_serial_) return;
  storing_ = false;
  outbox_.stored();
  settle(now, out);
}

void Link::on_outbox_failed(Instant now, std::uint64_t serial, Actions& out) {
  if (!storing_ || serial != outbox_serial_) return;
  storing_ = false;
  outbox_.store_failed();
  // Whoever came meanwhile gets an answer of its own at once.
  if (!outbox_.has_new()) store_again_ = now + kStoreAgain;
  settle(now, out);
}

void Link::outcome_taken(Instant now, std::uint64_t number, Actions& out) {
  outbox_.taken(number);
  settle(now, out);
}

void Link::on_ack(Instant now, const wire::mqtt::Ack& ack, Actions& out) {
  auto outcome =
      outbox_.on_ack(ack, ack.properties.reason_string.value_or("").substr(0, kDetailMax));
  if (!outcome) {
    on_protocol_error(now, live_->id, wire::mqtt::Reason::kProtocolError, out);
    return;
  }
  outbox_answer_at_ = now + network_.rtt.patience(kAnswerMin);
  if (*outcome) {
    outbox_pauses_ = 0;
    out.push(std::move(**outcome));
  }
  if (!outbox_.paused() || outbox_resume_ != base::kNever) return;
  const Duration pause = std::min(kPauseMax, kPauseMin * (1 << outbox_pauses_));
  outbox_pauses_ = std::min(outbox_pauses_ + 1, kPausesMax);
  outbox_resume_ = now + random_.between(pause / 2, pause);
}

/// Moves the outbox as far as it goes. Part of settle().
void Link::run_outbox(Instant now, Actions& out) {
  const bool ready = state_ == State::kReady && live_;
  if (store_again_ <= now) store_again_ = base::kNever;
  if (outbox_resume_ <= now || !outbox_.paused()) {
    outbox_resume_ = base::kNever;
    outbox_.resume();
  }
  if (ready && !moving_) {
    while (auto publish = outbox_.next(now)) {
      send(live_->id, *publish, out);
      outbox_answer_at_ = now + network_.rtt.patience(kAnswerMin);
    }
  }
  for (Outcome& outcome : outbox_.settle(now)) out.push(std::move(outcome));
  if (!ready || !outbox_.in_flight()) outbox_answer_at_ = base::kNever;
  if (outbox_answer_at_ <= now) {
    // The standard forbids to send it again on this line; whether that lives can be asked.
    outbox_answer_at_ = base::kNever;
    ping(now, out);
  }
  store_outbox(out);
  arm_outbox();
}

void Link::arm_outbox() {
  const Instant at = std::min({outbox_.next_expiry(), outbox_answer_at_,
                               live_ ? outbox_resume_ : base::kNever, store_again_});
  if (at == base::kNever)
    timers_.clear(Timer::kOutbox);
  else
    timers_.set(Timer::kOutbox, at);
}

void Link::store_outbox(Actions& out) {
  if (storing_ || !outbox_.dirty() || store_again_ != base::kNever) return;
  storing_ = true;
  outbox_.begin_store();
  out.push(StoreOutbox{++outbox_serial_, outbox_.messages()});
}

std::optional<std::vector<Message>> Link::unstored_outbox() const {
  if (!storing_ && !outbox_.dirty()) return std::nullopt;
  return outbox_.messages();
}

/// Work that is worth to stay awake for: the disk, the app, a server that is about to answer.
bool Link::outbox_busy(Instant) const {
  return storing_ || outbox_.untold() || (outbox_.in_flight() && outbox_answer_at_ != base::kNever);
}

}  // namespace wakeline::link
