// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "wire/host_message.h"

namespace wakeline::wire {

inline constexpr std::size_t kShownNoticesMax = 1'024;           ///< entries of one file
inline constexpr std::size_t kShownNoticesBytesMax = 8'388'608;  ///< bytes of one file
inline constexpr std::size_t kNoticeServerMax = 300;             ///< ShownNotice::server

/// A notification that a server on the bus shows for an app, as the next host must know it.
struct ShownNotice {
  std::uint64_t number = 0;  ///< the host's own, which the app was told
  std::string app;           ///< its id
  std::string tag;           ///< Notification::tag
  std::string payload;       ///< Notification::payload
  std::string server;        ///< which server on which bus
  std::uint32_t place = 0;   ///< that server's number of it
  friend bool operator==(const ShownNotice&, const ShownNotice&) = default;
};

struct ShownNotices {
  std::vector<ShownNotice> notices;
  friend bool operator==(const ShownNotices&, const ShownNotices&) = default;
};

/// The file's text: one JSON object. Errors: kTooLarge, kMalformed, of what could not be read
/// again.
base::Result<std::string> to_text(const ShownNotices& shown);
/// Errors: kTooLarge, kMalformed: nothing is taken of a file with a fault.
base::Result<ShownNotices> parse_shown_notices(std::string_view text);

}  // namespace wakeline::wire
