//! Sagas whose every call ends settled: done, undone, or in front of a person.

pub mod definition;
pub mod engine;
pub mod observe;
pub mod participant;
pub mod snapshot;

mod callback;
mod fingerprint;
mod trace;

pub use callback::CallbackKey;
