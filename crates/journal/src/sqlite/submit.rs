//! Writing down a saga that is being submitted: its row, and its definition where that is a new one.

use rusqlite::{Error, OptionalExtension, params};
use settled_protocol::Plan;

use super::write::Work;
use crate::encode::write_string;
use crate::entry::{Appended, NewSaga, SagaNo, SagaRow};
use crate::time_text::TimeText;

/// How many definitions' numbers are remembered.
const MAX_DEFINITIONS: usize = 1_024;

pub(super) const INSERT_SAGA: &str = "
    INSERT INTO @saga (no, id, name, state, created_at, deadline_at, wake_at, settled_at,
                      definition, fingerprint, submitted_by)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT DO NOTHING";
pub(super) const FIND_SAGA: &str = "SELECT no, fingerprint = ?2 FROM @saga WHERE id = ?1";
pub(super) const INSERT_DEFINITION: &str =
    "INSERT INTO @definition (digest, steps, document) VALUES (?1, ?2, ?3)";
pub(super) const FIND_DEFINITION: &str = "SELECT no FROM @definition WHERE digest = ?1";
pub(super) const DELETE_DEFINITION: &str = "DELETE FROM @definition WHERE no = ?1";

/// What became of a submission.
pub(super) enum Inserted {
    /// Its row is written.
    Yes,
    /// Its id is there already.
    Exists(Appended),
    /// Another saga has its number.
    Taken,
}

impl Work<'_> {
    pub(super) fn insert(
        &mut self,
        no: SagaNo,
        new: &NewSaga,
        plan: &Plan,
        row: SagaRow,
    ) -> Result<Inserted, Error> {
        let (definition, fresh) = self.definition(new, plan)?;
        let inserted = self.insert_saga.execute(params![
            no.0,
            new.id,
            new.name,
            row.state.as_str(),
            TimeText::new(new.created_at),
            new.deadline_at.map(TimeText::new),
            row.wake_at.map(TimeText::new),
            row.settled_at.map(TimeText::new),
            definition,
            new.fingerprint,
            new.submitted_by,
        ])?;
        if inserted == 1 {
            return Ok(Inserted::Yes);
        }
        if fresh {
            self.connection
                .prepare_cached(&self.texts.delete_definition)?
                .execute([definition])?;
            self.memory.definitions.remove(&new.definition_digest);
        }
        let there = self
            .connection
            .prepare_cached(&self.texts.find_saga)?
            .query_row(params![new.id, new.fingerprint], |row| {
                Ok(Appended::Exists {
                    saga: SagaNo(row.get(0)?),
                    same: row.get(1)?,
                })
            })
            .optional()?;
        Ok(there.map_or(Inserted::Taken, Inserted::Exists))
    }

    /// The number of a saga's definition, and whether it was just written down.
    fn definition(&mut self, new: &NewSaga, plan: &Plan) -> Result<(i64, bool), Error> {
        if let Some(no) = self.memory.definitions.get(&new.definition_digest) {
            return Ok((*no, false));
        }
        let known: Option<i64> = self
            .connection
            .prepare_cached(&self.texts.find_definition)?
            .query_row([new.definition_digest], |row| row.get(0))
            .optional()?;
        let (no, fresh) = if let Some(no) = known {
            (no, false)
        } else {
            self.connection
                .prepare_cached(&self.texts.insert_definition)?
                .execute(params![
                    new.definition_digest,
                    steps(plan),
                    new.definition.as_str()
                ])?;
            (self.connection.last_insert_rowid(), true)
        };
        if self.memory.definitions.len() >= MAX_DEFINITIONS {
            self.memory.definitions.clear();
        }
        self.memory.definitions.insert(new.definition_digest, no);
        Ok((no, fresh))
    }
}

/// The names of a plan's steps as a JSON list: what the events' `step` refers to.
fn steps(plan: &Plan) -> String {
    let mut list = String::from("[");
    for (index, step) in plan.steps.iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        write_string(&mut list, &step.name);
    }
    list.push(']');
    list
}
