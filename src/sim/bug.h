// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace wakeline::sim {

/// A bug that a world can be given, to prove that its judge would see it. Each breaks one promise.
enum class Bug : std::uint8_t {
  kNone,
  kAnswersBeforeCommit,  ///< the server says 201 before the row is durable
  kForgetsAcceptance,    ///< the app says "written" before its memory is on the disk
  kSkipsSync,            ///< the memory is renamed into its place without fdatasync
  kLosesReadiness,       ///< the host's watch says nothing of bytes that arrive
  kNeverFreezes,         ///< a freeze is reported, and the app runs on
  kRunsLate,             ///< the host's timer fires five minutes late
  kKeepsOldSession,      ///< the server serves a device's new line beside the old one
  kForgetsWindow,        ///< the server sends more than the device's Receive Maximum
  kExpiresEarly,         ///< the store drops pushes that have not expired
  kHandsOverNothing,     ///< an upgraded server forgets what is in flight
  kMixesInboxes,         ///< the server sends a device what is another's
  kDeliversLate,         ///< the library gives a push after the one that came later
  kDeliversTwice,        ///< the library gives a push again
  kIgnoresExpiry,        ///< the app holds a task whose time is over
  kForgetsUnwatch,       ///< the host watches a socket that it should not
  kFloods,               ///< the host sends a frozen app all it knows, again and again
  kStaysDown,            ///< the server does not listen after a restart
  kRingsNobody,          ///< the server stores a push and tells no session
  kNeverKeeps,           ///< the app takes a push and never says that it keeps it
  kTurnsOnTheSpot,       ///< a timer of the app is due again at the moment when it fires
  kCount
};
std::string_view name(Bug);

}  // namespace wakeline::sim
