// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/link/types.h"

namespace wakeline::link {

/// The pushes between their arrival and their acknowledgement; says of each arrival whether the app
/// gets it. Works on the link's Memory, which it is given.
///
/// Our server numbers pushes, and sends them in rising order on each connection, all that are
/// unacknowledged first. So when number n arrives, a lower one that this connection did not bring
/// is gone at the server (expired, replaced), and waits here for nothing.
///
/// A broker that numbers nothing gives at-least-once: within one run of the app the packet id and
/// the content of a redelivery (DUP, same session) find its first delivery, also where that was
/// acknowledged and the acknowledgement was lost; over a crash nothing does.
class Inbox {
 public:
  enum class Verdict : std::uint8_t {
    kDeliver,      ///< new: give it to the app under `id`
    kKnown,        ///< the app has it, but its acceptance is not durable yet: nothing to do now
    kAcknowledge,  ///< accepted durably before: PUBACK
    kOutOfOrder,   ///< the server broke its order
    kTooMany,      ///< over our Receive Maximum
  };
  struct Arrival {
    Verdict verdict;
    DeliveryId id;
    friend bool operator==(const Arrival&, const Arrival&) = default;
  };
  /// What an acceptance asks for.
  enum class Acceptance : std::uint8_t { kNothing, kPersist, kAcknowledge };
  struct Accepted {
    Acceptance next;
    std::uint16_t packet_id;  ///< for kAcknowledge
    friend bool operator==(const Accepted&, const Accepted&) = default;
  };

  /// A connection was answered. `same_session`: packet ids of earlier ones are still valid.
  void on_login(bool same_session);
  /// Quiet is over: of the numbers up to `through` some were withheld, and never come.
  void on_quiet_over(Sequence through) { withheld_through_ = std::max(withheld_through_, through); }
  /// The server's store is another: numbers start anew.
  void on_new_epoch(Memory& memory, std::uint64_t epoch);

  Arrival on_numbered(Memory& memory, Sequence sequence, std::uint16_t packet_id);
  /// `digest` is of the topic and the payload: a broker may use the id of an acknowledged message
  /// for another one, and send that twice as well.
  Arrival on_unnumbered(std::uint16_t packet_id, bool duplicate, std::uint64_t digest);
  /// Numbers that the last on_numbered has proven to be gone and that the app never had in this
  /// run; each once.
  std::optional<Missed> take_missed() { return std::exchange(missed_, std::nullopt); }
  /// A delivery that nobody acknowledges (QoS 0).
  DeliveryId on_unacknowledged() { return {++last_id_}; }

  /// The app took it; `serial` is the Persist that will carry it. An unknown id changes nothing.
  Accepted accept(Memory& memory, DeliveryId id, std::uint64_t serial);
  /// Persist `serial` is durable: the packet ids to acknowledge now.
  std::vector<std::uint16_t> on_persisted(std::uint64_t serial);

  /// Whether the app or the disk still has to answer.
  bool busy() const;

  friend bool operator==(const Inbox&, const Inbox&) = default;

 private:
  struct Entry {
    DeliveryId id;
    Sequence sequence = 0;  ///< 0: unnumbered
    std::uint16_t packet_id = 0;
    std::uint64_t digest = 0;  ///< of an unnumbered one
    bool here = false;         ///< came on the present connection, so that it can be acknowledged
    std::uint64_t serial = 0;  ///< of the Persist that carries its acceptance; 0: not accepted
    bool accepted = false;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  /// An unnumbered one whose PUBACK was handed to the connection.
  struct Acknowledged {
    std::uint16_t packet_id;
    std::uint64_t digest;
    friend bool operator==(const Acknowledged&, const Acknowledged&) = default;
  };

  Arrival add(Sequence sequence, std::uint16_t packet_id, std::uint64_t digest);
  void remember(Acknowledged done);
  std::size_t waiting(const Memory& memory) const;
  void note_missed(const Memory& memory, Sequence sequence);

  std::vector<Entry> entries_;
  std::vector<Acknowledged> acknowledged_;  ///< the newest kUnacceptedMax, newest last
  Sequence connection_high_ = 0;            ///< the highest number on the present connection
  Sequence high_ = 0;              ///< the highest that came in this run, of this epoch; 0: none
  Sequence withheld_through_ = 0;  ///< of this epoch: a gap up to here is no loss
  std::optional<Missed> missed_;
  std::uint64_t last_id_ = 0;
};

}  // namespace wakeline::link
