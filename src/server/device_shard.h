// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/session/admission.h"
#include "core/session/session.h"
#include "io/poller.h"
#include "io/tls.h"
#include "server/arrivals.h"
#include "server/departures.h"
#include "server/device_line.h"
#include "server/device_table.h"
#include "server/login_guard.h"
#include "server/options.h"
#include "server/timer_wheel.h"
#include "store/store.h"

namespace wakeline::server {

/// A port that devices come to; `tls` null: plain. The descriptor outlives the shards.
struct DevicePort {
  int fd = -1;
  std::shared_ptr<io::TlsContext> tls;
};

/// A push that is durable; `push` spares the shard a read of the store.
struct StoredPush {
  store::DeviceId device{};
  store::Sequence sequence = 0;
  std::shared_ptr<const store::NewPush> push;
};

/// A device as it goes to the process that takes the server over.
struct FrozenDevice {
  std::string name;
  store::DeviceId id{};
  base::Bytes session;
  DeviceLine::State line;  ///< without a descriptor: it is offline
  /// Not: its socket is in the file table of its shard, see MqttFront::fetch_line.
  bool elsewhere = false;
};

/// A wrong token of a device, for the audit log.
struct DeniedLogin {
  std::string address;  ///< as people write it
  std::string device;   ///< the name that it gave
  bool waits = false;   ///< the next one from there is not looked at
};

/// What all shards of a server share.
struct ShardsCommon {
  ShardsCommon(const Limits& its_limits, LoginGuard& its_guard)
      : limits(its_limits), guard(its_guard) {}

  Limits limits;
  LoginGuard& guard;
  std::function<void(DeniedLogin)> on_denied;  ///< on the thread of any of them
  base::Duration spread_min{};
  base::Duration gone_after{};               ///< see DeviceShard::gone
  std::atomic<std::size_t> connections = 0;  ///< of devices, and of those not known yet
  Arrivals arrivals;                         ///< those not known yet, by address
};

/// One thread with a part of the devices: their connections and their sessions, each in a slab of
/// its own, with one timer wheel. A device belongs to one shard by its name; a connection that
/// another shard took moves there with its CONNECT. A sleeping device costs a slot of the slab, and
/// neither a buffer nor a thread.
class DeviceShard {
 public:
  /// Errors: kOs, those of Store::reader.
  static base::Result<std::unique_ptr<DeviceShard>> create(store::Store& store,
                                                           std::shared_ptr<ShardsCommon> common);
  DeviceShard(const DeviceShard&) = delete;
  DeviceShard& operator=(const DeviceShard&) = delete;
  ~DeviceShard();

  /// Starts the thread, which serves nobody before `open`. `shards` are all of them, this one
  /// included. What is open in the process by then is in the shard's own file table as well.
  void start(std::vector<DeviceShard*> shards);
  /// Any thread, between `start` and `open`: a device that goes on from where another process left
  /// it. Errors: kTimeout, kOs: its line did not get into the shard's file table.
  base::Result<void> take_over(FrozenDevice device);
  /// Any thread: serves those that were taken over, and `ports`, which are shared. `done` is called
  /// on the shard's thread.
  void open(std::vector<DevicePort> ports, std::function<void()> done);
  /// Any thread: what those ports that have TLS use from now on.
  void set_tls(std::shared_ptr<io::TlsContext> tls);
  /// Any thread, as all below. Says goodbye to every device and ends the thread soon.
  void stop();
  void join();
  /// Reads no more from any device, and lets those go whose line cannot be handed over (TLS): they
  /// are told to come back. `done` is called on the shard's thread.
  void pause(std::function<void()> done);
  /// After `pause`, and when the store has answered everything: takes all devices out, and uses the
  /// store no more (`forget_store`, by another thread). The thread ends soon; with a file table of
  /// its own it goes on, and holds the lines until `stop`. `done` is called on the shard's thread.
  void freeze(std::function<void(std::vector<FrozenDevice>)> done);
  void forget_store() { reader_.reset(); }
  /// The frozen lines of its own file table, again from the first one: to be fetched in the order
  /// of their devices, by another thread.
  void send_lines();
  /// Errors: kTimeout, kClosed, kOs.
  base::Result<io::UniqueFd> fetch_line();

  /// Whether a push would go out now.
  bool receives(std::string_view device);
  /// Whether the device has not been connected, awake or asleep, for `gone_after`, as far as this
  /// process knows: it counts from its start at the earliest.
  bool gone(std::string_view device);
  /// See MqttFront.
  using Announce = std::function<void(std::string device, StoredPush push, bool at_once)>;
  Announce announcer();
  /// See MqttFront.
  void look_again(std::string device);

  /// Which of `count` shards a device belongs to.
  static std::size_t shard_of(std::string_view device, std::size_t count);

 private:
  using Key = std::uint64_t;  ///< of a line, as the poller tells it; 0: none
  using Slot = DeviceTable::Slot;
  static constexpr Key kGuest = Key{1} << 63;
  static constexpr Key kPort = Key{1} << 62;
  /// How long a line that goes may take to hear our last words.
  static constexpr base::Duration kLeavingMax = std::chrono::seconds(2);
  /// Until a socket that found no room at its shard is tried again.
  static constexpr base::Duration kMoveAgain = std::chrono::milliseconds(2);
  /// A probe is silent for half an hour at the most (the client's longest heartbeat), and asks
  /// then.
  static constexpr base::Duration kProbeMax = std::chrono::minutes(35);

  /// A CONNECT that was let in, with its device, on the way to its shard.
  struct Arrival {
    wire::mqtt::Connect connect;
    store::Device row;
  };
  /// A connection that is not a device's: not yet, or not any more.
  struct Guest {
    enum class Phase : std::uint8_t { kArriving, kRefused, kArrived, kProbing, kLeaving };
    DeviceLine line;
    Phase phase = Phase::kArriving;
    base::Duration retry_after{};  ///< refused: to be told
    Arrivals::Place place{};       ///< until a device has logged in
    std::string device{};          ///< of a probe
    std::unique_ptr<Arrival> arrival{};
  };
  /// What a guest hears whose CONNECT is not accepted.
  struct Unwelcome {
    session::Reason reason;
    const char* what = nullptr;
    base::Duration retry_after{};
    std::uint64_t attempt = 0;  ///< the last that was served; 0: nothing of that
  };
  /// A guest whose socket goes to another file table.
  struct Moving {
    DeviceShard* home;
    std::uint64_t id;
    std::unique_ptr<Guest> guest;
  };
  struct Due {
    base::Instant at;
    Key key;
  };
  struct CarryOut;

  DeviceShard(std::shared_ptr<ShardsCommon> common, store::Store& store,
              std::unique_ptr<io::Poller> poller);

  // The thread: device_shard.cc
  void run();
  void turn(std::span<const epoll_event> events);
  base::Instant next_deadline() const;
  void fire(base::Instant now);
  bool arrives(Key key) const;
  void accept(const DevicePort& port);
  /// Returns: the guest; 0: it was not let in.
  Key take_in(io::UniqueFd fd, const DevicePort& port, Arrivals::Place place);
  void begin_stop();
  void say_goodbye(bool to_all);
  void thaw(FrozenDevice frozen);
  void resume(Slot slot);

  // Lines: shard_lines.cc
  DeviceLine* line_of(Key key);
  bool watch(DeviceLine& line, std::uint32_t events, Key key);
  void unwatch(DeviceLine& line);
  void on_line(Key key, std::uint32_t events);
  void read(Key key);
  Key on_raw(Key key, base::BytesView bytes);
  Key on_frames(Key key, base::BytesView bytes);
  Key on_packets(Key key, base::BytesView bytes);
  Key on_handshake(Key key, base::BytesView bytes);
  Key on_packet(Key key, const wire::mqtt::Packet& packet);
  Key on_bad_bytes(Key key, base::ErrorCode error);
  void on_line_end(Key key);
  void send(Key key, base::BytesView bytes);
  void mark_dirty(Key key, DeviceLine& line);
  void flush_dirty();
  void flush(Key key);
  void drop_guest(Key key);
  void dismiss(DeviceLine line);

  // Between file tables: shard_moves.cc
  void own_file_table();
  void move_out();
  void take_in_moved(std::uint64_t id, std::unique_ptr<Guest> guest);
  io::UniqueFd receive_moved(std::uint64_t id);

  // Logins: shard_logins.cc
  Key on_connect(Key key, const wire::mqtt::Connect& connect);
  void begin_probe(Key key, const std::string& device);
  Key on_probe_packet(Key key, const wire::mqtt::Packet& packet);
  void count_out(Guest& guest);
  base::Result<store::Device> authenticate(const DeviceLine& line,
                                           const wire::mqtt::Connect& connect);
  void refuse(Key key, const wire::mqtt::Connect& connect, const Unwelcome& why);
  void settle(Key key);
  void adopt(DeviceLine line, const Arrival& arrival);

  // Pushes: shard_pushes.cc
  void on_push_stored(const std::string& device, const StoredPush& push);
  bool deliver_here(const std::string& device, const StoredPush& push);
  void publish(Slot slot, const session::Publish& publish);
  void fetch(Slot slot, const session::FetchPending& question);

  // Sessions: shard_sessions.cc
  Slot slot_for(const store::Device& row);
  void carry_out(Slot slot);
  void forget(Slot slot);
  void expel(Slot slot);
  void update_timer(Slot slot);
  void write(Slot slot, const wire::mqtt::Packet& packet);
  void store_report(Slot slot, const session::Report& report);
  void change_group(Slot slot, const session::ChangeGroup& change);
  void set_urgency(Slot slot, const session::SetUrgency& set);
  void on_store_failed(Slot slot, base::Error error);
  void close(Slot slot, session::Reason reason);
  Key key_of(Slot slot) const;

  std::shared_ptr<ShardsCommon> common_;
  store::Store& store_;
  /// Shared with the store: its writer may answer when the shard is gone already.
  std::shared_ptr<io::Poller> poller_;
  store::Post post_;
  std::unique_ptr<store::Reader> reader_;
  std::vector<DeviceShard*> shards_;
  std::vector<DevicePort> ports_;
  std::thread thread_;
  /// With file tables: sockets of other shards come in at one end; theirs to write is the other.
  io::UniqueFd moved_in_, moved_out_;
  std::deque<Moving> moving_;                              ///< the home has no room for it just now
  std::unordered_map<std::uint64_t, io::UniqueFd> moved_;  ///< came before its guest
  std::uint64_t last_move_ = 0;
  std::vector<io::UniqueFd> frozen_lines_;  ///< of the thread's own table, until it ends
  /// Of the one thread that takes over, or fetches.
  std::uint64_t last_taken_ = 0;
  std::size_t fetched_ = 0;
  std::uint64_t round_ = 0;                ///< of `send_lines`
  std::atomic<std::size_t> sendable_ = 0;  ///< `frozen_lines_`

  /// Held by the thread except while it waits; others take it to look at a device, or to send it
  /// a push. Outlives the shard for those who announce.
  struct Gate {
    explicit Gate(DeviceShard* its_shard) : shard(its_shard) {}
    std::mutex mutex;
    DeviceShard* shard;  ///< null: gone
  };
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>(this);
  base::Instant waits_until_{};  ///< the thread, while it waits
  DeviceTable devices_;
  Departures departures_;
  base::Instant began_;
  std::unordered_map<Key, std::unique_ptr<Guest>> guests_;
  std::size_t arriving_ = 0;   ///< guests with a place
  std::deque<Due> arrive_by_;  ///< rising, as each gets the same time
  std::deque<Due> leave_by_;
  std::unordered_map<std::string, Key> probes_;  ///< one a device at most
  std::deque<Due> probe_by_;
  TimerWheel wheel_;
  std::vector<Slot> due_;
  std::vector<Key> dirty_;
  session::Admission admission_;
  session::Config config_;
  session::Actions asked_;           ///< by the event under way
  session::Actions running_;         ///< being carried out; here to keep its memory
  const StoredPush* hot_ = nullptr;  ///< the push that is being announced
  std::vector<std::uint8_t> block_;  ///< what is read goes here
  base::Bytes encoded_;
  base::Instant now_{};
  base::Instant slept_from_{};  ///< the end of the last turn
  Key last_guest_ = kGuest;
  std::size_t accept_batch_ = 64;  ///< halved when a turn takes long
  base::Instant accept_from_{};    ///< descriptors ran out: no sooner
  bool ports_open_ = false;
  bool paused_ = false;
  bool uses_store_ = true;  ///< until `freeze`
  bool stopping_ = false;
};

}  // namespace wakeline::server
