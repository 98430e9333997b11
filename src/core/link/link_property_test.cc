// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "core/link/link.h"
#include "core/link/link_testing.h"

/// Any order of events, right ones and late ones: never two live connections, nothing given twice
/// to one run of the app, nothing acknowledged that is not durable, every connection ends closed or
/// live; no message of the app goes out that is not durable, and none that is durable is lost; and
/// left alone, the link comes online and delivers all, both ways.
namespace wakeline::link::test {
namespace {

/// A driver, a server and an app, as strict as their documentation allows.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), link_(config(), {}, base::Random(seed)) {
    event([&] { link_.start(now_, out_); });
  }

  void step() {
    now_ += random_.between(Duration::zero(), seconds(random_.chance(1, 20) ? 1'000 : 2));
    switch (random_.below(19)) {
      case 0:
      case 1:
        return resolve(random_.chance(1, 3));
      case 2:
      case 3:
      case 4:
        return connect_one();
      case 5:
      case 6:
        return serve();
      case 7:
        return fail_one();
      case 8:
        return store_push();
      case 9:
      case 10:
        return accept_one();
      case 11:
        return write_memory();
      case 12:
        return event([&] { link_.on_woken(now_, out_); });
      case 13:
        return change_surroundings();
      case 14:
        return crash();
      case 15:
        return send_message();
      case 16:
        return write_outbox();
      case 17:
        return take_outcome();
      default:
        return fire();
    }
  }

  /// Everything works from here on.
  void settle() {
    event([&] { link_.on_network_changed(now_, {.fingerprint = ++fingerprint_}, out_); });
    event([&] { link_.on_foreground(now_, false, out_); });
    for (int i = 0; i < 2'000 && !settled(); ++i) {
      resolve(false);
      for (int j = 0; j < 5; ++j) connect_one();
      serve();
      accept_one();
      write_memory();
      write_outbox();
      take_outcome();
      if (!settled()) {
        if (link_.next_deadline() != base::kNever) now_ = std::max(now_, link_.next_deadline());
        fire();
      }
    }
    RC_ASSERT(settled());
    RC_ASSERT(lines() == 1U);
    RC_ASSERT(!awake_);
    for (Sequence s = 1; s <= last_stored_; ++s) RC_ASSERT(accepted_ever_.contains(s));
    for (const std::string& key : promised_) RC_ASSERT(told_.contains(key));
  }

 private:
  struct Connection {
    bool tcp = false;
    bool secured = false;  ///< asked to begin TLS
    bool up = false;
    base::Bytes to_server;
    base::Bytes to_client;
    bool answered = false;
    bool probe = false;
    std::map<std::uint16_t, Sequence> in_flight;
  };

  bool settled() const {
    return link_.state() == State::kReady && stored_.empty() && held_.empty() && !writing_ &&
           lines() == 1 && !awake_ && link_.outbox_size() == 0 && !storing_;
  }
  /// Connections but for the probe.
  std::size_t lines() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(open_, [](const auto& c) { return !c.second.probe; }));
  }

  template <class Event>
  void event(Event happens) {
    happens();
    while (!out_.empty()) {
      const std::vector<Action> actions = out_.items();
      out_.clear();
      for (const Action& a : actions) std::visit([&](const auto& action) { carry_out(action); }, a);
    }
    RC_ASSERT(lines() <= kRacingMax + 1);
    RC_ASSERT(open_.size() <= lines() + 1);
    if (link_.live()) {
      RC_ASSERT(open_.contains(link_.live().value));
      RC_ASSERT(open_.at(link_.live().value).answered);
    }
    if (link_.state() == State::kWaiting || link_.state() == State::kNoNetwork) {
      RC_ASSERT(open_.empty());
      RC_ASSERT(link_.next_deadline() != base::kNever);
    }
    RC_ASSERT(link_.memory().unaccepted.size() <= kUnacceptedMax);
    std::set<std::uint64_t> speaking;
    for (const auto& [id, c] : open_)
      if (c.answered) speaking.insert(id);
    RC_ASSERT(speaking.size() <= 1U);
  }

  void carry_out(const Resolve& a) { generation_ = a.generation; }
  void carry_out(const Connect& a) {
    RC_ASSERT(a.attempt.value > last_attempt_);
    last_attempt_ = a.attempt.value;
    open_[a.attempt.value].probe = a.probe;
  }
  void carry_out(const Secure& a) {
    Connection& c = open_.at(a.attempt.value);
    RC_ASSERT(c.tcp && !c.up);
    RC_ASSERT(!std::exchange(c.secured, true));
  }
  void carry_out(const Write& a) {
    Connection& c = open_.at(a.attempt.value);
    RC_ASSERT(c.up);
    c.to_server.insert(c.to_server.end(), a.bytes.begin(), a.bytes.end());
  }
  void carry_out(const SetHeartbeat& a) { RC_ASSERT(open_.contains(a.attempt.value)); }
  void carry_out(const Close& a) { RC_ASSERT(open_.erase(a.attempt.value) == 1U); }
  void carry_out(const HoldAwake&) { RC_ASSERT(!std::exchange(awake_, true)); }
  void carry_out(const LetGo&) { RC_ASSERT(std::exchange(awake_, false)); }
  void carry_out(const Persist& a) {
    RC_ASSERT(!writing_);
    writing_ = a;
  }
  void carry_out(const Deliver& a) {
    RC_ASSERT(delivered_.insert(a.delivery.sequence).second);
    RC_ASSERT(!durable_.contains(a.delivery.sequence));
    held_[a.delivery.id.value] = a.delivery.sequence;
  }
  void carry_out(const Report& a) {
    RC_ASSERT(!(last_report_ == a));
    last_report_ = a;
  }

  void carry_out(const StoreOutbox& a) {
    RC_ASSERT(!storing_);
    storing_ = a;
  }
  void carry_out(const Outcome& a) {
    RC_ASSERT(a.result == SendResult::kSent);  // their time is long, and the server takes all
    RC_ASSERT(received_.contains(a.key));
    outcomes_.push_back(a.number);
    telling_[a.number] = a.key;
  }
  void carry_out(const Missed&) {}  // a push of a new connection may be ahead of those that wait

  void resolve(bool fails) {
    const std::uint64_t g = random_.chance(1, 10) ? generation_ - 1 : generation_;
    event([&] {
      if (fails)
        link_.on_resolve_failed(now_, g, out_);
      else if (random_.chance(1, 4))
        link_.on_resolved_in_part(now_, g, {kAddress}, out_);
      else
        link_.on_resolved(now_, g, std::vector<Address>(4, kAddress), out_);
    });
  }
  void connect_one() {
    for (auto& [id, c] : open_) {
      if (c.up || (c.tcp && !c.secured)) continue;
      const AttemptId attempt{id};
      if (!c.tcp && !c.probe) {
        c.tcp = true;
        return event([&] { link_.on_tcp(now_, attempt, out_); });
      }
      c.up = true;
      return event([&] { link_.on_connected(now_, attempt, out_); });
    }
  }
  void fail_one() {
    if (open_.empty()) return;
    auto it = open_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_.below(open_.size())));
    const AttemptId attempt{it->first};
    const Why why = it->second.up ? Why::kPeerClosed : Why::kConnectFailed;
    open_.erase(it);
    event([&] { link_.on_failed(now_, attempt, why, out_); });
  }
  void fire() {
    if (link_.next_deadline() == base::kNever) return;
    event([&] { link_.on_deadline(now_, out_); });
    RC_ASSERT(link_.next_deadline() > now_);
  }
  void change_surroundings() {
    if (random_.chance(1, 2))
      return event([&] { link_.on_foreground(now_, random_.chance(1, 2), out_); });
    const bool online = random_.chance(2, 3);
    const bool gone = random_.chance(1, 3);
    const std::string key = random_.chance(1, 2) ? "home" : "road";
    event([&] {
      link_.on_network_changed(
          now_,
          {.online = online, .key = key, .fingerprint = ++fingerprint_, .local_address_gone = gone},
          out_);
    });
  }

  void store_push() {
    stored_.insert(++last_stored_);
    for (auto& [id, c] : open_)
      if (c.answered) publish(c, last_stored_, false);
  }
  void publish(Connection& c, Sequence s, bool duplicate) {
    if (c.in_flight.size() >= kUnacceptedMax) return;
    const std::uint16_t packet_id = next_packet_id_++;
    c.in_flight[packet_id] = s;
    say(c, push(s, packet_id, duplicate));
  }
  void say(Connection& c, const mqtt::Packet& packet) {
    WL_CHECK(mqtt::encode(packet, mqtt::Version::k5, c.to_client));
  }

  /// The server reads all, then the client reads what was answered.
  void serve() {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, c] : open_) ids.push_back(id);
    for (const std::uint64_t id : ids) {
      if (!open_.contains(id)) continue;
      Connection& c = open_.at(id);
      base::BytesView rest = c.to_server;
      while (!rest.empty()) {
        const auto decoded = mqtt::decode(rest, mqtt::Version::k5);
        RC_ASSERT(decoded.has_value());
        RC_ASSERT(decoded->consumed > 0U);
        rest = rest.subspan(decoded->consumed);
        read(id, decoded->packet);
      }
      c.to_server.clear();
      const base::Bytes bytes = std::exchange(c.to_client, {});
      base::BytesView unread = bytes;
      while (!unread.empty()) {
        std::size_t taken = 0;
        event([&] { taken = link_.on_bytes(now_, {id}, unread, out_); });
        RC_ASSERT(taken > 0U);
        unread = unread.subspan(taken);
      }
    }
  }
  void read(std::uint64_t id, const mqtt::Packet& packet) {
    Connection& c = open_.at(id);
    const auto* connect = std::get_if<mqtt::Connect>(&packet);
    if (connect != nullptr)
      RC_ASSERT(connect->properties.user_value("probe").has_value() == c.probe);
    if (connect != nullptr && c.probe) {
      say(c, mqtt::Connack{});
    } else if (connect != nullptr) {
      for (auto& [other, o] : open_) {
        if (other == id || !o.answered) continue;
        o.answered = false;
        o.to_client.clear();
        say(o, mqtt::Disconnect{.reason = mqtt::Reason::kSessionTakenOver, .properties = {}});
      }
      if (const auto received = connect->properties.user_value("received"))
        stored_.erase(stored_.begin(), stored_.upper_bound(std::stoull(std::string(*received))));
      c.answered = true;
      auto connack = our_connack();
      if (random_.chance(1, 2)) connack.properties.user.emplace_back("probe", "1");
      say(c, connack);
      for (const Sequence s : stored_) publish(c, s, true);
    } else if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
      const std::string key(publish->properties.user_value("key").value());
      RC_ASSERT(safe(key));
      received_.insert(key);
      const bool later = random_.chance(1, 4);
      say(c, mqtt::Ack{.packet_id = publish->packet_id,
                       .reason = later ? mqtt::Reason::kQuotaExceeded : mqtt::Reason::kSuccess,
                       .properties = {}});
    } else if (const auto* ack = std::get_if<mqtt::Ack>(&packet)) {
      RC_ASSERT(c.in_flight.contains(ack->packet_id));
      const Sequence s = c.in_flight.at(ack->packet_id);
      RC_ASSERT(durable_.contains(s));
      c.in_flight.erase(ack->packet_id);
      stored_.erase(s);
    } else if (std::holds_alternative<mqtt::Subscribe>(packet)) {
      say(c, granted());
    } else if (std::holds_alternative<mqtt::Pingreq>(packet)) {
      say(c, mqtt::Pingresp{});
    }
  }

  void accept_one() {
    if (held_.empty()) return;
    auto it = held_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_.below(held_.size())));
    const DeliveryId id{it->first};
    accepted_.insert(it->second);
    accepted_ever_.insert(it->second);
    held_.erase(it);
    event([&] { link_.accept(now_, id, out_); });
  }
  void write_memory() {
    if (!writing_) return;
    disk_ = writing_->memory;
    const std::uint64_t serial = writing_->serial;
    for (const Sequence s : accepted_)
      if (s <= disk_.accepted_high &&
          std::ranges::find(disk_.unaccepted, s) == disk_.unaccepted.end())
        durable_.insert(s);
    writing_.reset();
    event([&] { link_.on_persisted(now_, serial, out_); });
  }
  bool safe(const std::string& key) const {
    return std::ranges::find(outbox_, key, &Message::key) != outbox_.end();
  }
  void send_message() {
    Message m{.key = fmt::format("k{}", ++last_key_), .topic = "wakeline/reply/door"};
    event([&] { static_cast<void>(link_.send(now_, std::move(m), out_)); });
  }
  void write_outbox() {
    if (!storing_) return;
    const StoreOutbox written = *std::exchange(storing_, std::nullopt);
    if (random_.chance(1, 6))
      return event([&] { link_.on_outbox_failed(now_, written.serial, out_); });
    outbox_ = written.messages;
    for (const Message& m : outbox_) promised_.insert(m.key);
    event([&] { link_.on_outbox_stored(now_, written.serial, out_); });
  }
  void take_outcome() {
    if (outcomes_.empty()) return;
    const std::uint64_t number = outcomes_.front();
    outcomes_.erase(outcomes_.begin());
    told_.insert(telling_.at(number));
    event([&] { link_.outcome_taken(now_, number, out_); });
  }
  /// The app dies; a new run starts from the disk.
  void crash() {
    storing_.reset();
    outcomes_.clear();
    telling_.clear();
    open_.clear();
    held_.clear();
    writing_.reset();
    accepted_ = delivered_ = durable_;
    awake_ = false;
    last_report_.reset();
    out_.clear();
    link_ = Link(config(), disk_, base::Random(random_.next()), outbox_);
    last_attempt_ = disk_.attempts;
    event([&] { link_.start(now_, out_); });
  }

  base::Random random_;
  Instant now_{seconds(1'000)};
  Link link_;
  Actions out_;
  Memory disk_;
  std::optional<Persist> writing_;
  std::optional<Report> last_report_;
  std::map<std::uint64_t, Connection> open_;
  std::uint64_t generation_ = 0;
  std::uint64_t fingerprint_ = 0;
  std::uint64_t last_attempt_ = 0;
  bool awake_ = false;
  std::set<Sequence> stored_;
  Sequence last_stored_ = 0;
  std::uint16_t next_packet_id_ = 1;
  std::map<std::uint64_t, Sequence> held_;  ///< by delivery
  std::set<Sequence> delivered_;            ///< to this run, or accepted durably by one before
  std::set<Sequence> accepted_;
  std::set<Sequence> accepted_ever_;
  std::set<Sequence> durable_;
  std::vector<Message> outbox_;  ///< on disk
  std::optional<StoreOutbox> storing_;
  std::vector<std::uint64_t> outcomes_;  ///< that the app has still to hear of
  std::map<std::uint64_t, std::string> telling_;
  std::set<std::string> promised_, received_, told_;
  std::uint64_t last_key_ = 0;
};

RC_GTEST_PROP(LinkProperty, KeepsItsPromisesInAnyOrderOfEvents, (std::uint64_t seed)) {
  World world(seed);
  const int steps = *rc::gen::inRange(1, 300);
  for (int i = 0; i < steps; ++i) world.step();
  world.settle();
}

}  // namespace
}  // namespace wakeline::link::test
