// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace wakeline::store {

/// From version 5 to 6: which gaps in its numbers a device must not take for a loss.
///   devices.withheld_through   its highest number when it last took all pushes again, before what
///                              was withheld got new ones
inline constexpr const char* kSchema6 = R"sql(
ALTER TABLE devices ADD COLUMN withheld_through INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 6;
)sql";

}  // namespace wakeline::store
