//! The durable, ordered record of sagas: one trait, and the stores that keep it.

mod entry;
mod store;

pub use entry::{Append, Appended, NewSaga, SagaNo, SagaRow};
pub use store::{
    CommitError, Due, DueCursor, DueSaga, IncidentFilter, IncidentRow, Journal, Keeper, Opened,
    Page, ReadError, Reader, SagaFilter, SagaKey, Snapshot, StoredSaga,
};
