//! The tables, and how older ones become these.
//!
//! People read them: `sqlite3 settled.db 'SELECT * FROM incident'`. What happened is in `event`;
//! everything else follows from it, and is there to be found quickly. The views put together what
//! belongs together. Names are written as `names` says.

use rusqlite::{Connection, Error};

use super::names::Names;

/// `Sttl`: in the file's header, so that nobody takes another program's database for a journal.
pub(super) const APPLICATION_ID: i64 = 0x5374_746c;

/// How to get from each version to the next; version n is what the first n of these have made.
/// Those that were ever released are never changed.
const MIGRATIONS: &[&str] = &[V1, V2, V3];

/// The version that this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the tables to [`VERSION`]. The caller has begun a transaction.
///
/// A file of its own says its version in its header. In somebody else's the header is not ours: there
/// the version stands in `settled_meta`.
pub(super) fn migrate(connection: &Connection, names: Names, from: i64) -> Result<(), Error> {
    for migration in MIGRATIONS.iter().skip(from.max(0) as usize) {
        connection.execute_batch(&names.sql(migration))?;
    }
    if names.is_within() {
        connection.execute(&names.sql(SET_VERSION), [VERSION.to_string()])?;
        return Ok(());
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// A file as the first `version` migrations leave it, with what opening puts into it.
#[cfg(test)]
pub(super) fn make_old(path: &std::path::Path, version: i64, secret: &str) {
    let old = Connection::open(path).unwrap();
    for migration in &MIGRATIONS[..version as usize] {
        old.execute_batch(&Names::ALONE.sql(migration)).unwrap();
    }
    old.pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    old.pragma_update(None, "user_version", version).unwrap();
    old.execute(
        "INSERT INTO meta (name, value) VALUES ('secret', ?1)",
        [secret],
    )
    .unwrap();
}

const SET_VERSION: &str = "
    INSERT INTO @meta (name, value) VALUES ('version', ?1)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The input of a saga is kept in its first event and nowhere else: a row of `saga` changes two or
/// three times and is written whole each time.
const V1: &str = "
CREATE TABLE @meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE @definition (
  no       INTEGER PRIMARY KEY,
  digest   BLOB NOT NULL UNIQUE,
  steps    TEXT NOT NULL,
  document TEXT NOT NULL
) STRICT;

CREATE TABLE @saga (
  no          INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL,
  state       TEXT NOT NULL,
  created_at  TEXT NOT NULL,
  deadline_at TEXT,
  wake_at     TEXT,
  settled_at  TEXT,
  definition  INTEGER NOT NULL REFERENCES @definition (no),
  fingerprint BLOB NOT NULL
) STRICT;
CREATE INDEX @saga_created ON @saga (created_at);
CREATE INDEX @saga_wake ON @saga (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX @saga_settled ON @saga (settled_at, created_at);
CREATE INDEX @saga_definition ON @saga (definition);

CREATE TABLE @event (
  position  INTEGER PRIMARY KEY,
  saga      INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  at        TEXT NOT NULL,
  kind      TEXT NOT NULL,
  step      TEXT,
  direction TEXT,
  attempt   INTEGER,
  outcome   TEXT,
  data      TEXT NOT NULL,
  hash      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX @event_saga ON @event (saga, seq);

CREATE TABLE @incident (
  no          INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  saga        TEXT NOT NULL,
  name        TEXT NOT NULL,
  step        TEXT NOT NULL,
  direction   TEXT NOT NULL,
  kind        TEXT NOT NULL,
  participant TEXT,
  request_url TEXT,
  request     TEXT,
  response    TEXT,
  error       TEXT NOT NULL,
  attempts    INTEGER NOT NULL,
  opened_at   TEXT NOT NULL,
  state       TEXT NOT NULL,
  decision    TEXT,
  note        TEXT,
  resolved_by TEXT,
  resolved_at TEXT,
  saga_no     INTEGER NOT NULL,
  number      INTEGER NOT NULL
) STRICT;
CREATE INDEX @incident_saga ON @incident (saga_no, number);
CREATE INDEX @incident_open ON @incident (state) WHERE state = 'open';

CREATE VIEW @submission AS
  SELECT @saga.id, @saga.name, @saga.state, @saga.created_at, @saga.settled_at,
         iif(json_valid(@event.data), @event.data -> '$.input', NULL) AS input,
         @definition.document AS definition
  FROM @saga
  JOIN @definition ON @definition.no = @saga.definition
  JOIN @event ON @event.saga = @saga.no AND @event.seq = 1;

CREATE VIEW @history AS
  SELECT @saga.id AS saga, @event.seq, @event.at, @event.kind, @event.step, @event.direction,
         @event.attempt, @event.outcome, @event.data
  FROM @event
  JOIN @saga ON @saga.no = @event.saga;

CREATE VIEW @attempt AS
  SELECT @saga.id AS saga, began.step, began.direction, began.attempt,
         began.at AS started_at, ended.at AS ended_at, ended.outcome,
         iif(json_valid(began.data), began.data ->> '$.method', NULL) AS method,
         iif(json_valid(began.data), began.data ->> '$.url', NULL) AS url,
         iif(json_valid(began.data), began.data -> '$.body', NULL) AS request,
         iif(json_valid(ended.data), ended.data ->> '$.status', NULL) AS status,
         iif(json_valid(ended.data), ended.data -> '$.body', NULL) AS response,
         iif(json_valid(ended.data), ended.data ->> '$.error', NULL) AS error
  FROM @event AS began
  JOIN @saga ON @saga.no = began.saga
  LEFT JOIN @event AS ended
    ON ended.saga = began.saga AND ended.seq > began.seq AND ended.kind = 'attempt_ended'
   AND ended.step = began.step AND ended.direction = began.direction
   AND ended.attempt = began.attempt
  WHERE began.kind = 'attempt_started';
";

/// Schedules. Each row is of one moment and written whole.
const V2: &str = "
CREATE TABLE @schedule (
  name           TEXT PRIMARY KEY,
  document       TEXT NOT NULL,
  created_at     TEXT NOT NULL,
  updated_at     TEXT NOT NULL,
  anchor_at      TEXT NOT NULL,
  decided_until  TEXT NOT NULL,
  next_due_at    TEXT,
  waiting_due_at TEXT,
  last_due_at    TEXT,
  last_saga      TEXT,
  triggered_saga TEXT,
  triggered_at   TEXT,
  runs           INTEGER NOT NULL,
  missed         INTEGER NOT NULL,
  overlapped     INTEGER NOT NULL,
  error          TEXT
) STRICT;
";

/// Who did what, and what was told of incidents; and how the rare among many sagas are found. Neither
/// index is touched when a saga is settled that went well.
const V3: &str = "
ALTER TABLE @saga ADD COLUMN submitted_by TEXT;
CREATE INDEX @saga_name ON @saga (name, created_at);
CREATE INDEX @saga_compensated ON @saga (created_at) WHERE state = 'compensated';

ALTER TABLE @incident ADD COLUMN told TEXT;
ALTER TABLE @incident ADD COLUMN told_at TEXT;
CREATE INDEX @incident_told ON @incident (no) WHERE told = 'open' AND state = 'resolved';
CREATE INDEX @incident_opened ON @incident (opened_at);
CREATE INDEX @incident_resolved ON @incident (resolved_at) WHERE resolved_at IS NOT NULL;

CREATE TABLE @audit (
  no     INTEGER PRIMARY KEY,
  id     TEXT NOT NULL UNIQUE,
  at     TEXT NOT NULL,
  who    TEXT NOT NULL,
  roles  TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT,
  status INTEGER NOT NULL,
  remote TEXT,
  detail TEXT,
  hash   TEXT NOT NULL
) STRICT;
";
