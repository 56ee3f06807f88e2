//! A saga as it stands at one moment, with all that people are shown of it.

use std::sync::Arc;

use settled_journal::{SagaNo, StoredSaga};
use settled_protocol::{Json, Misfit, Saga, Timestamp};

use crate::definition::{Definition, Definitions, Invalid};

/// One saga at one moment; only what is durable is in it.
#[derive(Clone, Debug)]
pub struct SagaSnapshot {
    /// Its number in the journal.
    pub no: SagaNo,
    /// Chosen by the caller.
    pub id: Arc<str>,
    /// Its kind.
    pub name: Arc<str>,
    /// The caller's input.
    pub input: Json,
    /// Who submitted it, where that is known.
    pub submitted_by: Option<Arc<str>>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Its steps, compiled.
    pub definition: Arc<Definition>,
    /// What happened to it.
    pub saga: Saga,
}

/// Why a stored saga cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its definition does not compile.
    #[error("its definition cannot be read: {0}")]
    Definition(#[from] Invalid),
    /// Its history does not add up.
    #[error("its history does not add up: {0}")]
    History(#[from] Misfit),
}

impl SagaSnapshot {
    /// Folds what the journal holds of a saga.
    ///
    /// # Errors
    /// [`Unreadable`] where the record cannot be understood; nobody may act on such a saga.
    pub fn from_stored(stored: &StoredSaga, definitions: &Definitions) -> Result<Self, Unreadable> {
        let definition = definitions.compile(stored.definition.as_str())?;
        let mut saga = Saga::new(Arc::clone(definition.plan()));
        for record in &stored.records {
            saga.apply(record)?;
        }
        Ok(Self {
            no: stored.no,
            id: stored.id.as_str().into(),
            name: stored.name.as_str().into(),
            input: stored.input.clone(),
            submitted_by: stored.submitted_by.as_deref().map(Into::into),
            created_at: stored.created_at,
            definition,
            saga,
        })
    }
}
