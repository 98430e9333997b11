// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace wakeline::store {

/// From version 2 to 3: what a device may do, and what it said.
///   devices.rights   a bit for each kind of report that it may publish (7: all three)
///   pushes.of_group  the group that it was sent to; null: to the device itself
///   may_join         the groups that a device may join and leave by itself
///   reports          what devices published, until it is fetched
inline constexpr const char* kSchema3 = R"sql(
ALTER TABLE devices ADD COLUMN rights INTEGER NOT NULL DEFAULT 7;
ALTER TABLE pushes ADD COLUMN of_group TEXT;

CREATE TABLE may_join (
  device INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  name   TEXT NOT NULL,
  PRIMARY KEY (device, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER may_join_no_more AFTER DELETE ON may_join BEGIN
  DELETE FROM members WHERE kind = 1 AND name = old.name AND device = old.device;
END;

CREATE TABLE reports (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  device       INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  kind         INTEGER NOT NULL,
  accepted     INTEGER NOT NULL,
  content_type TEXT,
  correlation  BLOB NOT NULL,
  body         BLOB NOT NULL
) STRICT;
CREATE INDEX reports_by_device ON reports (device, id);
CREATE INDEX reports_by_time ON reports (accepted);

PRAGMA user_version = 3;
)sql";

}  // namespace wakeline::store
