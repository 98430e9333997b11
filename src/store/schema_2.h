// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace wakeline::store {

/// From version 1 to 2: who may send what to whom, and by which other ways a device is reached.
///   pushes.encoding     how the body is to be read; 0: our own JSON
///   senders.scopes      what the token may do, words with blanks between; old ones may do all
///   members             users (0) and groups (1) and the devices that belong to them
///   subscriptions       Web Push endpoints; a removed one stays a while, to be told from a wrong
///   one fallbacks           the last resort of a device that is gone secrets             keys that
///   this server makes up for itself
inline constexpr const char* kSchema2 = R"sql(
ALTER TABLE pushes ADD COLUMN encoding INTEGER NOT NULL DEFAULT 0;

ALTER TABLE senders ADD COLUMN scopes TEXT NOT NULL DEFAULT 'push reports stats subscriptions';
ALTER TABLE senders ADD COLUMN expires INTEGER;

CREATE TABLE members (
  kind   INTEGER NOT NULL,
  name   TEXT NOT NULL,
  device INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  PRIMARY KEY (kind, name, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_device ON members (device);

CREATE TABLE subscriptions (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  capability BLOB NOT NULL UNIQUE,
  device     INTEGER REFERENCES devices (id) ON DELETE SET NULL,
  vapid_key  BLOB,
  created    INTEGER NOT NULL,
  removed    INTEGER
) STRICT;
CREATE INDEX subscriptions_by_device ON subscriptions (device);

CREATE TABLE fallbacks (
  device       INTEGER PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
  kind         INTEGER NOT NULL,
  address      TEXT NOT NULL,
  topic        TEXT,
  sent_through INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE secrets (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO secrets (name, value) VALUES ('messages', randomblob(32));

PRAGMA user_version = 2;
)sql";

}  // namespace wakeline::store
