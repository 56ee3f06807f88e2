//! The API as its callers see it: over real sockets, with real participants behind it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod audit;
mod described;
mod durable;
mod events;
mod foreseen;
mod hostile;
mod incidents;
mod limits;
mod masked;
mod measured;
mod participants;
mod sagas;
mod schedules;
mod shutdown;
mod support;
