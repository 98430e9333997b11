// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/strong_id.h"
#include "base/time.h"

/// What the server keeps on disk: devices, those who may push, and the pushes that wait.
namespace wakeline::store {

/// A push's number in its device's inbox: from 1, rising for ever, also over deletions.
using Sequence = std::uint64_t;
/// A registered device; never given to another one, also after its removal.
using DeviceId = base::StrongId<struct DeviceTag>;
/// SHA-256 of a token; the token itself is nowhere on disk.
using TokenHash = std::array<std::uint8_t, 32>;

/// Pushes that wait for one device; a further one is refused with kBusy. Origin: about 4 MB of the
/// largest bodies, and more than a person reads after any absence.
inline constexpr std::uint32_t kQueueMax = 1'000;
/// Reports of one device that nobody has fetched; a further one is refused with kBusy.
inline constexpr std::int64_t kReportsMax = 1'000;
/// How long a report waits to be fetched.
inline constexpr base::Duration kReportsKept = std::chrono::hours(24 * 28);
/// Keys of reports that are remembered for a device, the newest, longer than it may try. It sends
/// what was not acknowledged first, and no more than 64 wait there.
inline constexpr std::int64_t kReportKeysMax = 1'024;
inline constexpr base::Duration kReportKeysKept = kReportsKept + std::chrono::hours(24);
/// Receipts of one group that nobody has fetched; a push that asks for one more is refused with
/// kBusy.
inline constexpr std::size_t kReceiptsMax = 10'000;
/// How long an idempotency key is remembered after the life of its push.
inline constexpr base::Duration kIdempotencyKept = std::chrono::hours(24);

struct Device {
  DeviceId id{};
  std::string name{};
  TokenHash token_hash{};
  base::WallTime created{};
  std::uint64_t waiting = 0;      ///< pushes that it has not acknowledged
  std::uint8_t rights = 7;        ///< a bit for each kind of report that it may publish
  std::uint8_t lowest = 0;        ///< urgency of the pushes that it takes now
  Sequence withheld_through = 0;  ///< its highest number when quiet was last over; 0: never quiet
  friend bool operator==(const Device&, const Device&) = default;
};

/// A push to be stored. With `expires` <= `accepted` (nobody is there to take a push of TTL 0) only
/// its number is used up and its topic replaced.
struct NewPush {
  std::string device{};
  base::Bytes body{};
  std::string topic{};  ///< replaces a waiting push of that topic; empty: none
  std::string group{};  ///< that it was sent to; empty: to the device itself
  std::uint8_t urgency = 0;
  std::uint8_t encoding = 0;  ///< of the body; 0: our own JSON
  base::WallTime accepted{};
  base::WallTime expires{};
  std::string idempotency_key{};  ///< of its sender; visible ASCII, empty: none
  std::string fingerprint{};      ///< of all that its sender said, to tell repetition from misuse
  std::uint64_t receipt = 0;      ///< the group that a receipt goes to, below 2^63; 0: none
  friend bool operator==(const NewPush&, const NewPush&) = default;
};

/// Of one push, or of all up to it that are not withheld.
struct Deletion {
  DeviceId device{};
  Sequence sequence = 0;
  bool through = false;
  base::WallTime asked{};  ///< `through`: what had expired by then was not delivered
};

struct Accepted {
  DeviceId device{};
  Sequence sequence = 0;
  bool waits = false;     ///< it is in the queue
  bool repeated = false;  ///< the idempotency key was known: the first push's number
  bool held = false;      ///< it waits, and is withheld: the device takes more urgent ones alone
  friend bool operator==(const Accepted&, const Accepted&) = default;
};

/// What became of a change of a device's lowest urgency.
struct LowestSet {
  Sequence highest = 0;           ///< number of the device
  Sequence withheld_through = 0;  ///< as in Device
  friend bool operator==(const LowestSet&, const LowestSet&) = default;
};

/// A push as it waits.
struct Push {
  Sequence sequence = 0;
  base::Bytes body{};
  std::uint8_t urgency = 0;
  base::WallTime expires{};
  std::uint8_t encoding = 0;
  std::string group{};  ///< empty: to the device itself
  friend bool operator==(const Push&, const Push&) = default;
};

/// What became of a push.
struct Receipt {
  std::uint64_t id = 0;  ///< rises with each receipt of the store
  DeviceId device{};
  Sequence sequence = 0;  ///< the number that its sender was told
  int status = 0;         ///< 204: acknowledged; 410: it never will be
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

/// What a device published: a reply, a receipt, its presence.
struct Report {
  std::uint64_t id = 0;  ///< rises with each report of the store; 0 until it is stored
  DeviceId device{};
  std::string device_name{};  ///< as read; not needed to store one
  std::uint8_t kind = 0;      ///< wire::ReportKind
  base::WallTime accepted{};
  std::string content_type{};
  base::Bytes correlation{};
  base::Bytes body{};
  std::string key{};  ///< idempotency key of its device; empty: none, and as read
  friend bool operator==(const Report&, const Report&) = default;
};

/// Numbers of waiting pushes, rising; `more` when there are others above the last.
struct Pending {
  std::vector<Sequence> sequences{};
  bool more = false;
  friend bool operator==(const Pending&, const Pending&) = default;
};

}  // namespace wakeline::store
