//! The semantics, pure: what entering and leaving a scope comes to, and what a transaction remembers.
//! No connection, no clock and no waiting here; the engine asks, and does what it is told.

mod enter;
mod leave;
mod state;

pub(crate) use enter::{Around, Entry, Refusal, enter};
pub(crate) use leave::{Exit, Role, leave};
pub(crate) use state::{Phase, State};
