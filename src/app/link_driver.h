// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "app/contract.h"
#include "app/core.h"
#include "app/state_writer.h"
#include "core/link/link.h"
#include "io/clock.h"
#include "io/deadline_timer.h"
#include "io/lookup.h"
#include "io/network.h"
#include "io/stream.h"

namespace wakeline::app {

/// Carries out what the link machine wants: sockets, names, the state file, the host's contract.
/// On the loop's thread.
class LinkDriver : public HostListener {
 public:
  struct Settings {
    link::Config config;
    link::Memory memory;
    std::vector<link::Message> outbox;    ///< what an earlier run left
    base::WallTime outbox_wall{};         ///< when it was written: no later time is before that
    std::shared_ptr<io::TlsContext> tls;  ///< null: plain, to loopback addresses alone
    std::string state_file;
    std::string outbox_file;
  };
  struct Hooks {
    std::function<void(const link::Delivery&)> deliver;
    std::function<void(const link::Report&, base::Instant now)> report;
    /// Answered by outcome_taken.
    std::function<void(const link::Outcome&)> outcome;
    std::function<void(const link::Missed&)> missed;
  };

  /// `core` outlives it. Errors: kOs.
  static base::Result<std::unique_ptr<LinkDriver>> create(Core& core, Settings settings,
                                                          Hooks hooks);
  LinkDriver(const LinkDriver&) = delete;
  LinkDriver& operator=(const LinkDriver&) = delete;
  /// Says goodbye to the server, if it is online, and writes what is not on the disk yet.
  ~LinkDriver() override;

  void start();
  void stop();
  void kick();
  void ask_for(wire::Urgency lowest);
  void accept(link::DeliveryId delivery);
  /// `message` has passed check(). `done` once it is on disk, or is not; `until` is set from
  /// `time_to_live`. Errors: kBusy (full), kStorageFull and those of io::write_file.
  void send(link::Message message, base::Duration time_to_live,
            std::function<void(base::Result<void>)> done);
  void outcome_taken(std::uint64_t number);
  std::size_t outbox_size() const { return link_.outbox_size(); }
  void is_wake_capable(std::function<void(bool)> done);

  void on_host_state(AppState state) override;
  void on_host_woken(WakeCause cause, TagKey tag) override;
  void on_host_network(const NetworkFacts& facts) override;

 private:
  /// One attempt, and what became of it.
  struct Line {
    std::unique_ptr<io::ConnectAttempt> attempt;
    std::unique_ptr<io::Stream> stream;
    TagKey tag = 0;
  };

  LinkDriver(Core& core, Settings settings, Hooks hooks);

  using Event = std::function<void(link::Link& link, base::Instant now, link::Actions& out)>;
  void feed(const Event& event);
  void carry_out(const link::Resolve& resolve);
  void carry_out(const link::Connect& connect);
  void carry_out(const link::Secure& secure);
  void carry_out(const link::Write& write);
  void carry_out(const link::SetHeartbeat& set);
  void carry_out(const link::Close& close);
  void carry_out(const link::HoldAwake& hold);
  void carry_out(const link::LetGo& let_go);
  void carry_out(const link::Persist& persist);
  void carry_out(const link::Deliver& deliver);
  void carry_out(const link::Report& report);
  void carry_out(const link::StoreOutbox& store);
  void carry_out(const link::Outcome& outcome);
  void carry_out(const link::Missed& missed);

  void on_tcp(link::AttemptId id, int fd);
  void on_connected(link::AttemptId id, base::Result<std::unique_ptr<io::Stream>> result);
  void on_bytes(link::AttemptId id, base::BytesView bytes);
  void on_end(link::AttemptId id, link::Why why);
  void untag(Line& line);
  void on_woken();
  void read_network();
  void note_server(const io::Lookup::Answer& answer);
  void ask_for_wake();
  link::LineFacts line_facts() const;
  void write_state();
  void write_last_state();
  base::Result<void> write_last_outbox();
  void on_written(std::uint64_t serial, const base::Result<void>& written);
  void on_outbox_written(std::uint64_t serial, const base::Result<void>& written);
  void later(std::function<void()> task);

  Core& core_;
  Settings settings_;
  Hooks hooks_;
  link::Link link_;
  link::Actions actions_;
  bool feeding_ = false;
  std::unique_ptr<io::DeadlineTimer> timer_;
  std::unique_ptr<io::DeadlineTimer> storage_timer_;  ///< a disk that failed is tried again
  std::unique_ptr<io::Lookup> lookup_;
  std::map<link::AttemptId, Line> lines_;
  std::optional<link::Persist> unwritten_;
  std::unique_ptr<StateWriter> writer_;
  link::Memory written_;  ///< as the file has it
  struct Send {
    std::uint64_t serial;  ///< of the StoreOutbox that makes it safe
    std::function<void(base::Result<void>)> done;
  };
  std::vector<Send> sends_;
  std::unique_ptr<StateWriter> outbox_writer_;  ///< from the first message on
  std::unique_ptr<io::NetworkWatch> network_watch_;
  bool server_on_link_ = false;                ///< one of its addresses is link-local
  base::Duration asleep_ = io::time_asleep();  ///< of the machine, as last seen
  base::Duration storage_retry_{};
  std::string tls_detail_;   ///< of the last handshake that failed
  std::uint64_t holds_ = 0;  ///< counts HoldAwake and LetGo: an answer of an earlier one is late
  TaskKey task_ = 0;
  link::WakeWindow wake_wanted_;
  Wakes::Key wake_ = 0;            ///< 0: none, or not answered yet
  std::uint64_t wakes_asked_ = 0;  ///< an answer of an earlier one is late
  KeepAlive::Key keep_alive_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace wakeline::app
