// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/link/types.h"

namespace wakeline::link {

/// Whether a message can be sent by anybody. Errors: kInvalidArgument, kTooLarge; `where` names the
/// field.
base::Result<void> check(const Message& message);

/// The app's messages between `send` and their outcome. A message goes out only when it is on disk,
/// in order, at most a window of them at a time, again on every new connection until it is
/// acknowledged; it leaves when the app has heard of its outcome. Works on a value: the link says
/// when, and does the writing.
class Outbox {
 public:
  Outbox() = default;
  /// What an earlier run left: on disk, and perhaps sent.
  explicit Outbox(std::vector<Message> messages);

  /// What the server of this connection takes.
  struct Limits {
    std::size_t window = kOutboxWindow;  ///< its Receive Maximum, at most kOutboxWindow
    std::size_t packet = wire::mqtt::kPacketMax;
    bool acknowledges = true;  ///< false: QoS 0 only
    friend bool operator==(const Limits&, const Limits&) = default;
  };

  /// Returns: whether it is new; false for a key that waits already.
  /// Errors: kBusy (kOutboxMax wait).
  base::Result<bool> add(Message message);
  /// A time that a clock of before the machine's restart has set is what it can be at most.
  void forget_the_future(Instant now);

  /// What is to be written; `stored` and `store_failed` say what came of it.
  std::vector<Message> messages() const;
  bool dirty() const { return dirty_; }
  bool has_new() const;
  void begin_store();
  void stored();
  /// What was never on disk is dropped: its sender is told.
  void store_failed();

  void on_login(const Limits& limits);
  /// The next packet to send, if one may go out.
  std::optional<wire::mqtt::Publish> next(Instant now);
  /// Errors: kMalformed (a packet id that is not in flight).
  base::Result<std::optional<Outcome>> on_ack(const wire::mqtt::Ack& ack, std::string detail);
  /// The server wants none for now: all wait in their order.
  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  bool paused() const { return paused_; }

  /// Messages whose time is over, or that this server cannot take; each once.
  std::vector<Outcome> settle(Instant now);
  /// The app knows. Returns: whether there was such a message.
  bool taken(std::uint64_t number);

  std::size_t size() const { return entries_.size(); }
  bool in_flight() const { return !unacknowledged_.empty(); }
  /// Whether the app has still to hear of an outcome.
  bool untold() const;
  Instant next_expiry() const;

  friend bool operator==(const Outbox&, const Outbox&) = default;

 private:
  enum class Phase : std::uint8_t {
    kNew,      ///< not on disk, nor on its way there
    kStoring,  ///< on its way to the disk
    kWaiting,
    kSent,     ///< on the present connection, without an answer
    kSettled,  ///< the app is being told
  };
  struct Entry {
    Message message;
    Phase phase = Phase::kNew;
    bool tried = false;      ///< a server may have it
    bool oversized = false;  ///< for the server of this connection
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  Outcome outcome(Entry& entry, SendResult result, std::string detail);

  std::vector<Entry> entries_;  ///< by number, rising
  std::vector<std::uint16_t> unacknowledged_;
  Limits limits_;
  std::uint64_t last_number_ = 0;
  bool dirty_ = false;
  bool paused_ = false;
};

/// Bytes of the longest text of an outbox: each field in base64, each number at its longest.
inline constexpr std::size_t kOutboxTextMax = 655'360;

/// When an outbox file is written or read, by all clocks that there are.
struct FileTime {
  std::string boot{};     ///< names this boot of the machine, without spaces; empty: not known
  Instant now{};          ///< counts from its boot
  base::WallTime wall{};  ///< zero: not to be believed
  friend bool operator==(const FileTime&, const FileTime&) = default;
};

/// How long a file was left alone. In one boot the boot clock says that, and the wall clock is not
/// asked. Over a restart of the machine it is what passed on the wall clock, and no less than this
/// boot has lasted; a wall clock that stands before the moment of writing counts for nothing.
Duration age(const FileTime& written, const FileTime& read);

struct OutboxFile {
  std::vector<Message> messages;  ///< their `until` by the clock of the reader's boot
  FileTime written;
  friend bool operator==(const OutboxFile&, const OutboxFile&) = default;
};

/// The text of an outbox file, and back; as of a Memory (`memory.h`), first line "wakeline-outbox
/// 2".
std::string encode(const std::vector<Message>& messages, const FileTime& written);
/// Reads version 1, whose times are the wall clock's, as well.
/// Errors: kMalformed, kUnsupported, kTooLarge.
base::Result<OutboxFile> decode_outbox(std::string_view text, const FileTime& read);

}  // namespace wakeline::link
