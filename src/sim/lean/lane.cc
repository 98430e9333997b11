// SPDX-License-Identifier: Apache-2.0
#include "sim/lean/lane.h"

#include <algorithm>

namespace wakeline::sim::lean {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// What the device does within this is one wake.
constexpr Duration kOneWake = seconds(2);
/// A lost packet is sent again after this, then twice, four times, … that.
constexpr Duration kRetransmit = milliseconds(300);
constexpr int kRetransmitDoublingsMax = 6;
constexpr std::uint64_t kEventsMax = 100'000'000;

}  // namespace

std::uint64_t LaneFigures::wakes_in_all() const {
  std::uint64_t sum = 0;
  for (const auto& [cause, count] : wakes) sum += count;
  return sum;
}

Lane::Lane(const LaneWorld& world, std::uint64_t seed)
    : world_(world), kernel_(seed, false), random_(kernel_.random_of("lane", 0)) {}

const Stretch& Lane::stretch() const { return world_.stretches[stretch_]; }

bool Lane::has_address(Socket socket) const {
  const auto it = lines_.find(socket);
  return it != lines_.end() && it->second.place == place_ && online();
}

bool Lane::keeps_address(Socket socket) const {
  const auto it = lines_.find(socket);
  return it != lines_.end() && it->second.place == place_;
}

bool Lane::server_up() const {
  return now() < world_.outage_from || now() >= world_.outage_from + world_.outage;
}

void Lane::act(const char* cause) {
  const bool new_wake = quiet_since_ == Instant::min() || now() - quiet_since_ > kOneWake;
  quiet_since_ = now();
  if (new_wake && measured()) ++figures_.wakes[cause];
}

void Lane::touch_radio() {
  if (!online()) return;
  (measured() ? radio_ : unmeasured_).on_packet(world_.radio, now());
}

/// One way of one packet, with its losses.
Duration Lane::way() {
  Duration takes = world_.one_way;
  for (int tries = 0; world_.loss_permille > 0 &&
                      random_.below(1'000) < static_cast<std::uint64_t>(world_.loss_permille);
       ++tries)
    takes += kRetransmit * (std::int64_t{1} << std::min(tries, kRetransmitDoublingsMax));
  return takes;
}

/// Whether a packet of the line comes through at this moment; a NAT forgets it if not.
bool Lane::crosses(Line& line) {
  if (line.place != place_ || !online() || line.dead_since != base::kNever) return false;
  const Duration nat = stretch().nat;
  if (nat > Duration::zero() && now() - line.crossed > nat) {
    line.dead_since = line.crossed + nat;
    return false;
  }
  line.crossed = now();
  return true;
}

Lane::Socket Lane::connect(bool probe) {
  const Socket socket = ++last_;
  lines_[socket] = Line{.place = place_, .crossed = now(), .probe = probe};
  if (!probe && measured()) ++figures_.attempts;
  touch_radio();
  if (!online()) {
    kernel_.after(milliseconds(1), [this, socket] {
      if (lines_.contains(socket)) hears_.on_connected(socket, false, false);
    });
    return socket;
  }
  // TCP, then TLS.
  kernel_.after(way() + way() + way() + way(), [this, socket] {
    const auto it = lines_.find(socket);
    if (it == lines_.end() || it->second.place != place_ || !online()) return;  // silence
    touch_radio();
    if (!server_up() || stretch().portal) {
      hears_.on_connected(socket, false, stretch().portal);
    } else {
      it->second.crossed = now();
      hears_.on_connected(socket, true, false);
    }
  });
  return socket;
}

void Lane::log_in(Socket socket, std::size_t message) {
  touch_radio();
  kernel_.after(way(), [this, socket, message] {
    const auto it = lines_.find(socket);
    if (it == lines_.end() || !crosses(it->second) || !server_up()) return;
    if (!it->second.probe) {
      session_ = socket;
      end_dark();
      if (!std::exchange(first_login_, false) && measured()) ++figures_.logins;
      figures_.login_times.push_back(now());
    }
    kernel_.after(way(), [this, socket, message] {
      if (!has_address(socket)) return;
      touch_radio();
      hears_.on_answer(socket, message);
      if (socket != session_) return;
      for (const auto& [number, covered] : waiting_)
        kernel_.after(way(), [this, socket, number] { deliver(socket, number); });
    });
  });
}

void Lane::say(Socket socket, std::size_t message) {
  touch_radio();
  const auto it = lines_.find(socket);
  if (it == lines_.end()) return;
  const bool through = crosses(it->second);
  const bool nat_forgot = it->second.dead_since != base::kNever && has_address(socket);
  if ((!through && nat_forgot && world_.nat_resets) || it->second.reset) {
    kernel_.after(2 * world_.one_way, [this, socket] {
      if (lines_.contains(socket) && has_address(socket)) hears_.on_reset(socket);
    });
    return;
  }
  if (!through) return;
  kernel_.after(way() + way(), [this, socket, message] {
    const auto line = lines_.find(socket);
    if (line == lines_.end() || !has_address(socket) || !server_up()) return;
    line->second.crossed = now();
    touch_radio();
    hears_.on_answer(socket, message);
  });
}

void Lane::close(Socket socket) {
  const auto it = lines_.find(socket);
  if (it == lines_.end()) return;
  if (socket == session_) {
    if (it->second.dead_since == base::kNever) begin_dark(now());
    session_ = 0;
  }
  lines_.erase(it);
}

void Lane::heartbeat_came_through(Duration gap) { figures_.gaps.emplace_back(now(), gap); }

void Lane::gave_up(Socket socket) {
  const auto it = lines_.find(socket);
  if (it == lines_.end()) return;
  Line& line = it->second;
  const Duration nat = stretch().nat;
  if (line.dead_since == base::kNever && nat > Duration::zero() && now() - line.crossed > nat)
    line.dead_since = line.crossed + nat;
  if (socket == session_ && line.dead_since != base::kNever) begin_dark(line.dead_since);
  figures_.deaths.push_back(now());
  if (!measured()) return;
  if (line.dead_since != base::kNever)
    figures_.detections.push_back(now() - line.dead_since);
  else if (line.place == place_)
    ++figures_.false_deaths;
}

// --- what happens to it

void Lane::begin_dark(Instant since) {
  if (dark_since_ == base::kNever || since < dark_since_) dark_since_ = since;
}

void Lane::end_dark() {
  if (dark_since_ == base::kNever) return;
  const Instant from = std::max(dark_since_, Instant(world_.measured_from));
  if (from < now()) figures_.dark += covered_between(from, now());
  dark_since_ = base::kNever;
}

Duration Lane::covered_between(Instant from, Instant to) const {
  Duration sum{};
  for (std::size_t i = 0; i < world_.stretches.size(); ++i) {
    const Stretch& s = world_.stretches[i];
    const Instant end = i + 1 < world_.stretches.size() ? world_.stretches[i + 1].from : to;
    const Instant a = std::max(from, s.from);
    const Instant b = std::min(to, end);
    if (s.covered && !s.portal && a < b) sum += b - a;
  }
  return sum;
}

void Lane::push(std::uint64_t number) {
  const bool covered = online() && !stretch().portal && server_up();
  waiting_[number] = covered;
  const auto it = lines_.find(session_);
  if (it == lines_.end() || !server_up() || !crosses(it->second)) return;
  kernel_.after(way(), [this, socket = session_, number] { deliver(socket, number); });
}

void Lane::deliver(Socket socket, std::uint64_t number) {
  const auto waits = waiting_.find(number);
  const auto it = lines_.find(socket);
  if (waits == waiting_.end() || it == lines_.end() || !has_address(socket)) return;
  const bool covered = waits->second;
  waiting_.erase(waits);
  touch_radio();
  act("push");
  const Instant sent = world_.pushes[number];
  if (covered && sent.time_since_epoch() >= world_.measured_from)
    figures_.deliveries.push_back(now() - sent);
  hears_.on_push(socket, number);
}

void Lane::next_stretch(std::size_t index) {
  const bool was_covered = online();
  const std::string old_key = stretch().key;
  const bool was_portal = stretch().portal;
  stretch_ = index;
  const bool moved = stretch().key != old_key || stretch().covered != was_covered;
  if (!moved && stretch().portal == was_portal) return;  // a NAT of another mind: nobody hears it
  if (stretch().key != old_key) {
    ++place_;
    for (auto& [socket, line] : lines_)
      if (line.dead_since == base::kNever) line.dead_since = now();
    begin_dark(now());
  }
  hears_.on_network();
}

void Lane::end_outage() {
  // The server knows nobody: what a client says is answered by RST.
  for (auto& [socket, line] : lines_) {
    line.reset = true;
    if (line.dead_since == base::kNever) line.dead_since = world_.outage_from;
  }
  begin_dark(world_.outage_from);
  session_ = 0;
}

LaneFigures Lane::run() {
  for (std::size_t i = 1; i < world_.stretches.size(); ++i)
    kernel_.at(world_.stretches[i].from, [this, i] { next_stretch(i); });
  for (std::size_t i = 0; i < world_.pushes.size(); ++i)
    kernel_.at(world_.pushes[i], [this, i] { push(i); });
  if (world_.outage_from != base::kNever)
    kernel_.at(world_.outage_from + world_.outage, [this] { end_outage(); });
  kernel_.run_until(Instant(world_.lasts), kEventsMax);
  if (const auto it = lines_.find(session_); it != lines_.end()) {
    const Duration nat = stretch().nat;
    if (nat > Duration::zero() && now() - it->second.crossed > nat)
      begin_dark(it->second.crossed + nat);
  }
  end_dark();
  figures_.undelivered = waiting_.size();
  figures_.radio_active = radio_.active();
  figures_.energy_uj = radio_.energy_uj();
  std::ranges::sort(figures_.detections);
  std::ranges::sort(figures_.deliveries);
  return std::move(figures_);
}

}  // namespace wakeline::sim::lean
