//! Removing what is old, a piece at a time.
//!
//! Settled sagas are found by an index in the order in which they were settled, so a piece costs
//! what it removes, however long the history is. Only those with an open incident are passed over.

use rusqlite::{Error, params};
use settled_protocol::Timestamp;

use super::write::Desk;
use crate::store::CommitError;
use crate::time_text::TimeText;

pub(super) const OLD: &str = "
    SELECT no, definition FROM @saga
    WHERE settled_at < ?1
      AND NOT EXISTS (SELECT 1 FROM @incident WHERE saga_no = @saga.no AND state = 'open')
    ORDER BY settled_at, created_at, no
    LIMIT ?2";
pub(super) const DROP_DEFINITION: &str = "
    DELETE FROM @definition WHERE no = ?1
      AND NOT EXISTS (SELECT 1 FROM @saga WHERE @saga.definition = ?1)";
/// Numbers are not given out again, not even when the last saga is gone.
pub(super) const KEEP_NUMBER: &str = "
    INSERT INTO @meta (name, value)
    SELECT 'next_saga', CAST(max(no) + 1 AS TEXT) FROM @saga WHERE true
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
    WHERE CAST(excluded.value AS INTEGER) > CAST(value AS INTEGER)";
pub(super) const DELETE_EVENTS: &str = "DELETE FROM @event WHERE saga = ?1";
pub(super) const DELETE_INCIDENTS: &str = "DELETE FROM @incident WHERE saga_no = ?1";
pub(super) const DELETE_SAGA: &str = "DELETE FROM @saga WHERE no = ?1";

impl Desk {
    pub(super) fn prune(&mut self, before: Timestamp, limit: usize) -> Result<usize, CommitError> {
        let pruned = self.remove(before, limit);
        // What is remembered of definitions may be gone.
        self.forget();
        pruned.map_err(|error| self.undo(&error))
    }

    fn remove(&mut self, before: Timestamp, limit: usize) -> Result<usize, Error> {
        let Self {
            connection, texts, ..
        } = self;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let before = TimeText::new(before);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let old: Vec<(i64, i64)> = connection
            .prepare_cached(&texts.old)?
            .query_map(params![before.as_str(), limit], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        if !old.is_empty() {
            connection.prepare_cached(&texts.keep_number)?.execute([])?;
        }
        {
            let mut events = connection.prepare_cached(&texts.delete_events)?;
            let mut incidents = connection.prepare_cached(&texts.delete_incidents)?;
            let mut saga = connection.prepare_cached(&texts.delete_saga)?;
            for (no, _) in &old {
                events.execute([no])?;
                incidents.execute([no])?;
                saga.execute([no])?;
            }
        }
        let mut definitions: Vec<i64> = old.iter().map(|(_, definition)| *definition).collect();
        definitions.sort_unstable();
        definitions.dedup();
        for definition in definitions {
            connection
                .prepare_cached(&texts.drop_definition)?
                .execute([definition])?;
        }
        connection.execute_batch("COMMIT")?;
        Ok(old.len())
    }
}
