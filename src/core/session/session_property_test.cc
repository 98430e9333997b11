// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "base/random.h"
#include "core/session/session.h"

/// Any order of connections, losses, stored pushes, late answers and acknowledgements: nothing is
/// lost, nothing is sent twice on one connection, nothing overtakes, and the window holds.
namespace wakeline::session {
namespace {

namespace mqtt = wire::mqtt;

constexpr const char* kDevice = "door";
constexpr std::uint16_t kWindow = 4;

/// The store and the device around one session; `step` does one random thing.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}

  void step() {
    now_ += random_.between(Duration::zero(), std::chrono::seconds(30));
    if (session_.next_deadline() <= now_) event([&] { session_.on_deadline(now_, out_); });
    switch (random_.below(13)) {
      case 0:
      case 1:
      case 2:
        return store_push();
      case 3:
      case 4:
        return connect();
      case 5:
      case 6:
      case 7:
        return acknowledge();
      case 8:
        return random_.chance(1, 2) ? answer() : write();
      case 9:
        return random_.chance(1, 2) ? join() : unsubscribe();
      case 10:
        return connected_ ? subscribe() : connect();
      case 11:
        return settle_urgency(random_.chance(2, 3));
      default:
        return random_.chance(1, 3)   ? lose_connection()
               : random_.chance(1, 3) ? restart_server()
                                      : expire_one();
    }
  }

  /// Left alone with a good line, the device gets all that is there.
  void settle() {
    while (!urgencies_.empty()) settle_urgency(true);
    if (!session_.online()) connect();
    subscribe();
    // A push that expired on its way is in no store and still has to be acknowledged.
    const auto at_rest = [&] {
      return stored_.empty() && questions_.empty() && on_the_line_.empty() && urgencies_.empty();
    };
    for (int i = 0; i < 10'000 && !at_rest(); ++i) {
      announce_all();
      settle_urgency(true);
      answer();
      acknowledge();
      write();
    }
    RC_ASSERT(stored_.empty());
    RC_ASSERT(session_.in_flight() == 0U);
  }

 private:
  template <class Event>
  void event(Event&& happens) {
    happens();
    while (!out_.empty()) {
      const std::vector<Action> actions = out_.items();
      out_.clear();
      for (const Action& action : actions) carry_out(action);
    }
    RC_ASSERT(on_the_line_.size() <= kWindow);
    RC_ASSERT(session_.online() == connected_);
  }

  void carry_out(const Action& action) {
    if (const auto* publish = std::get_if<Publish>(&action)) return published(*publish);
    if (const auto* fetch = std::get_if<FetchPending>(&action)) questions_.push_back(*fetch);
    if (const auto* remove = std::get_if<Remove>(&action)) {
      RC_ASSERT(!unwritten_.contains(remove->sequence));
      stored_.erase(remove->sequence);
    }
    if (const auto* through = std::get_if<RemoveThrough>(&action))
      stored_.erase(stored_.begin(), stored_.upper_bound(through->sequence));
    if (const auto* change = std::get_if<ChangeGroup>(&action))
      session_.on_group_done(now_, change->packet_id, change->index, change->group,
                             Reason::kSuccess, out_);
    if (const auto* set = std::get_if<SetUrgency>(&action)) urgencies_.push_back(set->lowest);
    if (std::holds_alternative<CloseLink>(action)) connection_over();
  }

  void published(const Publish& publish) {
    RC_ASSERT(connected_);
    RC_ASSERT(publish.packet_id != 0);
    if (!stored_.contains(publish.sequence))
      return session_.on_gone(now_, config_, publish.sequence, out_);
    const auto subscription = session_.subscription_for(group_of(publish.sequence));
    if (subscription == Session::Subscription::kNone && !publish.duplicate)
      return session_.on_unwanted(now_, config_, publish.sequence, out_);
    // In order, and once on a connection; but what was to go with QoS 0 comes after others that
    // were in flight.
    RC_ASSERT(publish.sequence > last_published_ || unordered_);
    last_published_ = publish.sequence;
    if (session_.sends_once(subscription, group_of(publish.sequence))) {
      RC_ASSERT(unwritten_.insert(publish.sequence).second);
      return session_.on_sent_once(publish.sequence);
    }
    RC_ASSERT(on_the_line_.emplace(publish.packet_id, publish.sequence).second);
    if (publish.duplicate) RC_ASSERT(seen_.contains(publish.sequence));
    seen_.insert(publish.sequence);
  }

  void store_push() {
    stored_.insert(++last_stored_);
    unannounced_.push_back(last_stored_);
    if (random_.chance(2, 3)) announce_all();
  }

  void announce_all() {
    for (const Sequence sequence : std::exchange(unannounced_, {}))
      event([&] { session_.on_push_stored(now_, config_, sequence, out_); });
  }

  void connect() {
    lose_connection();
    mqtt::Connect packet{.version = random_.chance(1, 4) ? Version::k311 : Version::k5,
                         .clean_start = random_.chance(1, 4),
                         .keep_alive_s = 60,
                         .client_id = kDevice};
    if (random_.chance(2, 3)) packet.properties.session_expiry_s = 100;
    if (random_.chance(1, 3))
      packet.properties.receive_maximum = static_cast<std::uint16_t>(1 + random_.below(6));
    connected_ = true;
    event([&] {
      session_.on_connect(now_, config_, kDevice, packet, out_, kAllRights, {.lowest = lowest_});
    });
    if (random_.chance(1, 4)) join();
    if (random_.chance(3, 4)) subscribe();
  }

  /// Every third push is to a group.
  static std::string_view group_of(Sequence sequence) { return sequence % 3 == 0 ? "family" : ""; }

  /// The line takes all that is queued.
  void write() {
    unwritten_.clear();
    event([&] { session_.on_written(out_); });
  }

  mqtt::Qos any_qos() {
    return random_.chance(1, 3) ? mqtt::Qos::kAtMostOnce : mqtt::Qos::kAtLeastOnce;
  }

  void join() {
    if (!connected_) return;
    const mqtt::Qos qos = any_qos();
    event([&] {
      session_.on_packet(
          now_, config_, kDevice,
          mqtt::Subscribe{.packet_id = 2,
                          .topics = {{.filter = "wakeline/group/family", .qos = qos}}},
          out_);
    });
  }

  /// The inbox: only what is for a group goes on, where there is one.
  void unsubscribe() {
    if (!connected_) return;
    event([&] {
      session_.on_packet(now_, config_, kDevice,
                         mqtt::Unsubscribe{.packet_id = 3, .filters = {"wakeline/inbox/door"}},
                         out_);
    });
  }

  void subscribe() {
    // What waited for this subscription comes now, after others.
    if (session_.subscription_for("") == Session::Subscription::kNone) last_published_ = 0;
    mqtt::Subscribe packet{.packet_id = 1,
                           .topics = {{.filter = "wakeline/inbox/door", .qos = any_qos()}}};
    if (random_.chance(1, 3))
      packet.properties.user = {{"urgency", random_.chance(1, 2) ? "high" : "normal"}};
    event([&] { session_.on_packet(now_, config_, kDevice, packet, out_); });
  }

  /// Every push is urgent: none is withheld. But while the device's wish is under way none goes
  /// out.
  void settle_urgency(bool stored) {
    RC_ASSERT(urgencies_.size() <= 1U);
    if (urgencies_.empty()) return;
    const wire::Urgency lowest = urgencies_.front();
    urgencies_.clear();
    if (stored) lowest_ = lowest;
    event([&] {
      if (stored)
        session_.on_urgency_set({.lowest = lowest}, last_stored_, out_);
      else
        session_.on_urgency_failed(now_, out_);
    });
  }

  void acknowledge() {
    if (!connected_ || on_the_line_.empty()) return;
    auto it = on_the_line_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_.below(on_the_line_.size())));
    const mqtt::Ack ack{.packet_id = it->first};
    on_the_line_.erase(it);
    event([&] { session_.on_packet(now_, config_, kDevice, ack, out_); });
  }

  /// Answers the oldest question; one of an older connection comes late and must do nothing.
  void answer() {
    if (questions_.empty()) return;
    const FetchPending question = questions_.front();
    questions_.erase(questions_.begin());
    std::vector<Sequence> found;
    auto it = stored_.upper_bound(question.after);
    for (; it != stored_.end() && found.size() < question.limit; ++it) found.push_back(*it);
    const bool more = it != stored_.end();
    event([&] { session_.on_pending(now_, config_, question.id, found, more, out_); });
  }

  void expire_one() {
    if (!stored_.empty()) stored_.erase(stored_.begin());
  }

  void lose_connection() {
    if (!connected_) return;
    connection_over();
    event([&] { session_.on_closed(now_); });
  }

  /// All but the store is lost, announcements under way too.
  void restart_server() {
    connection_over();
    session_ = Session();
    questions_.clear();
    urgencies_.clear();
    unannounced_.clear();
    seen_.clear();
  }

  void connection_over() {
    connected_ = false;
    on_the_line_.clear();
    unordered_ = unordered_ || !unwritten_.empty();
    unwritten_.clear();
    last_published_ = 0;
  }

  base::Random random_;
  Config config_{.receive_maximum = kWindow};
  Session session_;
  Actions out_;
  Instant now_{};
  std::set<Sequence> stored_;  ///< what the store holds
  std::vector<Sequence> unannounced_;
  std::vector<FetchPending> questions_;
  std::vector<wire::Urgency> urgencies_;            ///< to be stored: at most one
  wire::Urgency lowest_ = wire::Urgency::kVeryLow;  ///< stored
  std::map<std::uint16_t, Sequence> on_the_line_;   ///< unacknowledged on this connection
  std::set<Sequence> unwritten_;                    ///< queued with QoS 0 on this connection
  std::set<Sequence> seen_;
  Sequence last_stored_ = 0;
  Sequence last_published_ = 0;
  bool connected_ = false;
  bool unordered_ = false;  ///< a connection broke over some of `unwritten_`
};

RC_GTEST_PROP(SessionProperty, LosesDoublesAndReordersNothing, (std::uint64_t seed)) {
  World world(seed);
  const int steps = *rc::gen::inRange(1, 200);
  for (int i = 0; i < steps; ++i) world.step();
  world.settle();
}

}  // namespace
}  // namespace wakeline::session
