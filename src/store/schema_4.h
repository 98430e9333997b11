// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace wakeline::store {

/// From version 3 to 4: quiet devices, and receipts of pushes.
///   devices.lowest   the lowest urgency that the device takes now
///   pushes.held      1: below that, and withheld
///   pushes.held_as   the number under which a push that was withheld had been accepted
///   pushes.receipt   the group of receipts that its sender reads; null: nobody asked
///   receipts         what became of pushes, until it is fetched
inline constexpr const char* kSchema4 = R"sql(
ALTER TABLE devices ADD COLUMN lowest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pushes ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pushes ADD COLUMN held_as INTEGER;
ALTER TABLE pushes ADD COLUMN receipt INTEGER;
CREATE INDEX pushes_by_receipt ON pushes (receipt) WHERE receipt IS NOT NULL;

CREATE TABLE receipts (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  of_group INTEGER NOT NULL,
  device   INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  status   INTEGER NOT NULL,
  made     INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_by_group ON receipts (of_group, id);
CREATE INDEX receipts_by_time ON receipts (made);
INSERT INTO secrets (name, value) VALUES ('receipts', randomblob(32));

PRAGMA user_version = 4;
)sql";

}  // namespace wakeline::store
