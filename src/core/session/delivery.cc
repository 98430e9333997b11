// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/session/session.h"

/// Which push goes out when. Three numbers order it: everything up to `sent_through_` is done with
/// (acknowledged, in flight or gone), everything up to `stored_through_` was announced, and an
/// answer of the store covers at least `fetch_through_`. A push is published either at once, when
/// nothing older waits, or out of an answer; never both, and never past an older one.
namespace wakeline::session {

void Session::on_push_stored(Instant, const Config&, Sequence sequence, Actions& out) {
  if (sequence <= stored_through_) return;
  const bool nothing_older = !unasked_ && !rereads_ && sent_through_ >= stored_through_;
  stored_through_ = sequence;
  if (!online_ || sequence <= sent_through_) return;  // an answer held it before it was announced
  if (subscribed() && !fetching_ && !settling_ && nothing_older && unacknowledged() < window_)
    return publish(sequence, out);
  pump(out);
}

void Session::on_pending(Instant, const Config&, std::uint32_t id,
                         std::span<const Sequence> sequences, bool more, Actions& out) {
  WL_CHECK_MSG(!more || !sequences.empty(), "id={}", id);
  if (!fetching_ || id != fetch_id_) return;
  fetching_ = false;
  if (!subscribed()) return;    // asked again when it subscribes again
  if (settling_ || rereads_) {  // some of these may be withheld by now, or come after others
    unasked_ = true;
    return pump(out);
  }
  for (const Sequence sequence : sequences) {
    WL_CHECK_MSG(sequence > sent_through_ && unacknowledged() < window_, "sequence={} sent={}",
                 sequence, sent_through_);
    publish(sequence, out);
  }
  unasked_ = more;
  if (!more) sent_through_ = std::max(sent_through_, fetch_through_);
  pump(out);
}

void Session::on_gone(Instant, const Config&, Sequence sequence, Actions& out) {
  const auto push = std::ranges::find(in_flight_, sequence, &InFlight::sequence);
  if (push == in_flight_.end()) return;
  in_flight_.erase(push);
  if (online_) pump(out);
}

void Session::on_unwanted(Instant now, const Config& config, Sequence sequence, Actions& out) {
  unwanted_ = true;
  on_gone(now, config, sequence, out);
}

Session::Subscription Session::subscription_for(std::string_view group) const {
  if (!group.empty() && in_group() && std::ranges::binary_search(extra_->groups, group))
    return Subscription::kGroup;
  return subscribed_ ? Subscription::kInbox : Subscription::kNone;
}

bool Session::sends_once(Subscription subscription, std::string_view group) const {
  if (subscription == Subscription::kInbox) return once_;
  return subscription == Subscription::kGroup && extra_ &&
         std::ranges::binary_search(extra_->once_groups, group);
}

void Session::on_sent_once(Sequence sequence) {
  const auto push = std::ranges::find(in_flight_, sequence, &InFlight::sequence);
  if (push != in_flight_.end()) push->once = true;
}

void Session::on_written(Actions& out) {
  for (const InFlight& push : in_flight_) {
    if (push.once) out.push(Remove{push.sequence});
  }
  if (std::erase_if(in_flight_, [](const InFlight& push) { return push.once; }) > 0) pump(out);
}

/// There is one subscription more: what was passed over may be for it.
void Session::begin_reading() {
  unasked_ = true;
  if (std::exchange(unwanted_, false)) rereads_ = true;
}

/// Sends again what a former connection left unacknowledged, then asks for what the window takes.
void Session::pump(Actions& out) {
  if (in_flight_.empty()) in_flight_ = {};  // a sleeping session owns no heap memory
  std::size_t room = window_ - std::min<std::size_t>(window_, unacknowledged());
  for (InFlight& push : in_flight_) {
    if (push.sent) continue;
    if (room == 0) return;
    --room;
    send(push, true, out);
  }
  if (!subscribed() || fetching_ || settling_ || room == 0) return;
  if (rereads_) {  // what is in flight is there as well: not twice
    if (!in_flight_.empty()) return;
    rereads_ = false;
    sent_through_ = 0;
  }
  if (!unasked_ && sent_through_ >= stored_through_) return;
  fetching_ = true;
  unasked_ = false;
  fetch_through_ = stored_through_;
  out.push(FetchPending{++fetch_id_, sent_through_, static_cast<std::uint16_t>(room)});
}

void Session::publish(Sequence sequence, Actions& out) {
  in_flight_.push_back({sequence, take_packet_id(), true});
  sent_through_ = sequence;
  send(in_flight_.back(), false, out);
}

void Session::send(InFlight& push, bool duplicate, Actions& out) {
  const Sequence withheld = extra_ ? extra_->withheld_through : 0;
  push.sent = true;
  push.telling = withheld > 0;
  out.push(Publish{push.sequence, push.packet_id, duplicate, withheld});
}

void Session::ask_for(wire::Urgency lowest, Sequence after, Actions& out) {
  if (lowest == lowest_ && !settling_) return;
  lowest_ = lowest;
  // When the one under way is answered; a device that changes its mind all the time has the disk
  // write no more often than that.
  if (settling_) {
    spares_ = spares_ || after == SetUrgency::kNone;
    return;
  }
  settling_ = true;
  out.push(SetUrgency{lowest, after});
}

void Session::on_urgency_set(const Quiet& quiet, Sequence highest, Actions& out) {
  if (!settling_) return;
  const bool spares = std::exchange(spares_, false);
  if (quiet.lowest != lowest_)
    return out.push(SetUrgency{lowest_, spares ? SetUrgency::kNone : sent_through_});
  settling_ = false;
  // What was withheld has numbers that were never announced.
  stored_through_ = std::max(stored_through_, highest);
  const bool over = quiet.lowest == wire::Urgency::kVeryLow && quiet.through > 0;
  if (online_ && (over || extra_)) extra_.get().withheld_through = over ? quiet.through : 0;
  if (subscribed()) unasked_ = true;
  if (online_) pump(out);
}

void Session::on_urgency_failed(Instant now, Actions& out) {
  if (!settling_) return;
  settling_ = spares_ = false;
  // Nothing is passed over; what counts is said when the device connects again.
  lowest_ = wire::Urgency::kVeryLow;
  if (online_) disconnect(now, Reason::kServerBusy, "the urgency could not be stored", out);
}

std::size_t Session::unacknowledged() const {
  return static_cast<std::size_t>(std::ranges::count(in_flight_, true, &InFlight::sent));
}

std::uint16_t Session::take_packet_id() {
  while (next_packet_id_ == 0 ||
         std::ranges::find(in_flight_, next_packet_id_, &InFlight::packet_id) != in_flight_.end())
    ++next_packet_id_;
  return next_packet_id_++;
}

}  // namespace wakeline::session
