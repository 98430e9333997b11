// SPDX-License-Identifier: Apache-2.0
#include "sim/lean/storm.h"

#include <algorithm>
#include <queue>
#include <vector>

#include "core/link/backoff.h"
#include "sim/kernel.h"

namespace wakeline::sim::lean {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Connections wait so long for their turn at the server.
constexpr Duration kBacklog = seconds(1);
/// The server hands out slots for so far ahead (link.md §2).
constexpr Duration kSlotsMax = minutes(10);
/// Clients that got the same slot come back within this.
constexpr Duration kSlotJitter = milliseconds(500);
constexpr Duration kWatched = hours(1);

/// The server's door: so many a second, a short backlog, and slots for the others.
class Door {
 public:
  explicit Door(const StormModel& model)
      : every_(Duration(seconds(1)) / model.admits_per_s), slots_(model.busy_slots) {}

  struct Answer {
    bool admitted;
    Duration slot;  ///< come back after that; zero: nothing was said
  };
  Answer knock(Duration now) {
    const Duration turn = std::max(next_, now);
    if (turn - now <= kBacklog) {
      next_ = turn + every_;
      return {true, {}};
    }
    if (!slots_) return {false, {}};
    // Half of the rate is kept for those who come unasked.
    next_slot_ = std::max(next_slot_, turn) + 2 * every_;
    return {false, std::min(next_slot_ - now, kSlotsMax)};
  }

 private:
  Duration every_;
  bool slots_;
  Duration next_{};
  Duration next_slot_{};
};

class Storm {
 public:
  Storm(const StormModel& model, const Rules* foreign, std::uint64_t seed)
      : model_(model), foreign_(foreign ? foreign->clone() : nullptr), door_(model) {
    // W of link.md §2, as the server tells it.
    const auto n = static_cast<std::int64_t>(model.clients);
    spread_ = seconds((n + model.admits_per_s - 1) / model.admits_per_s);
    const base::Random first = random_of(seed, "storm", 0);
    base::Random seeds = first;
    clients_.reserve(model.clients);
    for (std::size_t i = 0; i < model.clients; ++i)
      clients_.push_back({base::Random(seeds.next()), {}, 0});
    arrivals_.resize(static_cast<std::size_t>((kWatched + model.outage) / seconds(1)) + 2);
  }

  StormFigures run() {
    for (std::uint32_t i = 0; i < clients_.size(); ++i) plan(i, first_wait(clients_[i]));
    const Duration end = model_.outage + kWatched;
    while (!events_.empty() && events_.top().at <= end.count()) {
      const Event event = events_.top();
      events_.pop();
      knock(event.client, Duration(event.at));
    }
    figures_.clients = clients_.size();
    figures_.half = reached(50);
    figures_.most = reached(99);
    const auto after = static_cast<std::ptrdiff_t>(model_.outage / seconds(1));
    figures_.peak_per_s = *std::max_element(arrivals_.begin() + after, arrivals_.end());
    figures_.burst_per_s = *std::ranges::max_element(arrivals_);
    return std::move(figures_);
  }

 private:
  struct Client {
    base::Random random;
    link::Backoff backoff;
    std::uint32_t failures;
  };
  struct Event {
    std::int64_t at;
    std::uint32_t client;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : client > other.client;
    }
  };

  void plan(std::uint32_t client, Duration at) { events_.push({at.count(), client}); }

  Duration first_wait(Client& c) {
    if (foreign_) return foreign_->wait(0, c.random);
    // Told in advance: moved while still connected, over the time that the server named.
    if (model_.announced) return c.random.between(Duration::zero(), spread_);
    return c.backoff.after_loss(spread_, false, c.random);
  }

  void knock(std::uint32_t number, Duration now) {
    Client& c = clients_[number];
    ++figures_.attempts;
    ++arrivals_[static_cast<std::size_t>(now / seconds(1))];
    const bool up = now >= model_.outage || model_.announced;
    const Door::Answer answer = up ? door_.knock(now) : Door::Answer{false, {}};
    figures_.digest = (figures_.digest ^ static_cast<std::uint64_t>(now.count()) ^ number) *
                      0x9E37'79B9'7F4A'7C15ULL;
    if (answer.admitted) {
      back_at_.push_back(std::max(Duration::zero(), now - model_.outage));
      ++figures_.back;
      return;
    }
    Duration wait;
    if (foreign_)
      wait = foreign_->wait(++c.failures, c.random);
    else if (answer.slot > Duration::zero())
      wait = answer.slot + c.random.between(Duration::zero(), kSlotJitter);
    else
      wait = c.backoff.after_failure(spread_, false, c.random);
    plan(number, now + std::max<Duration>(wait, milliseconds(1)));
  }

  /// When so many per cent were back, after the server was; zero: they never were.
  Duration reached(std::size_t percent) const {
    const std::size_t wanted = (clients_.size() * percent + 99) / 100;
    return back_at_.size() < wanted ? Duration::zero() : back_at_[wanted - 1];
  }

  StormModel model_;
  std::unique_ptr<Rules> foreign_;
  Door door_;
  Duration spread_{};
  std::vector<Client> clients_;
  std::priority_queue<Event> events_;
  std::vector<std::uint64_t> arrivals_;  ///< by second
  std::vector<Duration> back_at_;        ///< rising
  StormFigures figures_;
};

}  // namespace

StormFigures run_storm(const StormModel& model, const Rules* foreign, std::uint64_t seed) {
  return Storm(model, foreign, seed).run();
}

}  // namespace wakeline::sim::lean
