// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "store/schema_2.h"
#include "store/schema_3.h"
#include "store/schema_4.h"
#include "store/schema_5.h"
#include "store/schema_6.h"
#include "store/schema_7.h"

/// The tables. Times are milliseconds since 1970 in UTC. A change of any of it is a new version,
/// and a step that takes a file there.
namespace wakeline::store {

inline constexpr std::int64_t kApplicationId = 0x576b4c6e;  // "WkLn"
inline constexpr std::int64_t kSchemaVersion = 7;
/// What `kSchema` makes, and the oldest that is brought up to date.
inline constexpr std::int64_t kOldestSchema = 1;
/// From version 1 to 2, and so on; each ends with its `PRAGMA user_version`.
inline constexpr const char* kSchemaSteps[] = {kSchema2, kSchema3, kSchema4,
                                               kSchema5, kSchema6, kSchema7};

/// `last_sequence` outlives every push of the device, and `sequence_floor` every device: a device
/// that is made again under an old name must not count from 1, or its app would take new pushes
/// for old ones. Both it and `waiting` have moved to a table of their own since (`schema_5.h`).
inline constexpr const char* kSchema = R"sql(
CREATE TABLE store (
  only           INTEGER PRIMARY KEY CHECK (only = 1),
  epoch          INTEGER NOT NULL,
  sequence_floor INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO store (only, epoch) VALUES (1, (random() & 0x7fffffffffffffff) | 1);

CREATE TABLE devices (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  name          TEXT NOT NULL UNIQUE,
  token_hash    BLOB NOT NULL,
  created       INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  waiting       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE senders (
  token_hash BLOB PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  created    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pushes (
  device   INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  urgency  INTEGER NOT NULL,
  expires  INTEGER NOT NULL,
  topic    TEXT,
  body     BLOB NOT NULL,
  PRIMARY KEY (device, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX pushes_by_expiry ON pushes (expires);
CREATE UNIQUE INDEX pushes_by_topic ON pushes (device, topic) WHERE topic IS NOT NULL;

CREATE TABLE keys (
  device   INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  key      TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  expires  INTEGER NOT NULL,
  PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_expiry ON keys (expires);

CREATE TRIGGER push_waits AFTER INSERT ON pushes BEGIN
  UPDATE devices SET waiting = waiting + 1 WHERE id = new.device;
END;
CREATE TRIGGER push_gone AFTER DELETE ON pushes BEGIN
  UPDATE devices SET waiting = waiting - 1 WHERE id = old.device;
END;
CREATE TRIGGER device_gone AFTER DELETE ON devices BEGIN
  UPDATE store SET sequence_floor = max(sequence_floor, old.last_sequence);
END;

PRAGMA application_id = 0x576b4c6e;
PRAGMA user_version = 1;
)sql";

}  // namespace wakeline::store
