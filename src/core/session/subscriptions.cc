// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/session/session.h"
#include "wire/push.h"

/// SUBSCRIBE and UNSUBSCRIBE: the inbox at once, groups when the store has written them down.
namespace wakeline::session {

namespace mqtt = wire::mqtt;

namespace {

/// Wait for the store, to be granted QoS 1 or 0; never sent.
constexpr Reason kUndecided{0xFF};
constexpr Reason kUndecidedOnce{0xFE};

bool is_undecided(Reason reason) { return reason == kUndecided || reason == kUndecidedOnce; }

/// Puts the name in its place, or takes it out.
void keep(std::vector<std::string>& names, std::string_view name, bool in) {
  const auto place = std::ranges::lower_bound(names, name);
  const bool there = place != names.end() && *place == name;
  if (in && !there) names.emplace(place, name);
  if (!in && there) names.erase(place);
}

}  // namespace

void Session::on_subscribe(Instant now, std::string_view device, const mqtt::Subscribe& subscribe,
                           Actions& out) {
  if (subscribe.properties.subscription_id)  // told in CONNACK: §3.2.2.3.12
    return disconnect(now, Reason::kSubscriptionIdsNotSupported, "subscription identifiers", out);
  const bool v5 = version_ == Version::k5;
  const std::string inbox = wire::inbox_topic(device);
  GroupRequest request{.packet_id = subscribe.packet_id, .waits = 0, .join = true, .reasons = {}};
  bool granted = false;
  const auto urgency = subscribe.properties.user_value(wire::property::kUrgency);
  const auto lowest = urgency ? wire::urgency_from_name(*urgency) : wire::Urgency::kVeryLow;
  for (const mqtt::TopicRequest& topic : subscribe.topics) {
    if (v5 && topic.filter.starts_with("$share/"))  // §3.2.2.3.13
      return disconnect(now, Reason::kSharedNotSupported, "shared subscriptions", out);
    if (topic.filter == inbox) {
      granted = lowest.has_value();
      if (granted) once_ = topic.qos == mqtt::Qos::kAtMostOnce;
      request.reasons.push_back(!granted ? Reason::kImplementationSpecific
                                : once_  ? Reason::kSuccess  // QoS 0
                                         : Reason::kGrantedQos1);
    } else if (wire::group_of_topic(topic.filter)) {
      request.reasons.push_back(topic.qos == mqtt::Qos::kAtMostOnce ? kUndecidedOnce : kUndecided);
      ++request.waits;
    } else {
      request.reasons.push_back(mqtt::is_topic_filter(topic.filter) ? Reason::kNotAuthorized
                                                                    : Reason::kTopicFilterInvalid);
    }
  }
  if (!take_group_request(now, request, out)) return;
  for (std::size_t i = 0; request.waits > 0 && i < subscribe.topics.size(); ++i) {
    if (!is_undecided(request.reasons[i])) continue;
    const auto group = wire::group_of_topic(subscribe.topics[i].filter);
    out.push(
        ChangeGroup{request.packet_id, static_cast<std::uint16_t>(i), true, std::string(*group)});
  }
  if (granted) ask_for(*lowest, sent_through_, out);
  if (granted && !subscribed_) {
    subscribed_ = true;
    begin_reading();
    pump(out);
  }
}

void Session::on_unsubscribe(Instant now, std::string_view device,
                             const mqtt::Unsubscribe& unsubscribe, Actions& out) {
  const std::string inbox = wire::inbox_topic(device);
  GroupRequest request{
      .packet_id = unsubscribe.packet_id, .waits = 0, .join = false, .reasons = {}};
  for (const std::string& filter : unsubscribe.filters) {
    const bool existed = subscribed_ && filter == inbox;
    const bool group = wire::group_of_topic(filter).has_value();
    request.reasons.push_back(existed ? Reason::kSuccess
                              : group ? kUndecided
                                      : Reason::kNoSubscriptionExisted);
    if (existed) subscribed_ = false;
    if (group) ++request.waits;
  }
  if (!subscribed()) unasked_ = false;
  if (!take_group_request(now, request, out)) return;
  for (std::size_t i = 0; request.waits > 0 && i < unsubscribe.filters.size(); ++i) {
    if (request.reasons[i] != kUndecided) continue;
    const auto group = wire::group_of_topic(unsubscribe.filters[i]);
    out.push(
        ChangeGroup{request.packet_id, static_cast<std::uint16_t>(i), false, std::string(*group)});
  }
}

/// Answers it when nothing of it waits, else keeps it.
/// Returns: false when the device asks for more at a time than it may, and was disconnected.
bool Session::take_group_request(Instant now, const GroupRequest& request, Actions& out) {
  if (request.waits == 0) {
    answer(request, out);
    return true;
  }
  auto& requests = extra_.get().group_requests;
  const bool known =
      std::ranges::find(requests, request.packet_id, &GroupRequest::packet_id) != requests.end();
  const std::size_t waiting = extra_->waiting + request.waits;
  if (known || requests.size() >= kGroupRequestsMax || waiting > kWaitingMax) {
    disconnect(now, known ? Reason::kProtocolError : Reason::kQuotaExceeded,
               known ? "a packet id that is in use" : "too many requests at a time", out);
    return false;
  }
  requests.push_back(request);
  extra_->waiting = waiting;
  return true;
}

void Session::on_group_done(Instant, std::uint16_t packet_id, std::uint16_t index,
                            std::string_view group, Reason reason, Actions& out) {
  if (!extra_) return;
  if (extra_->waiting > 0) --extra_->waiting;
  if (!online_) return drop_connection_state();
  auto& requests = extra_->group_requests;
  const auto it = std::ranges::find(requests, packet_id, &GroupRequest::packet_id);
  if (it == requests.end() || index >= it->reasons.size() || !is_undecided(it->reasons[index]))
    return;  // asked on a connection that is gone
  const bool done = reason == Reason::kSuccess;
  const bool once = it->reasons[index] == kUndecidedOnce;
  it->reasons[index] = done && it->join && !once ? Reason::kGrantedQos1 : reason;
  auto& groups = extra_->groups;
  const bool joins = done && it->join && !std::ranges::binary_search(groups, group);
  if (done) {
    keep(groups, group, it->join);
    keep(extra_->once_groups, group, it->join && once);
  }
  if (--it->waits == 0) {
    const GroupRequest whole = std::move(*it);
    requests.erase(it);
    answer(whole, out);
  }
  if (!subscribed()) unasked_ = false;
  if (!joins) return;
  begin_reading();
  pump(out);
}

void Session::answer(const GroupRequest& request, Actions& out) {
  const bool v5 = version_ == Version::k5;
  if (request.join) {
    mqtt::Suback suback{.packet_id = request.packet_id, .reasons = request.reasons};
    if (!v5) {  // the one failure that 3.1.1 knows
      std::ranges::replace_if(
          suback.reasons, [](Reason reason) { return reason >= Reason::kUnspecified; },
          Reason::kUnspecified);
    }
    return out.push(Write{std::move(suback)});
  }
  mqtt::Unsuback unsuback{.packet_id = request.packet_id};
  if (v5) unsuback.reasons = request.reasons;  // 3.1.1 has none
  out.push(Write{std::move(unsuback)});
}

}  // namespace wakeline::session
