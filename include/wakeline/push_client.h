// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/app.h>
#include <wakeline/error.h>
#include <wakeline/export.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wakeline {

namespace app {
class PushCore;
}  // namespace app

/// How the content of a push came.
enum class Sealing : std::uint8_t {
  kOpen,       ///< readable for the server and its operator
  kOpened,     ///< sealed for this app, and decrypted here (RFC 8291)
  kUnreadable  ///< sealed, and not for these keys, or broken: `payload` is what came
};

/// What an app server needs to seal pushes for this app, in base64url, as a Web Push subscription
/// has them.
struct SealingKeys {
  std::string p256dh;  ///< the public key
  std::string auth;    ///< the secret
  friend bool operator==(const SealingKeys&, const SealingKeys&) = default;
};

/// A push from the app's server. Texts are UTF-8.
struct Push {
  std::uint64_t id = 0;        ///< of this delivery, for PushClient::accept
  std::uint64_t sequence = 0;  ///< the server's number; 0 from a broker that numbers nothing
  /// An earlier run of this app may have seen it and ended before it was accepted. Not known to a
  /// server that was killed since it sent it; `sequence` tells in any case.
  bool maybe_seen = false;
  std::string title = {};    ///< may be empty
  std::string body = {};     ///< may be empty
  std::string data = {};     ///< the app's own
  std::string urgency = {};  ///< "very-low", "low", "normal", "high"; empty: not said
  std::string topic = {};    ///< of MQTT
  std::string payload = {};  ///< the bytes, decrypted; title, body and data are read from them
  Sealing sealing = Sealing::kOpen;  ///< how the content came
  friend bool operator==(const Push&, const Push&) = default;
};

/// How urgent a push is (RFC 8030 §5.3), the least first.
enum class PushUrgency : std::uint8_t {
  kVeryLow,  ///< an advertisement; asked for: every push
  kLow,      ///< news of a topic
  kNormal,   ///< a message
  kHigh      ///< a call
};
/// The stable word of an urgency, as Push::urgency has it: "very-low".
WAKELINE_API std::string_view name(PushUrgency urgency);

/// Pushes that the server had accepted for this app and that never come: their time to live was
/// over, or their app server replaced or withdrew them.
struct Missed {
  std::uint64_t first = 0;  ///< the server's number, as Push::sequence
  std::uint64_t last = 0;   ///< also one of them
  std::uint64_t count = 0;  ///< of those from first to last
  friend bool operator==(const Missed&, const Missed&) = default;
};

/// What a message to the app's server is. At a Wakeline server each is a right of the device.
enum class MessageKind : std::uint8_t {
  kReply,    ///< an answer to a push
  kReceipt,  ///< that a push was seen
  kPresence  ///< whether somebody is there
};

/// A message of the app for its server. Longest: 4,096 bytes of body, 256 of each other text.
struct Message {
  MessageKind kind = MessageKind::kReply;  ///< says the topic
  std::string body = {};                   ///< bytes
  std::string content_type = {};           ///< "text/plain"; empty: not said
  std::string correlation = {};  ///< bytes that the app server gets beside it: what it answers
  /// A topic of another MQTT broker; empty: wakeline/KIND/DEVICE, the only one that a Wakeline
  /// server takes.
  std::string topic = {};
  /// Two messages with one key are the same message, for our server too. 1 to 64 visible ASCII
  /// characters; empty: one is made.
  std::string key = {};
  /// After so long it is of no use any more. 1 s to 28 days. Counted by a clock that nobody sets,
  /// the machine's sleep included; over a restart of the machine by the wall clock, and where that
  /// has gone back, without the time in which the machine was off.
  std::chrono::seconds time_to_live = std::chrono::hours(24);
  friend bool operator==(const Message&, const Message&) = default;
};

/// How the way of a message ended.
enum class SendResult : std::uint8_t {
  kSent,     ///< the server has it: at a Wakeline server, on its disk
  kExpired,  ///< its time was over first
  kRefused   ///< the server will not have it: no right to that topic, too long for it
};
/// The stable word of a result: "sent".
WAKELINE_API std::string_view name(SendResult result);

/// What became of a message.
struct Outcome {
  std::string key;                        ///< of the message
  SendResult result = SendResult::kSent;  ///< how it ended
  /// Of one that expired: it had gone out, and no answer came. The server may have it.
  bool maybe_received = false;
  std::string detail = {};  ///< why it was refused, for people
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Where the line to the server is.
enum class LinkState : std::uint8_t {
  kStopped,     ///< not asked for
  kNoNetwork,   ///< no route as far as is known
  kWaiting,     ///< for the next attempt
  kConnecting,  ///< an attempt is under way
  kReady,       ///< pushes come
};
/// The stable word of a state: "ready".
WAKELINE_API std::string_view name(LinkState state);

/// The state of the line to the server.
struct LinkStatus {
  LinkState state = LinkState::kStopped;  ///< where the line is
  std::string why = {};                   ///< a stable word: "peer_closed", "bad_credentials"
  std::string detail = {};  ///< what the server said, or its certificate lacks; may be empty
  std::optional<std::chrono::milliseconds> retry_in = {};  ///< from when it was reported
  friend bool operator==(const LinkStatus&, const LinkStatus&) = default;
};

/// Keeps one connection to a Wakeline server, or another MQTT 5 broker, and hands each push to the
/// app exactly once. It tags its socket, holds the app awake while work is under way, comes back by
/// itself after every loss, and remembers what was accepted in a file that a crash cannot tear.
///
/// Where its files are lost it gets in all the same. Pushes that were accepted and whose
/// acknowledgement the server does not have come once more; messages that waited are gone; and with
/// new keys sealed pushes stay unreadable until the app server has been told of them.
///
/// Threads: as App; handlers run in the App's dispatching thread. Set them before `start`.
class WAKELINE_API PushClient {
 public:
  /// For `create`.
  struct Options {
    std::string host = {};      ///< name or address of the server
    std::uint16_t port = 8883;  ///< of MQTT over TLS
    std::string device = {};    ///< its name at the server
    std::string token = {};     ///< its secret there
    std::string ca_file = {};   ///< PEM; empty: the system's trust store
    /// Empty: `push/DEVICE@HOST:PORT` in Wakeline's state folder. The outbox is STATE_FILE.outbox.
    std::string state_file = {};
    /// The app's keys for sealed pushes, made when absent; readable for its owner alone. Empty:
    /// STATE_FILE.keys
    std::string keys_file = {};
    bool tls = true;  ///< false only for a loopback address
    /// False: a push is accepted when the handler returns. True: when `accept` is called.
    bool manual_accept = false;

    /// Reads a credentials file, as `wakeline server add-device NAME --output FILE` writes it:
    /// lines "key = value" with the keys host, port, device, token, ca_file; "#" comments. A
    /// relative ca_file is relative to the file's folder.
    /// Errors: kNotFound, kPermission, kMalformed ("FILE:LINE: field: what"), kTooLarge.
    static Result<Options> from_file(const std::string& path);
  };

  /// Errors: kMalformed (keys_file: who seals pushes must be told of new ones, so none are made),
  ///         kInvalidArgument (names the option), kNotFound and kTls (ca_file), kBusy (another
  ///         client uses the state file), kStorage and kPermission (it cannot be written).
  static Result<PushClient> create(App& app, const Options& options);
  PushClient(PushClient&&) noexcept;
  PushClient& operator=(PushClient&&) noexcept;
  /// Stops. No handler runs after it: it waits for one that runs in another thread.
  ~PushClient();

  /// An exception out of the handler: the push is not accepted, and comes again in the next run.
  void on_push(std::function<void(const Push&)> handler);
  /// For each change of the line.
  void on_state(std::function<void(const LinkStatus&)> handler);
  /// Called before the push that shows the gap is handed over. After a restart a gap may be told
  /// once more. Of a broker that numbers nothing nothing is known, nor of pushes that came while
  /// `set_lowest_urgency` withheld some.
  void on_missed(std::function<void(const Missed&)> handler);
  /// Called once for each message, in this run or a later one; again in the next run when the app
  /// ended, or an exception left the handler, before it returned.
  void on_outcome(std::function<void(const Outcome&)> handler);

  /// Connects, and comes back after every loss, until `stop`.
  void start();
  /// Says goodbye to the server, which keeps what comes meanwhile.
  void stop();
  /// The user wants it now: proves the line, or tries at once where the server does not forbid it.
  void kick();
  /// Quiet: from now on the server withholds pushes below `lowest`, and the app sleeps through
  /// them; what was withheld comes when a lower one is set, while its time to live lasts. Told to
  /// the server at once or when it is reached, and remembered over restarts, until it is set anew.
  /// Never set: as the server has it. Another MQTT broker withholds nothing.
  void set_lowest_urgency(PushUrgency lowest);
  /// The app has dealt with this push; it never comes again. For `manual_accept`.
  void accept(std::uint64_t id);

  /// Puts a message into the outbox, online or not, started or not. When it returns a key, the
  /// message is on disk: it goes out in order as soon as the server is there, over any crash, until
  /// its outcome is told. A Wakeline server keeps one message of a key; another broker may get it
  /// twice when the line or the app dies before its answer is here.
  /// Returns: the key. A key that waits already is not added again.
  /// Errors: kInvalidArgument and kTooLarge (name the field), kBusy (64 wait: nothing is dropped
  /// for a new one), kStorageFull (also over RLIMIT_FSIZE: its signal does not come), kPermission,
  /// kNotFound (the folder), kOs: not written, not sent.
  Result<std::string> send(const Message& message);
  /// Messages that wait: to be sent, or for their outcome to be heard.
  std::size_t outbox_size() const;

  /// What to register at the app server, so that nobody between it and this app reads a push.
  SealingKeys sealing_keys() const;

  /// As it was last reported.
  LinkStatus status() const;
  /// Whether a push would wake the app now (C5).
  bool is_wake_capable() const;

 private:
  explicit PushClient(std::unique_ptr<app::PushCore> core);

  std::unique_ptr<app::PushCore> core_;
};

}  // namespace wakeline
