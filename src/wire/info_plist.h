// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "wire/manifest.h"

namespace wakeline::wire {

inline constexpr std::size_t kPlistEntriesMax = 256;  ///< background modes
/// Bytes. A binary list of this size can be nested some 3,000 deep, which the library, that
/// recurses, has the stack for; the lists of real apps are smaller.
inline constexpr std::size_t kInfoPlistMax = 16'384;

/// Reads an Info.plist, XML or binary, as phone apps have it (C2): CFBundleIdentifier (the id, in
/// small letters), CFBundleDisplayName or CFBundleName, CFBundleExecutable (in `folder`, where it
/// is no absolute path), UIBackgroundModes, UIApplicationExitsOnSuspend. Keys of other purposes are
/// passed over; a background mode that we do not offer is a line in `warnings`.
/// Errors: kMalformed (no property list, a key that is missing or of a wrong type), kTooLarge (over
///         kInfoPlistMax, or a limit of a manifest).
std::expected<Manifest, ManifestError> parse_info_plist(
    std::string_view bytes, std::string_view folder,
    std::vector<ManifestError>* warnings = nullptr);

/// Whether these bytes begin as a property list does.
bool is_plist(std::string_view bytes);

}  // namespace wakeline::wire
