// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace wakeline::store {

/// From version 6 to 7: pushes are in a journal first (`journal.h`).
///   store.journal   the generation of the records that are not in the tables yet
inline constexpr const char* kSchema7 = R"sql(
ALTER TABLE store ADD COLUMN journal INTEGER NOT NULL DEFAULT 1;

PRAGMA user_version = 7;
)sql";

}  // namespace wakeline::store
