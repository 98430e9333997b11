// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/app.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/host_channel.h"
#include "app/keep_alive.h"
#include "app/wakes.h"

namespace wakeline::app {

/// Our own numbers for what outlives a host: the host's change when it restarts. 0 is none.
using TagKey = std::uint64_t;
using TaskKey = std::uint64_t;

/// What a host would be asked without one, and is asked again when it is back: tags, tasks, audio
/// sessions, wake requests and the keep-alive handler (C3–C5, C15–C21, C29, C40). On the loop's
/// thread.
class Contract {
 public:
  struct Events {
    /// A host is there, with this process' state, or there is none.
    std::function<void()> on_host_changed;
    std::function<void(AppState)> on_state;
    /// `tag`: our number of the connection that woke; 0 where none did.
    std::function<void(WakeCause, TagKey tag)> on_woken;
    std::function<void(const NotificationResponse&)> on_response;
    std::function<void(CallState)> on_call;
    std::function<void(const NetworkFacts&)> on_network;
  };

  /// Errors: kOs.
  static base::Result<std::unique_ptr<Contract>> create(io::Loop& loop, std::string host_path,
                                                        Events events);
  void start() { channel_->start(); }

  bool ready() const { return channel_->ready(); }
  /// The host's welcome, or why there is none.
  Result<wire::host::Welcome> host() const;

  /// Keeps `fd` tagged until `untag`; `done` with what the host said, or at once without one.
  /// Returns: the tag, good for `untag` before the host has answered; 0 when it is refused at once.
  /// Errors: as App::tag; nothing is kept then.
  TagKey tag(int fd, std::function<void(Result<TagKey>)> done);
  /// Before the socket is closed, so that the host never watches another one of its number.
  void untag(TagKey tag);
  /// Waits for the host's answer to a tag that was just asked for.
  void is_wake_capable(TagKey tag, std::function<void(bool)> done);
  /// The tag of that connection; 0: none.
  TagKey find_tag(int fd) const;

  /// `on_expire` runs on the loop's thread. Errors: as App::begin_background_task.
  void begin_task(std::string name, std::function<void()> on_expire,
                  std::function<void(Result<TaskKey>)> done);
  void end_task(TaskKey task);
  /// In milliseconds; kTimeUnlimited.
  void time_remaining(std::function<void(std::uint64_t)> done);

  void notify(const Notification& notification, std::function<void(Result<std::uint64_t>)> done);

  /// `done` with the session's key. Errors: as App::begin_audio_session.
  void begin_audio(std::function<void(Result<std::uint64_t>)> done);
  void end_audio(std::uint64_t session);

  KeepAlive& keep_alive() { return *keep_alive_; }
  Wakes& wakes() { return *wakes_; }
  /// A number that no tag, task or keep-alive handler has.
  std::uint64_t new_key() { return ++last_key_; }

 private:
  struct Tagged {
    int fd = -1;
    std::uint64_t cookie = 0;
    std::uint64_t host_id = 0;  ///< 0: the host does not know it
    bool asked = false;         ///< and its answer is awaited
    std::vector<std::function<void()>> after_answer = {};
  };
  struct Task {
    std::string name;
    std::function<void()> on_expire;
    std::uint64_t host_id = 0;
  };

  explicit Contract(Events events) : events_(std::move(events)) {}
  void ask_tag(TagKey key, std::function<void(Result<TagKey>)> done);
  void on_tag_answer(TagKey key, const Result<std::uint64_t>& reply,
                     const std::function<void(Result<TagKey>)>& done);
  void ask_task(TaskKey key, std::function<void(Result<TaskKey>)> done);
  void forget_closed();
  void on_ready(const wire::host::Welcome& welcome);
  void on_absent();
  void on_message(const wire::host::Message& message);

  Events events_;
  wire::host::Welcome welcome_;
  std::uint64_t last_key_ = 0;
  std::map<TagKey, Tagged> tags_;
  std::map<TaskKey, Task> tasks_;
  std::set<std::uint64_t> audio_sessions_;  ///< the host knows whether there is one
  std::unique_ptr<KeepAlive> keep_alive_;
  std::unique_ptr<Wakes> wakes_;
  std::unique_ptr<HostChannel> channel_;
};

}  // namespace wakeline::app
