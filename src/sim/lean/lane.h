// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/kernel.h"
#include "sim/radio.h"

namespace wakeline::sim::lean {

/// Where the one client of a lane is from a time on.
struct Stretch {
  Instant from{};
  Duration nat{};       ///< the NAT's idle timeout; zero: none
  bool covered = true;  ///< there is a network
  bool portal = false;  ///< which answers in the server's place
  std::string key = "net";
};

/// One client, its path and a server that answers: what a policy of heartbeat and return is
/// measured in. Everything else is left out.
struct LaneWorld {
  std::vector<Stretch> stretches = {Stretch{}};  ///< by time; the first from the start
  Duration lasts = std::chrono::hours(48);
  Duration measured_from = std::chrono::hours(24);  ///< figures count from there
  Duration one_way = std::chrono::milliseconds(50);
  int loss_permille = 0;  ///< of each packet, each way; TCP sends again
  bool nat_resets = false;
  RadioModel radio = kLte;
  std::vector<Instant> pushes;
  /// The server is gone for a while: it answers nothing, and forgets every line.
  Instant outage_from = base::kNever;
  Duration outage{};
};

/// What a lane measured.
struct LaneFigures {
  std::map<std::string, std::uint64_t> wakes;  ///< by cause
  std::uint64_t logins = 0;                    ///< after the first one
  std::uint64_t attempts = 0;
  std::uint64_t false_deaths = 0;  ///< a line given up that was alive
  Duration dark{};                 ///< covered, and a push would not come through
  Duration radio_active{};
  std::int64_t energy_uj = 0;
  std::vector<Duration> detections;  ///< of dead lines; rising
  std::vector<Duration> deliveries;  ///< of pushes sent while covered; rising
  std::uint64_t undelivered = 0;
  std::vector<Instant> deaths;  ///< when the client found one
  std::vector<Instant> login_times;
  std::vector<std::pair<Instant, Duration>> gaps;  ///< heartbeats that came through

  std::uint64_t wakes_in_all() const;
};

/// The ground under the client: sockets that carry while they can.
class Lane {
 public:
  using Socket = std::uint64_t;
  struct Hears {
    std::function<void(Socket, bool ok, bool portal)> on_connected;
    std::function<void(Socket, std::size_t message)> on_answer;  ///< to say()
    std::function<void(Socket)> on_reset;
    std::function<void(Socket, std::uint64_t push)> on_push;
    std::function<void()> on_network;
  };

  Lane(const LaneWorld& world, std::uint64_t seed);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  Kernel& kernel() { return kernel_; }
  Instant now() const { return kernel_.now(); }
  base::Random random(std::string_view what) const { return kernel_.random_of(what, 0); }
  void hears(Hears hears) { hears_ = std::move(hears); }
  const Stretch& stretch() const;
  bool online() const { return stretch().covered; }
  /// The client's own address is still that of the socket.
  bool has_address(Socket socket) const;
  /// As the client's kernel sees it: a tunnel takes the coverage, not the address.
  bool keeps_address(Socket socket) const;
  /// The server takes it for the line of the client.
  bool is_session(Socket socket) const { return socket == session_; }

  /// The client does something of itself: a wake, if it has been quiet.
  void act(const char* cause);
  /// TCP and TLS; `probe`: not the line that pushes come over.
  Socket connect(bool probe);
  /// A login, which the server answers; pushes go there from now on.
  void log_in(Socket socket, std::size_t message);
  /// A message that the server answers.
  void say(Socket socket, std::size_t message);
  void close(Socket socket);
  void heartbeat_came_through(Duration gap);
  /// The client gives the line up for dead.
  void gave_up(Socket socket);

  LaneFigures run();

 private:
  struct Line {
    std::uint64_t place = 0;  ///< number of the stretch's address
    Instant crossed{};
    bool probe = false;
    bool closed = false;
    bool reset = false;
    Instant dead_since = base::kNever;
  };

  bool measured() const { return now().time_since_epoch() >= world_.measured_from; }
  bool server_up() const;
  bool crosses(Line& line);
  Duration way();
  void touch_radio();
  void push(std::uint64_t number);
  void deliver(Socket socket, std::uint64_t number);
  void begin_dark(Instant since);
  void end_dark();
  Duration covered_between(Instant from, Instant to) const;
  void next_stretch(std::size_t index);
  void end_outage();

  LaneWorld world_;
  Kernel kernel_;
  base::Random random_;
  Hears hears_;
  std::size_t stretch_ = 0;
  std::uint64_t place_ = 1;
  std::map<Socket, Line> lines_;
  Socket last_ = 0;
  Socket session_ = 0;  ///< the server's word of where the client is
  Radio radio_;
  Radio unmeasured_;
  Instant quiet_since_ = Instant::min();
  Instant dark_since_{};
  bool first_login_ = true;
  std::map<std::uint64_t, bool> waiting_;  ///< pushes, and whether they were sent while covered
  LaneFigures figures_;
};

}  // namespace wakeline::sim::lean
