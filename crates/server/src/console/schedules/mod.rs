//! Schedules: when each is due, what came of it, and what a person changes of them.
//!
//! What a document means, and whether it can be put, is the coordinator's to say.

mod change;
mod list;
mod one;
mod shown;
mod words;

pub(super) use change::{delete, make, put, trigger};
pub(super) use list::list;
pub(super) use one::show;
