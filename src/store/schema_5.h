// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace wakeline::store {

/// From version 4 to 5: what changes with each push stands in narrow rows of its own. A commit
/// writes every page that it touches, and pushes go to devices at random: rows of devices, with
/// their names and hashes, were most of what the disk was given.
///   queues               a row for each device, made and removed with it
///   queues.last_sequence, queues.waiting   as they were in `devices`; `waiting` rises where a push
///                        is added, in one place, and falls by a trigger, as pushes go in many ways
inline constexpr const char* kSchema5 = R"sql(
CREATE TABLE queues (
  device        INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
  last_sequence INTEGER NOT NULL,
  waiting       INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO queues (device, last_sequence, waiting) SELECT id, last_sequence, waiting FROM devices;

DROP TRIGGER push_waits;
DROP TRIGGER push_gone;
DROP TRIGGER device_gone;
ALTER TABLE devices DROP COLUMN last_sequence;
ALTER TABLE devices DROP COLUMN waiting;

CREATE TRIGGER device_made AFTER INSERT ON devices BEGIN
  INSERT INTO queues (device, last_sequence) SELECT new.id, sequence_floor FROM store;
END;
CREATE TRIGGER queue_gone AFTER DELETE ON queues BEGIN
  UPDATE store SET sequence_floor = max(sequence_floor, old.last_sequence);
END;
CREATE TRIGGER push_gone AFTER DELETE ON pushes BEGIN
  UPDATE queues SET waiting = waiting - 1 WHERE device = old.device;
END;

PRAGMA user_version = 5;
)sql";

}  // namespace wakeline::store
