//! Sagas whose every call ends settled: done, undone, or in front of a person.

pub mod coordinator;
pub mod definition;
pub mod engine;
pub mod local;
pub mod observe;
pub mod participant;
pub mod snapshot;

mod callback;
mod fingerprint;
mod trace;

pub use callback::CallbackKey;
pub use settled_journal as journal;
pub use settled_protocol as protocol;
